"""The loop of `StatCounter(values)` equals merging one by one, to the last bit."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from minispark.kernels import native
from minispark.kernels.statcounter import StatCounter

NAN, INF = float("nan"), float("inf")


class Half(float):
    """A number of a class of its own."""


@pytest.fixture(autouse=True, params=["in C", "in Python"])
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop that is used."""
    if request.param == "in Python":
        monkeypatch.setattr(native, "NATIVE", None)
    elif native.NATIVE is None:
        pytest.skip("the C twins were not built")


def _one_by_one(values: list[Any]) -> StatCounter:
    counter = StatCounter()
    for value in values:
        counter.merge(value)
    return counter


def _seen(counter: StatCounter) -> list[tuple[type, str]]:
    return [(type(v), repr(v)) for v in vars(counter).values()]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [0],
        [True, 2, 3.5, False],
        [NAN, 1.0, 2],
        [1.0, NAN, -5, INF],
        [INF, -INF],
        [-0.0, 0.0, 0, -0.0],
        [2**60, 2**60 + 1, -(2**900)],
        [1, np.float64(2.5), 3, np.int64(-4)],
        [Half(1.5), 2, Half(-3.0)],
        [np.array([1.0, 2.0]), np.array([3.0, -1.0])],
    ],
)
def test_odd_values(values: list[Any]) -> None:
    assert _seen(StatCounter(iter(values))) == _seen(_one_by_one(values))


def test_random_mixtures() -> None:
    rng = random.Random(11)
    pick = [
        lambda: rng.randrange(-1000, 1000),
        lambda: rng.gauss(0, 1e6),
        lambda: rng.random() < 0.5,
        lambda: np.float32(rng.random()),
        lambda: rng.choice((NAN, INF, -0.0, 0)),
    ]
    for _ in range(200):
        kinds = rng.sample(pick, rng.randrange(1, 5))
        values = [rng.choice(kinds)() for _ in range(rng.randrange(30))]
        with np.errstate(all="ignore"):
            assert _seen(StatCounter(values)) == _seen(_one_by_one(values)), values


@pytest.mark.parametrize("bad", ["text", None, 10**400, Fraction(1, 3)])
def test_the_same_errors(bad: Any) -> None:
    def outcome(make: Any) -> Any:
        try:
            return _seen(make([1, 2.0, bad, 4]))
        except Exception as error:
            return type(error), str(error)

    assert outcome(StatCounter) == outcome(_one_by_one)


def test_a_subclass_that_counts_otherwise_is_asked() -> None:
    class Doubled(StatCounter):
        def merge(self, value: float) -> StatCounter:
            return super().merge(2 * value)

    assert Doubled([1, 2]).sum() == 6.0
