"""Which engine and which masters the suite runs on, and what all layers share.

`sc` is one context per master for the whole session: starting Ray costs
seconds and a process may have only one active context. Tests that use it are
therefore moved behind all others and grouped by master.

Environment:

- `MINISPARK_TEST_ENGINE=pyspark` runs the same suite on the real PySpark, which
  is how its expectations were checked (tests marked `minispark_only` skip).
- `MINISPARK_TEST_MASTERS="local local[2]"` selects masters.
- `MINISPARK_TEST_SECONDS` is the limit for one test; a hang is a failure.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

# The programs of `tests/model` are shared with `tests/parity`.
sys.path.insert(0, str(Path(__file__).parent / "model"))

ON_PYSPARK = os.environ.get("MINISPARK_TEST_ENGINE", "minispark") == "pyspark"
ALL_MASTERS = ("local", "local-process[2]", "local[2]")
SECONDS = int(os.environ.get("MINISPARK_TEST_SECONDS", "120"))


def chosen_masters() -> list[str]:
    """The masters of this session, in the order they run."""
    if ON_PYSPARK:
        return ["local[2]"]
    chosen = os.environ.get("MINISPARK_TEST_MASTERS", " ".join(ALL_MASTERS)).split()
    if unknown := set(chosen) - set(ALL_MASTERS):
        raise pytest.UsageError(f"MINISPARK_TEST_MASTERS: {sorted(unknown)} not in {ALL_MASTERS}")
    return chosen


def master_params() -> list[Any]:
    """The masters as parameters; those on Ray carry the marker `ray`."""
    return [
        pytest.param(m, marks=pytest.mark.ray) if "[" in m and "process" not in m else m
        for m in chosen_masters()
    ]


def pytest_configure(config: pytest.Config) -> None:
    """Declares the markers; refuses a PySpark session whose driver hashes at random."""
    config.addinivalue_line("markers", "ray: starts Ray actors")
    config.addinivalue_line("markers", "minispark_only: says something PySpark does not promise")
    config.addinivalue_line("markers", "pyspark: compares with the real PySpark")
    config.addinivalue_line("markers", "own_context: opens contexts of its own")
    # Whoever runs the suite in the background has it ignore Ctrl-C, which the
    # scripts that tests start would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if ON_PYSPARK:
        if os.environ.get("PYTHONHASHSEED") != "0":
            raise pytest.UsageError("run the suite on PySpark with PYTHONHASHSEED=0")
        os.environ["PYSPARK_PYTHON"] = sys.executable


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the users of `sc` last, one master after the other.

    What a test module defines is shipped by value, as a script's functions
    are: executors cannot import test modules.
    """
    # Some tests name a master that was not chosen: it comes after the chosen ones.
    masters = [*chosen_masters(), *ALL_MASTERS]
    order = {master: masters.index(master) + 1 for master in masters}

    def place(item: pytest.Item) -> int:
        callspec = getattr(item, "callspec", None)
        if callspec is None or "sc" not in getattr(item, "fixturenames", ()):
            return 0
        return order.get(callspec.params.get("sc"), 0)

    items.sort(key=place)
    cloudpickle = importlib.import_module("pyspark.cloudpickle" if ON_PYSPARK else "cloudpickle")
    for item in items:
        if "sc" in getattr(item, "fixturenames", ()) or "own_context" in item.keywords:
            cloudpickle.register_pickle_by_value(item.module)  # type: ignore[attr-defined]
    if ON_PYSPARK:
        skip = pytest.mark.skip(reason="PySpark does not promise this")
        for item in items:
            if item.get_closest_marker("minispark_only"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def engine() -> ModuleType:
    """The package under test: `minispark`, or `pyspark` when it is asked for."""
    return importlib.import_module("pyspark" if ON_PYSPARK else "minispark")


@pytest.fixture(scope="session", params=master_params())
def sc(request: pytest.FixtureRequest, engine: ModuleType) -> Iterator[Any]:
    """The context of one master, shared by all tests that name it."""
    context = new_context(engine, request.param)
    yield context
    context.stop()


@pytest.fixture(scope="session")
def open_context(engine: ModuleType) -> Callable[..., Any]:
    """`open_context(master, spark_some_key="value")` for tests that own their context."""
    return partial(new_context, engine)


def new_context(engine: ModuleType, master: str, **settings: str) -> Any:
    """A context on `master`; on PySpark without its UI and its log."""
    conf = engine.SparkConf().setMaster(master).setAppName("tests")
    if ON_PYSPARK:
        conf.set("spark.ui.enabled", "false")
    for key, value in settings.items():
        conf.set(key.replace("_", "."), value)
    context = engine.SparkContext(conf=conf)
    if ON_PYSPARK:
        context.setLogLevel("OFF")
    return context


class _TaskFails:
    """Asserts that an action ends with an exception that a user function raised."""

    def __call__(
        self, kind: type[BaseException] | tuple[type[BaseException], ...], match: str | None = None
    ) -> AbstractContextManager[Any]:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        return self._on_pyspark(kinds, match) if ON_PYSPARK else self._on_minispark(kinds, match)

    @contextmanager
    def _on_pyspark(
        self, kinds: tuple[type[BaseException], ...], match: str | None
    ) -> Iterator[Any]:
        with pytest.raises(Exception, match=match) as caught:
            yield caught
        assert any(kind.__name__ in str(caught.value) for kind in kinds)

    @contextmanager
    def _on_minispark(
        self, kinds: tuple[type[BaseException], ...], match: str | None
    ) -> Iterator[Any]:
        errors = importlib.import_module("minispark.errors")
        with pytest.raises(kinds, match=match) as caught:
            yield caught
        chain: BaseException | None = caught.value
        while chain is not None and not isinstance(chain, errors.TaskError):
            chain = chain.__cause__
        assert chain is not None, f"no TaskError in the causes of {caught.value!r}"


@pytest.fixture(scope="session")
def task_fails() -> _TaskFails:
    """`with task_fails(ZeroDivisionError): action` on either engine."""
    return _TaskFails()


class _Hang(KeyboardInterrupt):
    """A test's time is up. Like Ctrl-C, so that no engine takes it for a task's failure."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """A test that hangs fails alone; a real Ctrl-C still ends the session."""
    try:
        return (yield)
    except _Hang as hang:
        raise TimeoutError(str(hang)) from hang


@pytest.fixture
def without_time_limit() -> None:
    """For the few tests whose length the caller chooses."""


@pytest.fixture(autouse=True)
def _hang_is_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    """Interrupts a test that waits for ever, so that the rest still runs."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise _Hang(f"{request.node.nodeid} did not end within {SECONDS} s")

    if "without_time_limit" in request.fixturenames:
        yield
        return
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
