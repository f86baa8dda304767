"""All promises at once: random programs are right while a nemesis breaks things at random.

A few seconds of what `make chaos` does for as long as one likes.
"""

from __future__ import annotations

import os
import random

import pytest

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
