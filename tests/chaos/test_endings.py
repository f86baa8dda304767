"""Promise 26: however it ends, nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minispark.errors import JobCancelledError, PySparkRuntimeError
from tests.chaos.run_log import RunLog

pytestmark = pytest.mark.own_context

MASTERS = ["local", "local-process[2]", pytest.param("local[2]", marks=pytest.mark.ray)]


def test_stop_during_a_job(open_context: Callable[..., Any], log: RunLog, tmp_path: Any) -> None:
    release = tmp_path / "release"
    os.mkfifo(release)
    context = open_context("local-process[2]", spark_local_dir=str(tmp_path / "local"))
    caught: list[BaseException] = []

    def wait(x: int) -> int:
        log.note("started")
        with open(release):
            return x

    def run() -> None:
        try:
            context.parallelize([1], 1).map(wait).collect()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    patience = threading.Event()
    while not log.lines():
        patience.wait(0.01)
    pids = [int(line[-1]) for line in log.lines()]
    context.stop()
    thread.join(30)
    assert isinstance(caught[0], JobCancelledError)
    assert "stopped" in str(caught[0])
    assert not [t.name for t in threading.enumerate() if t.name.startswith("minispark")]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not any((tmp_path / "local").rglob("*.data"))
    with pytest.raises(PySparkRuntimeError, match="stopped"):
        context.parallelize([1])
    context.stop()


def await_gone(pids: set[int], seconds: float = 30.0) -> set[int]:
    """The processes that are still there after so long."""
    patience = threading.Event()
    for _ in range(int(seconds / 0.05)):
        pids = {pid for pid in pids if is_running(pid)}
        if not pids:
            break
        patience.wait(0.05)
    return pids


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def descendants(pid: int) -> set[int]:
    """All processes below one, by ancestry."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    stack = [pid]
    while stack:
        for child in children.get(stack.pop(), ()):
            found.add(child)
            stack.append(child)
    return found


ENDINGS = {
    "normal": ("", 0),
    "stop": ("sc.stop(); sc.stop()", 0),
    "exception": ("raise ValueError('of the script')", 1),
    "sys.exit": ("sys.exit(3)", 3),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); threading.Event().wait()", -signal.SIGTERM),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "os._exit": ("os._exit(5)", 5),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("master", MASTERS)
def test_endings_of_a_script(tmp_path: Path, master: str, ending: str) -> None:
    code, expected = ENDINGS[ending]
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys, threading\n"
        "from minispark import SparkContext\n"
        f"sc = SparkContext({master!r})\n"
        "rdd = sc.parallelize(range(100), 4).map(lambda x: (x % 3, x)).groupByKey().cache()\n"
        "assert rdd.count() == 3\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        f"{code}\n"
    )
    local = tmp_path / "local"
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SPARK_LOCAL_DIRS": str(local)},
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        below = descendants(process.pid)
        assert bool(below) == (master != "local")
        _, errors = process.communicate("go\n", timeout=60)
        assert process.returncode == expected, errors
        if ending == "exception":
            assert "of the script" in errors
    assert not await_gone(below)
    if ending not in ("SIGKILL", "os._exit", "SIGTERM"):
        left = [p for p in local.rglob("*") if p.is_file() and p.name != ".lock"]
        assert not left
        return
    assert_next_start_removes(local)


def assert_next_start_removes(local: Path) -> None:
    """What a killed driver left is removed by the next start."""
    clean = subprocess.run(
        [sys.executable, "-c", "from minispark import SparkContext; SparkContext('local').stop()"],
        env={**os.environ, "SPARK_LOCAL_DIRS": str(local)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert clean.returncode == 0, clean.stderr
    assert not [p for p in local.rglob("*") if p.is_file() and p.name != ".lock"]


@pytest.mark.parametrize("master", MASTERS[1:])
def test_a_killed_driver_leaves_no_busy_executor(tmp_path: Path, master: str) -> None:
    """Executors that cannot look whether their driver lives are ended from outside.

    One has the interpreter's lock, one is stopped. And so is all that Ray started for
    it, in the time that `await_gone` has.
    """
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from minispark import SparkContext\n"
        f"sc = SparkContext({master!r})\n"
        "def work(x):\n"
        f"    Path({str(tmp_path)!r}, f'started-{{x}}').write_text(str(os.getpid()))\n"
        "    os.kill(os.getpid(), signal.SIGSTOP) if x else sum(range(10**12))\n"
        "sc.parallelize(range(2), 2).foreach(work)\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "SPARK_LOCAL_DIRS": str(tmp_path / "local")},
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            patience = threading.Event()
            while len(started := [p for p in tmp_path.glob("started-*") if p.read_text()]) < 2:
                assert process.poll() is None
                patience.wait(0.02)
            below = descendants(process.pid)
            assert {int(p.read_text()) for p in started} <= below
            if master == "local[2]":
                names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in below}
                assert {"raylet", "gcs_server"} <= names
        finally:
            process.kill()
    left = await_gone(below)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
    assert_next_start_removes(tmp_path / "local")
