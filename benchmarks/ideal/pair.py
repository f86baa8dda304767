"""Two worker processes and what the programs share."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

#: What a worker process keeps between calls.
KEPT: dict[str, Any] = {}


def _work(connection: Connection) -> None:
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send((True, function(*arguments)))
        except Exception as error:
            connection.send((False, repr(error)))


class Pair:
    """Two processes that call functions; `scratch` is a directory they share."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self.scratch = Path(tempfile.mkdtemp(prefix="ideal-"))
        self._workers = []
        self._connections: list[Connection] = []
        for _ in range(2):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs,), daemon=True)
            worker.start()
            theirs.close()
            self._workers.append(worker)
            self._connections.append(ours)

    def run(self, function: Callable[..., Any], *arguments: Sequence[Any]) -> list[Any]:
        """Calls the function in both, each with its own of every pair of arguments."""
        for me, connection in enumerate(self._connections):
            connection.send((function, [pair[me] for pair in arguments]))
        replies = [connection.recv() for connection in self._connections]
        for is_ok, value in replies:
            if not is_ok:
                raise RuntimeError(value)
        return [value for _, value in replies]

    def stop(self) -> None:
        """Ends both."""
        for connection in self._connections:
            connection.close()
        for worker in self._workers:
            worker.terminate()
            worker.join()
        shutil.rmtree(self.scratch, ignore_errors=True)


def both(value: Any) -> tuple[Any, Any]:
    """The same argument for both."""
    return value, value


def half(me: int, n: int) -> range:
    """This process's half of `range(n)`."""
    return range(n // 2) if me == 0 else range(n // 2, n)


def put(path: Path, items: Iterable[Any], size: int = 1_000) -> None:
    """Writes a list for the other process, in frames that pickle fast."""
    rows = items if isinstance(items, list) else list(items)
    with path.open("wb") as file:
        for start in range(0, len(rows), size):
            pickle.dump(rows[start : start + size], file, 5)


def take(path: Path) -> Iterable[Any]:
    """Reads what `put` wrote, frame by frame."""
    with path.open("rb") as file:
        while True:
            try:
                yield from pickle.load(file)
            except EOFError:
                return
