"""`Row`: a record with names, as `spark.read.text(path).rdd` gives it."""

from __future__ import annotations

from typing import Any

from minispark.errors import PySparkAttributeError, PySparkKeyError, PySparkValueError

__all__ = ["Row"]


class Row(tuple[Any, ...]):
    """A tuple whose elements also have names.

    Examples
    --------
    >>> row = Row(name="Ann", age=5)
    >>> row.name, row["age"], row[0], "age" in row
    ('Ann', 5, 'Ann', True)
    >>> Pair = Row("left", "right")
    >>> Pair(1, 2)
    Row(left=1, right=2)
    """

    __fields__: list[str]

    def __new__(cls, *args: Any, **kwargs: Any) -> Row:
        """Named values, or the names of a kind of row to be called with values."""
        if args and kwargs:
            raise PySparkValueError("Row(): give values by position or by name, not both")
        row = tuple.__new__(cls, tuple(kwargs.values()) if kwargs else args)
        if kwargs:
            row.__fields__ = list(kwargs)
        return row

    def __call__(self, *args: Any) -> Row:
        """A row with this row's values as names."""
        if len(args) > len(self):
            raise PySparkValueError(f"Row has the fields {list(self)}, got {len(args)} values")
        return _named(list(self), args)

    def asDict(self, recursive: bool = False) -> dict[str, Any]:
        """The values by name; with `recursive` rows inside become dicts as well."""
        if not hasattr(self, "__fields__"):
            raise PySparkValueError("this Row has no names")
        return {k: _plain(v) if recursive else v for k, v in zip(self.__fields__, self)}

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, int | slice):
            return super().__getitem__(item)
        try:
            return super().__getitem__(self.__fields__.index(item))
        except (AttributeError, ValueError):
            raise PySparkKeyError(f"Row has no field {item!r}") from None

    def __getattr__(self, item: str) -> Any:
        if item.startswith("__"):
            raise AttributeError(item)
        try:
            return super().__getitem__(self.__fields__.index(item))
        except (AttributeError, ValueError):
            raise PySparkAttributeError(f"Row has no field {item!r}") from None

    def __contains__(self, item: object) -> bool:
        names: list[str] | None = getattr(self, "__fields__", None)
        return item in names if names is not None else super().__contains__(item)

    def __reduce__(self) -> tuple[Any, ...]:
        if hasattr(self, "__fields__"):
            return _named, (self.__fields__, tuple(self))
        return Row, tuple(self)

    def __repr__(self) -> str:
        if hasattr(self, "__fields__"):
            return f"Row({', '.join(f'{k}={v!r}' for k, v in zip(self.__fields__, self))})"
        return f"<Row({', '.join(map(repr, self))})>"


def _named(fields: list[str], values: tuple[Any, ...]) -> Row:
    row = Row(*values)
    row.__fields__ = fields
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, Row):
        return value.asDict(True)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value
