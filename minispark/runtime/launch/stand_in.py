"""Stands in for an agent of Ray's that nobody may need, for a fraction of its cost.

Run as a script by the raylet (`python -I -S stand_in.py …`), which wants two
agents, waits for the ports they write into files, and ends when one of them does.
The driver has written the files before it starts the raylet:

    none DIRECTORY                     there is no port
    until-asked DIRECTORY PORT AGENT…  listens at the port; when somebody connects
                                       to it, becomes the agent at that port

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


def socket_at(port: int) -> socket.socket:
    """A socket at a port of this machine, 0 for a free one; it may be held by two at once."""
    found = socket.socket()
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind(("127.0.0.1", port))
    except BaseException:
        found.close()
        raise
    return found


def stand_in_for_none(raylet: int) -> None:
    """For an agent that there shall not be."""
    while os.getppid() == raylet:
        time.sleep(_LOOK_S)


def stand_in_until_asked(raylet: int, port: int, agent: list[str]) -> None:
    """For an agent that is wanted only by those who ask for it."""
    # The driver holds the port without listening until Ray has started.
    listener = socket_at(port)
    listener.listen()
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
    raylet = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kind, directory, *rest = sys.argv[1:]
    os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    if kind == "none":
        stand_in_for_none(raylet)
    else:
        stand_in_until_asked(raylet, int(rest[0]), rest[1:])


if __name__ == "__main__":
    main()
