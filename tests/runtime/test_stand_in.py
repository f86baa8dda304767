"""What stands in for Ray's agents: says its ports, ends with its parent, becomes the agent."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from minispark.runtime.launch import stand_in

#: Starts the stand-in as the raylet would and prints its process id; ends when told.
_RAYLET = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-I", "-S", *sys.argv[1:]])
print(child.pid, flush=True)
sys.stdin.read()
"""

_AGENT = """
import json, os, sys
with open(sys.argv[1] + ".part", "w") as file:
    json.dump([os.getpid(), sys.argv[2:]], file)
os.rename(sys.argv[1] + ".part", sys.argv[1])
"""


def _await(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def _start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    raylet = subprocess.Popen(
        [sys.executable, "-c", _RAYLET, stand_in.__file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert raylet.stdout is not None
    return raylet, int(raylet.stdout.readline())


def _runs(pid: int) -> bool:
    try:
        return "stand_in" in Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return False


def _holds(pid: int, directory: Path) -> bool:
    """Whether it has the directory open, by which the reaper finds it."""
    fds = Path(f"/proc/{pid}/fd")
    return any(os.path.realpath(fd) == str(directory.resolve()) for fd in fds.iterdir())


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_is_written_whole(tmp_path: Path) -> None:
    stand_in.write_port(str(tmp_path), "one", -1)
    stand_in.write_port(str(tmp_path), "two", 8080)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "one": "-1",
        "two": "8080",
    }


def test_for_an_agent_that_there_shall_not_be(tmp_path: Path) -> None:
    raylet, pid = _start("none", str(tmp_path))
    _await(lambda: _holds(pid, tmp_path))
    raylet.communicate()
    _await(lambda: not _runs(pid))


def test_for_an_agent_that_somebody_asks_for(tmp_path: Path) -> None:
    agent, said = tmp_path / "agent.py", tmp_path / "said"
    agent.write_text(_AGENT)
    command = [sys.executable, str(agent), str(said), "--runtime-env-agent-port=0", "--x=a b"]
    with stand_in.socket_at(0) as held:
        port = held.getsockname()[1]
        assert not _listens(port), "held for it, but nobody is there"
        raylet, pid = _start("until-asked", str(tmp_path), str(port), *command)
        _await(lambda: _listens(port))
    _await(said.exists)
    assert json.loads(said.read_text()) == [
        pid,
        [f"--runtime-env-agent-port={port}", "--x=a b"],
    ], "the same process, at the port that was asked"
    raylet.communicate()


def test_nobody_asks(tmp_path: Path) -> None:
    with stand_in.socket_at(0) as held:
        port = held.getsockname()[1]
        raylet, pid = _start("until-asked", str(tmp_path), str(port), "/nowhere/agent")
        _await(lambda: _holds(pid, tmp_path))
        raylet.communicate()
        _await(lambda: not _runs(pid))
