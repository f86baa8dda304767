"""A random driver plays jobs, faults and late messages together; answers are checked.

One seed makes one world of 25 jobs. `make simulate JOBS=100000` plays longer;
MINISPARK_SIM_SEED is the first world's seed.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.scheduler.simulation.world import JOBS_PER_WORLD, World

JOBS = int(os.environ.get("MINISPARK_SIM_JOBS", "10000"))
FIRST = int(os.environ.get("MINISPARK_SIM_SEED", "0"))
#: Worlds of one test: twenty tests say where it fails, and none takes long.
WORLDS = max(1, JOBS // JOBS_PER_WORLD // 20)
#: What twenty tests must have met for the whole to show something.
EXPECTED = (
    "jobs finished",
    "jobs failed: cancelled",
    "jobs failed: executors",
    "jobs failed: fetch",
    "jobs failed: stopped",
    "jobs failed: task",
    "random answers",
    "barrier tasks",
    "blocks from elsewhere",
    "speculative copies",
    "later stage attempts",
    "repeated map results",
    "discarded results",
    "executors to kill",
    "late messages",
    "NodeLost",
    "FetchFailed",
    "RddUnpersisted",
)


@pytest.fixture(scope="module")
def seen() -> Counter[str]:
    """What happened in all worlds so far."""
    return Counter()


@pytest.mark.parametrize("part", range(20))
def test_random_worlds(part: int, seen: Counter[str], without_time_limit: None) -> None:
    for seed in range(FIRST + part * WORLDS, FIRST + (part + 1) * WORLDS):
        world = World(seed)
        try:
            world.play()
        except Exception as error:
            raise AssertionError(f"seed {seed}, at {world.now:.3f}: {error}") from error
        seen += world.seen


@pytest.mark.parametrize("seed", [102359])
def test_a_world_that_mixed_two_runs(seed: int, without_time_limit: None) -> None:
    """A block reached the disk just before its executor died, and before a rollback."""
    world = World(seed)
    world.play()
    assert world.seen["blocks of an earlier run"]


def test_the_worlds_met_everything(seen: Counter[str]) -> None:
    if not seen:
        pytest.skip("the worlds were not played")
    print(*(f"{count:9} {what}" for what, count in sorted(seen.items())), sep="\n")
    if seen["JobSubmitted"] >= 10_000:
        assert [what for what in EXPECTED if not seen[what]] == []
