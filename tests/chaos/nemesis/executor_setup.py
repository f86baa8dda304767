"""What executors of the nemesis do before anything else (`minispark.executor.setup`).

What they are to do is in the environment, which they inherit or get from
`spark.executorEnv`.
"""

from __future__ import annotations

import os

from minispark.storage import checked
from tests.chaos.nemesis import stacks

SETUP = f"{__name__}:prepare"
#: Whether blocks are read step by step that are much smaller than usual ones.
STEPS = "MINISPARK_NEMESIS_STEPS"
_USUAL = checked.SMALL_BYTES, checked.STEP_BYTES
_TINY = 2000, 700


def prepare() -> None:
    """Called in an executor."""
    stacks.register()
    use_steps()


def use_steps() -> None:
    """As the environment says; in the driver, too, which reads results."""
    sizes = _TINY if os.environ.get(STEPS) else _USUAL
    checked.SMALL_BYTES, checked.STEP_BYTES = sizes
