"""Executors that end before they register: the driver gives up after a few in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minispark.errors import PySparkRuntimeError

pytestmark = pytest.mark.own_context


def test_executors_that_cannot_start_end_the_job(open_context: Callable[..., Any]) -> None:
    context = open_context("local-process[2]", minispark_executor_setup="no_such_module:f")
    try:
        with pytest.raises(PySparkRuntimeError, match="keep ending at their start"):
            context.parallelize([1]).count()
    finally:
        context.stop()
