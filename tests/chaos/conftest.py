"""Contexts that tests may break, and a log of what ran where.

Each master's context is shared by the tests of a module, since every test must
leave it usable: that is one of the promises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.run_log import RunLog

MASTERS = ["local-process[2]", pytest.param("local[2]", marks=pytest.mark.ray)]


@pytest.fixture(scope="module", params=MASTERS)
def breakable(request: pytest.FixtureRequest, open_context: Callable[..., Any]) -> Iterator[Any]:
    """A context whose executors a test may kill."""
    context = open_context(request.param)
    yield context
    context.stop()


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    """A fresh log."""
    return RunLog(tmp_path / "runs")
