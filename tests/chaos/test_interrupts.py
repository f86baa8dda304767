"""Promise 19: whatever the tasks do, a cancelled or interrupted thread comes back,
executors are free or replaced, other jobs go on, and the next action is right."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from operator import add
from pathlib import Path
from typing import Any

import pytest

from minispark.errors import JobCancelledError
from tests.chaos.run_log import RunLog

pytestmark = pytest.mark.own_context

#: A hang, not a slow machine. Cancelling takes milliseconds, the grace one second.
LIMIT_S = 20


@pytest.fixture(scope="module")
def processes(open_context: Callable[..., Any]) -> Iterator[Any]:
    context = open_context("local-process[2]")
    yield context
    context.stop()


# -- what tasks may be doing -----------------------------------------------------------


def sleep() -> None:
    threading.Event().wait(60)


def python_loop() -> None:
    while True:
        pass


def big_sort() -> None:
    """One call of C after the other, each longer than anybody wants to wait."""
    numbers = [i * 7919 % 1_000_003 for i in range(3_000_000)]
    while True:
        sorted(numbers)


def global_lock() -> None:
    """One call of C that lets nobody in for minutes."""
    sum(range(20_000_000_000))


def regular_expression() -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")


def product() -> None:
    import numpy as np

    matrix = np.ones((1500, 1500))
    while True:
        matrix = np.clip(matrix @ matrix, 0, 1)


def subprocess_call() -> None:
    subprocess.run(["sleep", "60"], check=False)


def swallowing() -> None:
    """A task that takes the interrupt for an error of its own and goes on."""
    while True:
        try:
            threading.Event().wait(60)
        except BaseException:
            continue


DOINGS = [
    sleep, python_loop, big_sort, global_lock, regular_expression, product, subprocess_call,
    swallowing,
]  # fmt: skip


def in_thread(action: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Runs an action in a thread; what it gives or raises."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(action())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def await_lines(log: RunLog, count: int) -> None:
    patience = threading.Event()
    for _ in range(100 * LIMIT_S):
        if len(log.lines()) >= count:
            return
        patience.wait(0.01)
    raise AssertionError(f"no {count} tasks started: {log.lines()}")


def assert_cancelled(thread: threading.Thread, outcome: list[Any]) -> None:
    thread.join(LIMIT_S)
    assert not thread.is_alive(), "the thread did not come back"
    assert isinstance(outcome[0], JobCancelledError), outcome


@pytest.mark.parametrize("doing", DOINGS, ids=[f.__name__ for f in DOINGS])
def test_cancelled_while(processes: Any, log: RunLog, doing: Callable[[], None]) -> None:
    """Both executors are at it; the job would keep what it computes."""

    def work(x: int) -> int:
        if log.first_time(f"x{x}"):
            log.note("started")
            doing()
        return x

    kept = processes.parallelize(range(2), 2).map(work).cache()
    thread, outcome = in_thread(kept.collect)
    await_lines(log, 2)
    processes.cancelAllJobs()
    assert_cancelled(thread, outcome)
    # The executors are free, or others took their places: all of them work again.
    assert (
        processes.parallelize(range(100), 8).map(lambda x: (x % 3, x)).reduceByKey(add).count() == 3
    )
    assert kept.collect() == [0, 1], "half a partition was kept"
    assert kept.collect() == [0, 1]
    kept.unpersist()


@pytest.mark.parametrize("phase", ["map side", "reduce side", "queued", "sorting"])
def test_cancelled_in_a_shuffle(processes: Any, log: RunLog, phase: str) -> None:
    """A job of two stages goes; another that shares the executors stays."""
    waits = {"map side": "map", "reduce side": "reduce", "sorting": "map", "queued": ""}[phase]

    def wait(where: str) -> Callable[[int, Any], Any]:
        def pass_on(index: int, records: Any) -> Any:
            if where == waits and index < 2 and log.first_time(f"{where}{index}"):
                log.note("started")
                sleep()
            return records

        return pass_on

    def hold(index: int, records: Any) -> Any:
        log.note("held")
        patience = threading.Event()
        while not os.path.exists(f"{log.path}.go"):
            patience.wait(0.02)
        return records

    pairs = processes.parallelize(range(60), 4).mapPartitionsWithIndex(wait("map"))
    pairs = pairs.map(lambda x: (x % 6, x))
    if phase == "sorting":
        # Sampling is a job of its own, which comes first and must not wait.
        names = ["map0", "map1"]
        assert all(map(log.first_time, names))
        shuffled = pairs.sortByKey(numPartitions=3)
        for name in names:
            Path(f"{log.path}.{name}").unlink()
    else:
        shuffled = pairs.groupByKey(3)
    rdd = shuffled.mapPartitionsWithIndex(wait("reduce"))
    other = holding = None
    if phase == "queued":  # both executors are busy with another job
        holding = processes.parallelize(range(2), 2).mapPartitionsWithIndex(hold)
        other, answer = in_thread(holding.collect)
        await_lines(log, 2)

    def action() -> Any:
        processes.setJobGroup("unwanted", "to be cancelled", interruptOnCancel=True)
        return rdd.mapValues(
            lambda values: values if isinstance(values, int) else sorted(values)
        ).collect()

    thread, outcome = in_thread(action)
    if phase == "queued":
        patience = threading.Event()
        while not any(job.group == "unwanted" for job in processes._engine.driver.jobs()):
            patience.wait(0.01)
    else:
        await_lines(log, 2)
    processes.cancelJobGroup("unwanted")
    assert_cancelled(thread, outcome)
    if other is not None:
        assert log.first_time("go")
        other.join(LIMIT_S)
        assert answer == [[0, 1]]
    expected = sorted((x % 6, x) for x in range(60))
    found = rdd.flatMap(
        lambda kv: [(kv[0], v) for v in ([kv[1]] if isinstance(kv[1], int) else kv[1])]
    )
    assert sorted(found.collect()) == expected


def test_cancel_takes_only_its_own(processes: Any, log: RunLog) -> None:
    """Tags and groups of other threads go on; unknown ones are no error."""

    def work(name: str) -> Callable[[int], int]:
        def wait(x: int) -> int:
            log.note(name)
            patience = threading.Event()
            while not os.path.exists(f"{log.path}.{name}"):
                patience.wait(0.02)
            return x

        return wait

    def tagged(tag: str) -> Any:
        processes.addJobTag(tag)
        return processes.parallelize([1], 1).map(work(tag)).collect()

    one, gone = in_thread(lambda: tagged("bad"))
    two, stays = in_thread(lambda: tagged("good"))
    await_lines(log, 2)
    processes.cancelJobsWithTag("unknown")
    processes.cancelJobGroup("unknown")
    processes.cancelJobsWithTag("bad")
    assert_cancelled(one, gone)
    log.first_time("good")
    two.join(LIMIT_S)
    assert stays == [[1]]


# -- Ctrl-C ------------------------------------------------------------------------------


class Terminal:
    """A program on a terminal of its own, and what it shows there."""

    def __init__(self, *command: str) -> None:
        self.fd, theirs = pty.openpty()

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=own_terminal,
            env={**os.environ, "TERM": "dumb", "PYTHON_BASIC_REPL": "1"},
        )
        os.close(theirs)
        self._unread = ""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def until(self, text: str) -> None:
        """Reads what is shown until a text comes after all that was read before."""
        while text not in self._unread:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            assert data, f"the program ended without {text!r}: {self._unread}"
            self._unread += data.decode(errors="replace")
        self._unread = self._unread.partition(text)[2]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*command: str) -> Terminal:
        opened.append(Terminal(*command))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


MASTERS = ["local", "local-process[2]", pytest.param("local[2]", marks=pytest.mark.ray)]
WAITING = "import threading; from pathlib import Path"
#: A task that says so when it runs, in a file, and then sleeps.
TASK = "lambda x: Path({path!r}, str(x)).touch() or threading.Event().wait(60)"


def await_files(folder: Path, count: int) -> None:
    patience = threading.Event()
    for _ in range(100 * LIMIT_S):
        if len(list(folder.iterdir())) >= count:
            return
        patience.wait(0.01)
    raise AssertionError("no task started")


@pytest.mark.parametrize("master", MASTERS)
def test_ctrl_c_in_the_shell(
    terminal: Callable[..., Terminal], tmp_path: Path, master: str
) -> None:
    shell = terminal(sys.executable, "-m", "minispark", "shell", "--master", master)
    shell.until(">>> ")
    shell.type(f"{WAITING}\n")
    shell.until(">>> ")
    shell.type(f"sc.parallelize(range(2), 2).map({TASK.format(path=str(tmp_path))}).collect()\n")
    await_files(tmp_path, 1)
    shell.type("\x03")
    shell.until("KeyboardInterrupt")
    shell.until(">>> ")
    shell.type("print('sum', sc.parallelize(range(10), 4).map(lambda x: x + 1).sum())\n")
    shell.until("sum 55")
    shell.type("exit()\n")
    assert shell.process.wait(60) == 0


SCRIPT = f"""
{WAITING}
from minispark import SparkContext

