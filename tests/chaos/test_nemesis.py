"""All promises at once: random programs are right while a nemesis breaks things at random.

A few seconds of what `make chaos` does for as long as one likes.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
from pathlib import Path

import pytest
import reference

from tests.chaos.nemesis.leftovers import Leftovers
from tests.chaos.nemesis.session import play

pytestmark = pytest.mark.own_context

#: Set it to see again what a seed showed, as far as timing allows.
SEED = int(os.environ.get("MINISPARK_CHAOS_SEED", "0")) or random.SystemRandom().getrandbits(31)


@pytest.mark.parametrize(
    ("master", "seconds"),
    [("local-process[2]", 10.0), pytest.param("local[2]", 12.0, marks=pytest.mark.ray)],
)
def test_every_answer_is_right(master: str, seconds: float) -> None:
    report = play(master, SEED, seconds, round_s=seconds, pause_s=0.1)
    print(report)
    assert report.is_clean, str(report)
    assert report.jobs > 30, "too little was played to show anything"
    assert report.injected.total() > 10, "too little was broken to show anything"


def test_a_wrong_answer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The players believe the model: one that errs is in the report, with its program."""
    look = reference.look
    monkeypatch.setattr(
        reference,
        "look",
        lambda table, name, arguments: "?!" + look(table, name, arguments),
    )
    report = play("local-process[2]", 1, 3.0, pause_s=10.0)
    assert report.wrong
    assert not report.is_clean
    assert all("of ((" in text and "expected ?!" in text for text in report.wrong), report.wrong


def test_leftovers_are_seen(tmp_path: Path) -> None:
    left = Leftovers(str(tmp_path))
    assert left.found(0) == []
    (tmp_path / "forgotten").write_text("x")
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="lingering")
    thread.start()
    process = subprocess.Popen(["sleep", "60"])
    file = (tmp_path / "forgotten").open()
    try:
        left.watch()
        found = " ".join(left.found(0))
        for word in ("forgotten", "thread lingering", f"process {process.pid}: sleep", "1 desc"):
            assert word in found
    finally:
        over.set()
        thread.join()
        process.kill()
        process.wait()
        file.close()
        (tmp_path / "forgotten").unlink()
    assert left.found(5) == []
