"""A skewed shuffle is reported, once, with the line that made it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from minispark.scheduler import skew

pytestmark = pytest.mark.minispark_only


@pytest.fixture
def sensitive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kilobytes are worth a word."""
    monkeypatch.setattr(skew, "MIN_BYTES", 20_000)


def skewed(sc: Any) -> Any:
    pairs = sc.parallelize(range(6000), 3).map(lambda x: (7 if x % 10 else x % 7, f"{x:020}"))
    return pairs.groupByKey(7).mapValues(len)


def reports(sc: Any, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was reported once the chores put so far are done."""
    done: list[bool] = []
    sc._engine.driver.janitor.put(lambda: done.append(True))
    while not done:
        sc.parallelize([0], 1).count()
    return [r.message for r in caplog.records if "the median one" in r.message]


def test_it_is_reported_once(sc: Any, sensitive: None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "minispark")
    for _ in range(2):  # as a loop makes a new shuffle with each turn
        rdd = skewed(sc)
        assert sum(rdd.values().collect()) == 6000
        assert rdd.count() == 8
    (report,) = reports(sc, caplog)
    assert report.startswith("groupByKey at ")
    assert "test_skew.py:" in report
    assert "partition 0 of 7" in report
    assert "reduceByKey" in report


def test_explain_shows_it(sc: Any, sensitive: None, capsys: pytest.CaptureFixture[str]) -> None:
    rdd = skewed(sc)
    rdd.explain()
    assert "skewed" not in capsys.readouterr().out, "nothing is known yet"
    rdd.count()
    rdd.explain()
    assert "  skewed: partition 0 of 7 gets " in capsys.readouterr().out


def test_nothing_is_said_of_even_or_small_shuffles(
    sc: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    rdd = skewed(sc)
    assert rdd.count() == 8
    rdd.explain()
    assert "skewed" not in capsys.readouterr().out
    assert reports(sc, caplog) == []


def test_even_and_large(sc: Any, sensitive: None, caplog: pytest.LogCaptureFixture) -> None:
    pairs = sc.parallelize(range(6000), 3).map(lambda x: (x % 70, f"{x:020}"))
    joined = pairs.groupByKey(7).join(pairs.groupByKey(7))
    assert joined.count() == 70
    assert reports(sc, caplog) == []
