"""Ctrl-C and cancelled jobs: the thread comes back, executors are free again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from minispark.errors import JobCancelledError
from tests.chaos.run_log import RunLog

pytestmark = pytest.mark.own_context

# Each line is one write: where PYTHONUNBUFFERED is set, print makes two of a line,
# and what a task printed may come between them.
SCRIPT = """
import os, sys, threading
from minispark import SparkContext
def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()
def main():
    with SparkContext({master!r}) as sc:
        assert sc.parallelize(range(4), 2).sum() == 6
        def wait(x):
            os.write(1, b"started\\n") if {master!r} == "local" else say("started")
            threading.Event().wait(60)
            return x
        try:
            sc.parallelize(range(2), 2).map(wait).collect()
        except KeyboardInterrupt:
            say("interrupted")
        say("sum", sc.parallelize(range(10), 4).map(lambda x: x + 1).sum())
main()
"""


@pytest.mark.parametrize(
    "master", ["local", "local-process[2]", pytest.param("local[2]", marks=pytest.mark.ray)]
)
def test_ctrl_c_in_a_script(tmp_path: Path, master: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(master=master))
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "started\n":
                break
        # As a terminal does: to the whole foreground process group.
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(60) == 0
    assert "interrupted\n" in rest
    assert "sum 55\n" in rest


def _run_in_thread(action: Any) -> tuple[threading.Thread, list[BaseException]]:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, caught


@pytest.mark.parametrize("how", ["group", "tag", "all"])
def test_cancelled_job(breakable: Any, log: RunLog, how: str) -> None:
    def wait(x: int) -> int:
        log.note("started")
        threading.Event().wait(60)
        return x

    def action() -> None:
        if how == "group":
            breakable.setJobGroup("slow", "a slow job", interruptOnCancel=True)
        elif how == "tag":
            breakable.addJobTag("slow")
        breakable.parallelize(range(2), 2).map(wait).collect()

    thread, caught = _run_in_thread(action)
    patience = threading.Event()
    while len(log.lines()) < 2:
        patience.wait(0.01)
    cancel = {
        "group": lambda: breakable.cancelJobGroup("slow"),
        "tag": lambda: breakable.cancelJobsWithTag("slow"),
        "all": lambda: breakable.cancelAllJobs(),
    }
    cancel[how]()
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(caught[0], JobCancelledError)
    assert breakable.parallelize(range(10), 4).sum() == 45


def test_cancel_leaves_no_partial_cache(breakable: Any, log: RunLog) -> None:
    def slow(index: int, records: Any) -> Any:
        for x in records:
            if x == 3 and log.first_time("wait"):
                log.note("started")
                threading.Event().wait(60)
            yield x

    cached = breakable.parallelize(range(8), 2).mapPartitionsWithIndex(slow).cache()
    thread, caught = _run_in_thread(cached.count)
    patience = threading.Event()
    while not log.lines():
        patience.wait(0.01)
    breakable.cancelAllJobs()
    thread.join(20)
    assert isinstance(caught[0], JobCancelledError)
    assert cached.collect() == list(range(8))
    assert cached.collect() == list(range(8))
    cached.unpersist()


def test_a_job_that_swallows_the_interrupt_loses_its_executor(breakable: Any, log: RunLog) -> None:
    def stubborn(x: int) -> int:
        log.note("started")
        done = threading.Event()
        while not done.is_set():
            try:
                done.wait(60)
            except BaseException:
                log.note("swallowed")
        return x

    thread, caught = _run_in_thread(lambda: breakable.parallelize([1], 1).map(stubborn).collect())
    patience = threading.Event()
    while not log.lines():
        patience.wait(0.01)
    breakable.cancelAllJobs()
    thread.join(20)
    assert isinstance(caught[0], JobCancelledError)
    assert breakable.parallelize(range(100), 8).sum() == 4950
