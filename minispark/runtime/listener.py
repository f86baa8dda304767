"""Accepting executors: both ends prove the secret before anything is unpickled."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import (
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)
from typing import Any

from minispark.runtime.boot import Address
from minispark.runtime.messages import receive

#: A peer that does not finish the handshake in this time is dropped.
_HANDSHAKE_S = 10
#: Silence in the middle of one message after which a peer counts as lost.
_STALL_S = 30
_BUFFER_BYTES = 1 << 20


def set_timeouts(connection: Connection, seconds: int) -> None:
    """Bounds how long one read or write on the socket may stall."""
    with socket.socket(fileno=os.dup(connection.fileno())) as sock:
        # A `socket.setdefaulttimeout` of the script made it non-blocking.
        sock.setblocking(True)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)


class ControlListener:
    """The driver's listening socket; hands over authenticated connections."""

    def __init__(
        self,
        address: Address,
        secret: bytes,
        accepted: Callable[[Connection, tuple[Any, ...]], None],
    ) -> None:
        family = "AF_UNIX" if isinstance(address, str) else "AF_INET"
        self._listener = Listener(address, family, backlog=128)
        self._secret = secret
        self._accepted = accepted
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="minispark-accept", daemon=True)
        self._thread.start()

    @property
    def address(self) -> Address:
        """Where executors connect to, with the port that was chosen."""
        address: Address = self._listener.address
        return address

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                connection = self._listener.accept()
            except OSError:
                # Out of descriptors, say: not at full speed round and round.
                if self._closing.wait(0.1):
                    return
                continue
            if self._closing.is_set():
                connection.close()
                return
            # One short-lived thread each: a silent peer must not hold up the rest.
            greeter = threading.Thread(
                target=self._greet, args=(connection,), name="minispark-greet", daemon=True
            )
            try:
                greeter.start()
            except RuntimeError:  # the interpreter is ending and starts no threads
                connection.close()
                return

    def _greet(self, connection: Connection) -> None:
        try:
            set_timeouts(connection, _HANDSHAKE_S)
            deliver_challenge(connection, self._secret)
            answer_challenge(connection, self._secret)
            hello = receive(connection)
            set_timeouts(connection, _STALL_S)
        except (OSError, EOFError, AuthenticationError):
            connection.close()
            return
        self._accepted(connection, hello)

    def close(self) -> None:
        """Stops accepting."""
        self._closing.set()
        # accept() does not notice that another thread closes the socket.
        with (
            contextlib.suppress(OSError),
            socket.socket(
                socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
            ) as poke,
        ):
            poke.connect(self.address)
        self._listener.close()
        self._thread.join(timeout=5)
