"""What notebooks call before they import PySpark: nothing is to be found here."""

from __future__ import annotations

from typing import Any

__all__ = ["add_jars", "add_packages", "find", "init"]


def init(*_args: Any, **_kwargs: Any) -> None:
    """Nothing to do: minispark is installed already."""


def find() -> str:
    """There is no Spark; the empty string."""
    return ""


def add_packages(packages: Any) -> None:
    """Ignored: packages of Java classes have no meaning here."""


def add_jars(jars: Any) -> None:
    """Ignored: Java classes have no meaning here."""
