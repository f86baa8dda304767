"""Stands in for an agent of Ray's that nobody may need, for a fraction of its cost.

Run as a script by the raylet (`python -I -S stand_in.py …`), which wants two
agents, waits for the ports they write into files, and ends when one of them does:

    none DIRECTORY NAME…               writes -1, "there is none", into each file
    until-asked DIRECTORY NAME AGENT…  writes a port; when somebody connects to
                                       it, becomes the agent at that port

Each of Ray's agents is a Python with a web framework: a second of start-up and
80 MB. Both ends when the raylet does, which is this process's parent. The open
directory tells the reaper whose it is. Standard library only.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time

#: How often to look whether the raylet is there.
_LOOK_S = 0.5

_PORT_OPTION = "--runtime-env-agent-port="


def write_port(directory: str, name: str, port: int) -> None:
    """As Ray's agents do; the file appears whole."""
    path = os.path.join(directory, name)
    with open(f"{path}.part", "w") as file:
        file.write(str(port))
    os.rename(f"{path}.part", path)


def stand_in_for_none(directory: str, names: list[str]) -> None:
    """For an agent that there shall not be."""
    raylet = os.getppid()
    for name in names:
        write_port(directory, name, -1)
    while os.getppid() == raylet:
        time.sleep(_LOOK_S)


def stand_in_until_asked(directory: str, name: str, agent: list[str]) -> None:
    """For an agent that is wanted only by those who ask for it."""
    raylet = os.getppid()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    write_port(directory, name, port)
    while os.getppid() == raylet:
        if select.select([listener], [], [], _LOOK_S)[0]:
            # Who asks tries again, as while any agent starts.
            listener.close()
            command = [
                f"{_PORT_OPTION}{port}" if word.startswith(_PORT_OPTION) else word for word in agent
            ]
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execv(command[0], command)


def main() -> None:
    """Reads the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kind, directory, *rest = sys.argv[1:]
    os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    if kind == "none":
        stand_in_for_none(directory, rest)
    else:
        stand_in_until_asked(directory, rest[0], rest[1:])


if __name__ == "__main__":
    main()
