"""What the tests of the public API share; `sc` itself is in `tests/conftest.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def still_usable(sc: Any) -> Iterator[None]:
    """After the test, whatever it provoked, the context runs a shuffle as before."""
    yield
    pairs = sc.parallelize([("a", 1), ("b", 2), ("a", 3)], 2)
    assert sorted(pairs.reduceByKey(lambda x, y: x + y).collect()) == [("a", 4), ("b", 2)]
