"""Where servers listen: configured ports and ranges, as Spark reads them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence

from minispark.errors import PySparkRuntimeError, PySparkValueError

#: As Spark: a configured port may be taken, then the next ones are tried.
_PORT_RETRIES = 16


def parse_ports(text: str) -> Sequence[int]:
    """`"7000"` (and the 16 after it), `"7000:7100"` or `""` (any free port)."""
    text = text.strip()
    if text in ("", "0"):
        return (0,)
    first, _, last = text.partition(":")
    if not first.isdigit() or (last and not last.isdigit()):
        raise PySparkValueError(f"cannot read {text!r} as a port or a range 'first:last'")
    end = int(last) if last else int(first) + _PORT_RETRIES
    return range(int(first), min(end, 65535) + 1)


def listen(bind: str | tuple[str, Sequence[int]]) -> socket.socket:
    """A listener on a Unix socket, or on the first free port of a host."""
    if isinstance(bind, str):
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(bind)
            listener.listen(128)
        except BaseException:
            listener.close()
            raise
        return listener
    host, ports = bind
    family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
    for port in ports:
        with contextlib.suppress(OSError):
            return socket.create_server((host, port), family=family, backlog=128)
    raise PySparkRuntimeError(f"none of the ports {ports} is free at {host}")
