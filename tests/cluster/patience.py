"""Executors that wait longer for a node than they do by default (`minispark.executor.setup`).

How soon Ray restarts an agent depends on how busy the machine is; that readers
wait for it, and what follows, does not.
"""

from __future__ import annotations

from minispark.runtime.fetch import Fetcher

SETUP = f"{__name__}:wait_longer"
_PATIENCE_S = 60.0


def wait_longer() -> None:
    """Called in an executor, before it opens its files."""
    defaults = Fetcher.__init__.__kwdefaults__
    assert defaults["patience"] < _PATIENCE_S
    defaults["patience"] = _PATIENCE_S
