"""Ways to damage a file, for tests and for the tasks they run."""

from __future__ import annotations

import os
from collections.abc import Callable


def flip(path: str) -> None:
    """Changes one bit in the middle, in place: whoever maps the file sees it too."""
    middle = os.path.getsize(path) // 2
    with open(path, "r+b") as file:
        file.seek(middle)
        byte = file.read(1)[0]
        file.seek(middle)
        file.write(bytes([byte ^ 1]))


def flip_last(path: str) -> None:
    """Changes a bit of the last byte: of what says how the file is to be read."""
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([byte ^ 1]))


def truncate(path: str) -> None:
    """Cuts the file to its half."""
    os.truncate(path, os.path.getsize(path) // 2)


def empty(path: str) -> None:
    """Leaves nothing in the file."""
    os.truncate(path, 0)


def delete(path: str) -> None:
    """Removes the file."""
    os.unlink(path)


DAMAGES: dict[str, Callable[[str], None]] = {
    f.__name__: f for f in (flip, flip_last, truncate, empty, delete)
}
