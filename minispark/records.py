"""Records: the small classes of named values that the engine's parts tell each other.

`@record` means `@dataclass(frozen=True, slots=True)` and behaves like it, but
a class costs some twenty microseconds where the standard library's costs most
of a millisecond: it compiles six functions per class when the class is made,
and a program that starts up makes a hundred classes of which it uses thirty.
Here the three functions that must be fast are compiled when the first instance
is made; the others are the same for all classes. See docs/adr/0032. Knows
nothing of what the records hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object) -> Any:
        """Only type checkers want it; in `typing` since Python 3.11."""
        return lambda decorated: decorated


_T = TypeVar("_T")


class _Made:
    """A default that is made anew for each instance."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], _T]) -> _T:
    """A field whose default is made for each instance: `field(default_factory=list)`."""
    made: Any = _Made(default_factory)
    return made  # type: ignore[no-any-return]


@overload
def record(cls: type[_T], /) -> type[_T]: ...
@overload
def record(*, frozen: bool = True, eq: bool = True) -> Callable[[type[_T]], type[_T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[Any] | None = None, /, *, frozen: bool = True, eq: bool = True) -> Any:
    """Makes a class of annotated names a record; its base classes have no fields.

    With `frozen=False` the fields may be set and the instances have no hash;
    with `eq=False` each instance equals itself alone.
    """
    if cls is None:
        return lambda decorated: _make(decorated, frozen, eq)
    return _make(cls, frozen, eq)


def replace(instance: _T, /, **changes: Any) -> _T:
    """The same record with other values of some fields."""
    names = type(instance).__match_args__  # type: ignore[attr-defined]
    values = {name: getattr(instance, name) for name in names}
    return type(instance)(**(values | changes))


def _make(cls: type[Any], frozen: bool, eq: bool) -> type[Any]:
    names = tuple(cls.__annotations__)
    body = dict(cls.__dict__)
    defaults = {name: body.pop(name) for name in names if name in body}
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    body["__slots__"] = body["__match_args__"] = names
    body["__repr__"] = _repr
    # Not `__reduce__`: who has that says itself what is pickled of it (`closures`).
    body["__reduce_ex__"] = _reduce
    if frozen:
        body["__setattr__"] = _refuse_to_set
        body["__delattr__"] = _refuse_to_delete
    if eq:
        body["__hash__"] = _hash if frozen else None
    remake: Any = type(cls)
    made: type[Any] = remake(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        _compile(made, defaults, frozen, eq)
        made.__init__(self, *args, **kwargs)

    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__init__ = __init__
    return made


def _compile(cls: type[Any], defaults: dict[str, Any], frozen: bool, eq: bool) -> None:
    """Gives the class what it is compiled for: `__init__`, `__eq__` and `__hash__`."""
    names: tuple[str, ...] = cls.__match_args__
    scope: dict[str, Any] = {"_missing": _MISSING}
    parameters, body = ["self"], []
    for name in names:
        value = name
        if name not in defaults:
            parameters.append(name)
        elif isinstance(default := defaults[name], _Made):
            scope[f"_make_{name}"] = default.make
            parameters.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        else:
            scope[f"_default_{name}"] = default
            parameters.append(f"{name}=_default_{name}")
        if frozen:
            # The slot's own setter: past `__setattr__`, and quicker.
            scope[f"_set_{name}"] = cls.__dict__[name].__set__
            body.append(f"_set_{name}(self, {value})")
        else:
            body.append(f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    lines = [f"def __init__({', '.join(parameters)}):", *(f" {line}" for line in body or ["pass"])]
    if eq:
        mine, theirs = ("".join(f"{of}.{name}, " for name in names) for of in ("self", "other"))
        lines += [
            "def __eq__(self, other):",
            " if other.__class__ is self.__class__:",
            f"  return ({mine}) == ({theirs})",
            " return NotImplemented",
        ]
        if frozen:
            lines += ["def __hash__(self):", f" return hash(({mine}))"]
    exec("\n".join(lines), scope)
    for name in ("__eq__", "__hash__", "__init__"):  # last: then another thread may go on
        if (function := scope.get(name)) is not None:
            function.__qualname__ = f"{cls.__qualname__}.{name}"
            setattr(cls, name, function)


_MISSING: Any = object()


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{self.__class__.__qualname__}({shown})"


def _hash(self: Any) -> int:
    # Until there is an instance: a class without it would not count as hashable.
    raise AssertionError


def _reduce(self: Any, protocol: int) -> tuple[Any, ...]:
    return self.__class__, tuple([getattr(self, name) for name in self.__match_args__])


def _refuse_to_set(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
