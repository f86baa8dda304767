"""Telling a process that works from one that stands still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from minispark.runtime.file_server import FileServer, cpu_s
from minispark.runtime.vitals import Pulse, Vitals, machine, main_thread_cpu_s


@pytest.mark.parametrize(
    ("gained", "passed", "works"),
    [
        (1.0, 1.0, True),
        (0.03, 1.0, True),
        (0.0, 1.0, False),
        (0.01, 1.0, False),
        (0.005, 0.1, False),
    ],
)
def test_a_pulse(gained: float, passed: float, works: bool) -> None:
    pulse = Pulse()
    pulse.saw(7.0, 100.0)
    assert pulse.worked_s < 100.0, "one look says nothing"
    pulse.saw(7.0 + gained, 100.0 + passed)
    assert (pulse.worked_s == 100.0 + passed) is works


def test_a_process_that_cannot_be_seen_has_no_pulse() -> None:
    pulse = Pulse()
    for now in (1.0, 2.0, 3.0):
        pulse.saw(None, now)
    assert pulse.worked_s < 0


def test_time_of_the_main_thread_alone(tmp_path: object) -> None:
    """What other threads do (Ray has many) is no sign that tasks go on."""
    code = "import threading; threading.Thread(target=lambda: [i for i in iter(int, 1)]).start()"
    with subprocess.Popen([sys.executable, "-c", f"{code}\nthreading.Event().wait()"]) as process:
        stat = f"/proc/{process.pid}/stat"

        def of_all_threads() -> int:
            with open(stat) as file:
                return int(file.read().rpartition(")")[2].split()[11])

        while of_all_threads() < 20:
            threading.Event().wait(0.02)
        before, all_before = main_thread_cpu_s(process.pid), of_all_threads()
        while of_all_threads() < all_before + 20:
            threading.Event().wait(0.02)
        after = main_thread_cpu_s(process.pid)
        process.kill()
    assert before is not None
    assert after is not None
    assert after - before < 0.15
    assert main_thread_cpu_s(process.pid) is None


def test_a_stopped_process_gains_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        while not (main_thread_cpu_s(process.pid) or 0) > 0.05:
            threading.Event().wait(0.02)
        os.kill(process.pid, signal.SIGSTOP)
        stat = Path(f"/proc/{process.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            threading.Event().wait(0.01)
        before = main_thread_cpu_s(process.pid)
        threading.Event().wait(0.1)
        assert main_thread_cpu_s(process.pid) == before
        process.kill()


def test_a_file_server_looks_at_processes_of_its_machine(tmp_path: object) -> None:
    secret = b"x" * 32
    server = FileServer(str(tmp_path), secret, ("127.0.0.1", (0,)))
    try:
        pid = os.getpid()
        assert (cpu_s(server.address, secret, pid, machine(), 5.0) or 0) > 0
        assert cpu_s(server.address, secret, pid, "another machine", 5.0) is None
    finally:
        server.close()


def test_executors_elsewhere_are_looked_at_by_a_thread() -> None:
    """The driver's own thread must not wait for a network."""
    release, looked = threading.Event(), threading.Event()
    values = iter([1.0, 5.0])

    def elsewhere(node_id: str, pid: int, where: str) -> float:
        assert (node_id, pid, where) == ("node", 7, "another machine")
        release.wait(20)
        looked.set()
        return next(values)

    vitals, pulse = Vitals(elsewhere), Pulse()
    vitals.look(pulse, "another machine", "node", 7, 10.0)
    vitals.look(pulse, "another machine", "node", 7, 11.0)  # the first look is not back
    release.set()
    assert looked.wait(20)
    for _ in range(1000):
        if not pulse.is_being_looked_at:
            break
        threading.Event().wait(0.01)
    vitals.look(pulse, "another machine", "node", 7, 12.0)
    for _ in range(1000):
        if pulse.worked_s == 12.0:
            break
        threading.Event().wait(0.01)
    assert pulse.worked_s == 12.0
