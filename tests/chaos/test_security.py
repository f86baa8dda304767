"""Promise 31, asked of the operating system: who can reach us, and read our files."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from minispark import StorageLevel
from tests.chaos.conftest import MASTERS
from tests.chaos.test_endings import descendants

pytestmark = pytest.mark.own_context

#: State of a listening socket in /proc/net/tcp.
LISTEN = "0A"
#: Flag of a listening socket in /proc/net/unix.
ACCEPTS = 0x10000


class Listener(NamedTuple):
    """A socket that waits for connections: address and port, or a path."""

    pid: int
    where: str
    port: int | None = None


@pytest.fixture(scope="module", params=["local", *MASTERS])
def working(
    request: pytest.FixtureRequest,
    open_context: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Any, Path]]:
    """A context that has done a bit of everything, under a generous umask."""
    base = tmp_path_factory.mktemp("local")
    before = os.umask(0)
    try:
        context = open_context(request.param, spark_local_dir=str(base))
        table = context.broadcast(list(range(100)))
        pairs = context.parallelize([(i % 5, "x" * 100 + str(i)) for i in range(20_000)], 4)
        kept = pairs.groupByKey(3).persist(StorageLevel.DISK_ONLY)
        assert kept.map(lambda kv: table.value[kv[0]]).count() == 5
        yield context, base
        context.stop()
    finally:
        os.umask(before)


def sockets_of(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found = set()
    try:
        entries = list(Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return found
    for entry in entries:
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def address(text: str) -> str:
    """An address as /proc writes it: words of four bytes, each in the machine's order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    packed = b"".join(struct.pack("=I", word) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def listeners(pids: set[int]) -> list[Listener]:
    """Every socket on which one of the processes waits for connections."""
    owners = {inode: pid for pid in pids for inode in sockets_of(pid)}
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in owners and (fields[3] == LISTEN or table.startswith("udp")):
                host, port = fields[1].split(":")
                found.append(Listener(owners[fields[9]], address(host), int(port, 16)))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if fields[6] in owners and int(fields[3], 16) & ACCEPTS:
            found.append(Listener(owners[fields[6]], fields[7] if len(fields) > 7 else ""))
    return found


def is_private(path: str) -> bool:
    """Whether some directory above is ours and closed to all others."""
    for folder in Path(path).parents:
        status = folder.stat()
        if status.st_uid == os.getuid() and not status.st_mode & 0o077:
            return True
    return False


def test_nobody_else_can_reach_a_socket(working: tuple[Any, Path]) -> None:
    context, _base = working
    mine = {os.getpid()} if context.master == "local" else {os.getpid(), *descendants(os.getpid())}
    found = listeners(mine)
    assert bool(found) == (context.master != "local"), found
    for each in found:
        if each.port is not None:
            # An IPv6 socket may be bound to an IPv4 address.
            assert ipaddress.ip_address(each.where.removeprefix("::ffff:")).is_loopback, each
        else:
            assert each.where.startswith("/"), f"abstract sockets have no permissions: {each}"
            assert is_private(each.where), each


def test_nobody_else_can_read_a_file(working: tuple[Any, Path]) -> None:
    _context, base = working
    files = [p for p in base.rglob("*") if p.is_file()]
    assert any("rdd" in p.parts for p in files), "nothing to protect: the test shows nothing"
    assert any("shuffle" in p.parts for p in files)
    for path in files:
        assert is_private(str(path)), path
    for folder in (base / f"minispark-{os.getuid()}").glob("*/"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