sc = SparkContext({{master!r}})
try:
    sc.parallelize(range(2), 2).map({TASK}).collect()
except KeyboardInterrupt:
    print("interrupted")
print("sum", sc.parallelize(range(10), 4).sum())
sc.parallelize(range(2, 4), 2).map({TASK}).collect()
"""


def test_ctrl_c_in_a_script_on_a_terminal(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    """Once it is caught; the second time it ends the script, as any Python script."""
    script, folder = tmp_path / "script.py", tmp_path / "started"
    folder.mkdir()
    script.write_text(SCRIPT.format(master="local-process[2]", path=str(folder)))
    running = terminal(sys.executable, str(script))
    await_files(folder, 2)
    running.type("\x03")
    running.until("interrupted")
    running.until("sum 45")
    await_files(folder, 4)
    running.type("\x03")
    running.until("KeyboardInterrupt")
    assert running.process.wait(60) in (-signal.SIGINT, 128 + signal.SIGINT, 1)


NOTEBOOK = """
import asyncio, sys, threading
from pathlib import Path

CELLS = sys.stdin.read().split("# cell\\n")

async def run_cells():
    names = {}
    for cell in CELLS:
        try:
            exec(cell, names)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        await asyncio.sleep(0)

# As a notebook's kernel: cells run on the main thread, inside an event loop that
# does not touch signals; "interrupt" is a SIGINT to the process.
asyncio.new_event_loop().run_until_complete(run_cells())
"""

CELLS = f"""
{WAITING}
from minispark import SparkContext
sc = SparkContext({{master!r}})
# cell
sc.parallelize(range(2), 2).map({TASK}).collect()
# cell
print("sum", sc.parallelize(range(10), 4).sum(), flush=True)
sc.stop()
"""


@pytest.mark.parametrize("master", ["local", "local-process[2]"])
def test_interrupt_in_a_notebook(tmp_path: Path, master: str) -> None:
    kernel = tmp_path / "kernel.py"
    kernel.write_text(NOTEBOOK)
    folder = tmp_path / "started"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, str(kernel)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(CELLS.format(master=master, path=str(folder)))
        process.stdin.close()
        await_files(folder, 1)
        os.kill(process.pid, signal.SIGINT)
        shown = process.stdout.read()
        assert process.wait(60) == 0
    assert shown == "interrupted\nsum 45\n"
