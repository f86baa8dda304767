"""Where every thread of every process is, for when one is suspected to hang.

Executors run `register` before anything else (`executor_setup`); from then on
a signal has them write their stacks into a file.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from pathlib import Path

#: The environment variable that names the directory.
VARIABLE = "MINISPARK_NEMESIS_STACKS"


def register() -> None:
    """Called in an executor: SIGUSR1 shows its stacks."""
    folder = os.environ.get(VARIABLE)
    if folder:
        file = open(os.path.join(folder, f"stacks-{os.getpid()}"), "w")  # noqa: SIM115
        faulthandler.register(signal.SIGUSR1, file=file)


def announce(folder: str) -> None:
    """Called in the driver: where executors write to."""
    os.environ[VARIABLE] = folder


def dump(folder: str, pids: list[int]) -> str:
    """The stacks of this process and of the executors."""
    text = []
    own = Path(folder, "stacks-driver")
    with own.open("w") as file:
        faulthandler.dump_traceback(file, all_threads=True)
    text.append(f"== the driver {os.getpid()}\n{own.read_text()}")
    names = {t.ident: t.name for t in threading.enumerate()}
    text.append(
        "\n".join(f"thread {ident:#018x} is {name}" for ident, name in names.items() if ident)
    )
    for pid in pids:
        state = _read(f"/proc/{pid}/status")
        text.append(f"== executor {pid}: {state[:200]}")
        path = Path(folder, f"stacks-{pid}")
        if path.exists() and state:
            os.kill(pid, signal.SIGUSR1)
            for _ in range(40):
                threading.Event().wait(0.05)
                if path.stat().st_size:
                    break
            text.append(path.read_text())
    return "\n".join(text)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
