"""`record` behaves as the frozen dataclass with slots that it stands for."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from collections.abc import Hashable
from typing import Any

import pytest

from minispark.plan.nodes import Exchange
from minispark.plan.spec import RddPoint, StageSpec
from minispark.records import field, record, replace
from minispark.scheduler import commands, events


class Base:
    __slots__ = ()


@record
class Ours(Base):
    """Three fields."""

    x: Any
    y: str = "why"
    z: tuple[int, ...] = ()

    def total(self) -> int:
        return sum(self.z)


@dataclasses.dataclass(frozen=True, slots=True)
class Theirs(Base):
    """Three fields."""

    x: Any
    y: str = "why"
    z: tuple[int, ...] = ()


@record
class Nothing:
    pass


@record
class Checked:
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError("n must not be negative")


@record(frozen=False)
class Open:
    name: str
    items: list[int] = field(default_factory=list)


@record(frozen=False, eq=False)
class Single:
    name: str


NAN = math.nan
VALUES: list[Any] = [1, True, 1.0, 0, -0.0, None, "", "1", NAN, (1,), (NAN,), 1 << 90, b"1"]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_equal_and_hashed_as_a_dataclass(value: Any) -> None:
    for other in VALUES:
        # As the tuples of the fields are. Since 3.13 a dataclass with NaN differs from itself.
        assert (Ours(value) == Ours(other)) == ((value,) == (other,))
        assert (Ours(value) != Ours(other)) == ((value,) != (other,))
        if value is not NAN:
            assert (Ours(value) == Ours(other)) == (Theirs(value) == Theirs(other))
    assert hash(Ours(value)) == hash(Theirs(value))


def test_unhashable_fields_are_refused_by_hash_alone() -> None:
    assert Ours([1]) == Ours([1])
    with pytest.raises(TypeError, match="unhashable"):
        hash(Ours([1]))


def test_other_classes_are_never_equal() -> None:
    class Sub(Ours):
        __slots__ = ()

    assert Ours(1) != Theirs(1)
    assert Ours(1) != Sub(1)
    assert Sub(1) == Sub(1)
    assert Ours(1) != (1, "why", ())
    assert Nothing() == Nothing()


def test_shown_as_a_dataclass() -> None:
    assert repr(Ours(1, z=(2,))) == repr(Theirs(1, z=(2,))).replace("Theirs", "Ours")
    assert repr(Nothing()) == "Nothing()"
    loop = Open("loop")
    loop.items.append(loop)  # type: ignore[arg-type]
    assert repr(loop) == "Open(name='loop', items=[...])"


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, "y", (), 4), {}), ((1,), {"x": 2}), ((1,), {"w": 2})],
    ids=["too few", "too many", "twice", "unknown"],
)
def test_wrong_arguments_are_refused(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for cls in (Ours, Theirs):
        with pytest.raises(TypeError, match=r"__init__\(\)"):
            cls(*args, **kwargs)


def test_the_first_instance_is_like_the_others() -> None:
    @record
    class Fresh:
        x: int
        y: int = 2

    assert isinstance(Fresh, Hashable)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        Fresh()  # type: ignore[call-arg]
    first = Fresh(1)
    assert (first, hash(first)) == (Fresh(y=2, x=1), hash((1, 2)))
    match Fresh(5, 6):
        case Fresh(a, b):
            assert (a, b) == (5, 6)


def test_frozen() -> None:
    value = Ours(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="'x'"):
        value.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="'x'"):
        del value.x
    assert not hasattr(value, "__dict__")
    assert value.x == 1


def test_open_records_change_and_have_no_hash() -> None:
    one, other = Open("a"), Open("a")
    one.items.append(1)
    assert (one.items, other.items) == ([1], [])
    one.items = []
    assert one == other
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined]


def test_without_eq_each_is_its_own() -> None:
    one = Single("a")
    assert one == one
    assert one != Single("a")
    assert len({one, Single("a")}) == 2


def test_post_init_checks() -> None:
    assert Checked(1).n == 1
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled(protocol: int) -> None:
    values = [
        RddPoint(1, 2),  # type: ignore[arg-type]
        StageSpec(None, 3, name="s"),
        events.TaskFailed(1, ValueError),  # type: ignore[arg-type]
        commands.SetTimer(1.5),
    ]
    assert pickle.loads(pickle.dumps(values, protocol)) == values
    assert copy.deepcopy(Ours([1])) == Ours([1])


def test_replace() -> None:
    assert replace(Ours(1, "b"), z=(3,)) == Ours(1, "b", (3,))
    assert replace(Ours(1, "b"), z=(3, 4)).total() == 7
    with pytest.raises(TypeError):
        replace(Ours(1), w=1)


def test_names_of_the_class_stay() -> None:
    assert Ours.__doc__ == "Three fields."
    assert Ours.__module__ == __name__
    assert Ours.__match_args__ == Theirs.__match_args__  # type: ignore[attr-defined]
    assert Ours.total.__qualname__ == "Ours.total"
    assert Exchange.__qualname__ == "Exchange"
