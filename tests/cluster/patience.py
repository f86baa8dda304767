"""How soon Ray misses a node, and how long executors wait for one (`minispark.executor.setup`).

How soon Ray restarts an agent depends on how busy the machine is; that readers
wait for it, and what follows, does not.
"""

from __future__ import annotations

from minispark.runtime.fetch import Fetcher

SETUP = f"{__name__}:wait_longer"
_PATIENCE_S = 60.0
#: Ray finds a dead node in two seconds instead of up to fifteen.
HEALTH_CHECKS = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 4,
}


def wait_longer() -> None:
    """Called in an executor, before it opens its files."""
    defaults = Fetcher.__init__.__kwdefaults__
    assert defaults["patience"] < _PATIENCE_S
    defaults["patience"] = _PATIENCE_S
