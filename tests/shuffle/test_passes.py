"""Many runs are merged in passes, by as many at a time as the budget has room for."""

from __future__ import annotations

import random
from itertools import chain
from operator import itemgetter

import pytest

from minispark.shuffle.passes import fan_in, merged_down
from minispark.shuffle.runs import merge_runs
from minispark.storage.serializer import dump_records
from minispark.storage.spill import SpillFile

key = itemgetter(0)


def merge(streams):
    return merge_runs(streams, key)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 16, 17, 83])
def test_passes_keep_order_and_every_record(files, count):
    rng = random.Random(count)
    spill = SpillFile(files)
    runs, expected = [], []
    for i in range(count):
        run = sorted([(rng.randrange(9), (i, j)) for j in range(rng.randrange(40))], key=key)
        expected += run
        runs.append(spill.append(dump_records(run, max_bytes=200, first=1)))
    last, left = merged_down(spill, runs, merge, at_most=4, frame_bytes=200, files=files)
    assert len(left) <= 4
    assert (last is spill) == (count <= 4)
    found = chain.from_iterable(merge([last.frames(where) for where in left]))
    assert list(found) == sorted(expected, key=key)


def test_the_budget_says_how_many():
    mb = 1 << 20
    assert fan_in(600 * mb, 1 << 17) == 64
    assert fan_in(15 * mb, 1 << 17) == 30
    assert fan_in(15 * mb, 1 << 17, 3 * mb) == 5
    assert fan_in(15 * mb, 1 << 17, 30 * mb) == 4
    assert fan_in(1000, 1 << 17) == 4
