"""Sockets between file servers and their clients: handshake, messages, raw bytes.

Both sides prove that they know the secret (`multiprocessing.connection`'s
HMAC challenge) before anything is unpickled. After that a message is a length
and a pickle, and may be followed by as many raw bytes as it says: the blocks,
which are never copied into a message.

Every wait has a time-out. Knows nothing of files.
"""

from __future__ import annotations

import os
import pickle
import socket
import struct
from collections.abc import Sequence
from multiprocessing.connection import (
    Connection,
    answer_challenge,
    deliver_challenge,
)
from typing import Any

from minispark.runtime.boot import Address

CONNECT_TIMEOUT_S = 5.0
#: A peer that sends or takes nothing for this long is given up.
IDLE_TIMEOUT_S = 30.0

_LENGTH = struct.Struct("<Q")
#: Longest message; blocks are not part of messages.
_MAX_MESSAGE = 256 << 20
#: Pieces smaller than this are joined, larger ones sent as they are.
_SMALL = 64 << 10


class PeerRefused(ConnectionError):
    """The peer does not know the secret, or speaks another protocol."""


def connect(address: Address, secret: bytes, timeout: float = CONNECT_TIMEOUT_S) -> socket.socket:
    """A connection to a file server, authenticated both ways."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
    else:
        sock = socket.create_connection(address, timeout=timeout)
    try:
        handshake(sock, secret, is_server=False, timeout=timeout)
    except BaseException:
        sock.close()
        raise
    return sock


def handshake(
    sock: socket.socket, secret: bytes, is_server: bool, timeout: float = CONNECT_TIMEOUT_S
) -> None:
    """Proves the secret to the peer and has it proved.

    Raises
    ------
    PeerRefused
        The peer has another secret.
    OSError, EOFError
        It is silent, or gone.
    """
    sock.settimeout(None)
    # The kernel's time-outs: `Connection` reads the descriptor itself.
    _set_kernel_timeouts(sock, timeout)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    try:
        with Connection(os.dup(sock.fileno())) as connection:
            if is_server:
                deliver_challenge(connection, secret)
                answer_challenge(connection, secret)
            else:
                answer_challenge(connection, secret)
                deliver_challenge(connection, secret)
    except (EOFError, OSError):
        raise
    except Exception as error:
        # AuthenticationError, or an assertion on what is no challenge at all.
        raise PeerRefused(f"handshake failed: {type(error).__name__}: {error}") from error
    _set_kernel_timeouts(sock, 0)
    sock.settimeout(IDLE_TIMEOUT_S)


def _set_kernel_timeouts(sock: socket.socket, seconds: float) -> None:
    limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def send_message(sock: socket.socket, message: object, payload: Sequence[Any] = ()) -> None:
    """Sends a message and the buffers that follow it."""
    data = pickle.dumps(message, 5)
    pending: list[Any] = [_LENGTH.pack(len(data)), data]
    size = len(data)
    for buffer in payload:
        if len(buffer) <= _SMALL:
            pending.append(buffer)
            size += len(buffer)
            if size < 4 * _SMALL:
                continue
            buffer = None
        if pending:
            sock.sendall(b"".join(pending))
            pending, size = [], 0
        if buffer is not None:
            sock.sendall(buffer)
    if pending:
        sock.sendall(b"".join(pending))


def receive_message(sock: socket.socket) -> Any:
    """The next message of an authenticated peer; EOFError when it hung up."""
    head = bytearray(_LENGTH.size)
    receive_into(sock, memoryview(head))
    (length,) = _LENGTH.unpack(head)
    if length > _MAX_MESSAGE:
        raise PeerRefused(f"a message of {length} bytes")
    data = bytearray(length)
    receive_into(sock, memoryview(data))
    return pickle.loads(data)


def receive_into(sock: socket.socket, view: memoryview) -> None:
    """Fills the buffer completely; a short read is an error, never a result."""
    while view:
        count = sock.recv_into(view)
        if not count:
            raise EOFError("the peer closed the connection")
        view = view[count:]
