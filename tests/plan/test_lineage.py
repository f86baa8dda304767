"""The lineage as text: Spark's layout of `toDebugString`, and what `explain` says."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import pytest

from minispark.ids import RddId, ShuffleId
from minispark.kernels.elements import identity, unchanged
from minispark.plan import steps
from minispark.plan.explain import explain
from minispark.plan.lineage import ancestors, describe, to_debug_string
from minispark.plan.nodes import (
    Aggregator,
    CheckpointData,
    CoGroup,
    Exchange,
    MapPartitions,
    Node,
    Shuffle,
    Source,
    Union,
)
from minispark.plan.partitioner import Partitioner
from minispark.plan.spec import RddPoint, ShufflePoint
from minispark.plan.stages import build_stages
from minispark.storagelevel import StorageLevel

SUM = Aggregator(identity, operator.add, operator.add)


class Plan:
    """Makes nodes with ids in the order of the calls, all made at `job.py:1`."""

    def __init__(self) -> None:
        self.ids = map(RddId, itertools.count())
        self.shuffles = map(ShuffleId, itertools.count())

    def _made(self, node: Any, method: str) -> Any:
        node.info.scope = method
        node.info.call_site = f"{method} at job.py:1"
        return node

    def source(self, partitions: int) -> Source:
        node = Source(next(self.ids), iter, [()] * partitions)
        return self._made(node, "parallelize")  # type: ignore[no-any-return]

    def step(self, parent: Node, step: steps.Step, method: str) -> MapPartitions:
        keeps = not isinstance(step, steps.Map)
        node = MapPartitions(next(self.ids), parent, step, keeps)
        return self._made(node, method)  # type: ignore[no-any-return]

    def map(self, parent: Node) -> MapPartitions:
        return self.step(parent, steps.Map(str), "map")

    def exchange(self, parent: Node, partitions: int) -> Exchange:
        return Exchange(next(self.shuffles), parent, Partitioner(partitions), SUM, True, b"")

    def sums(self, parent: Node, partitions: int) -> Shuffle:
        node = Shuffle(next(self.ids), self.exchange(parent, partitions))
        return self._made(node, "reduceByKey")  # type: ignore[no-any-return]

    def cogroup(self, *sources: Exchange | Node) -> CoGroup:
        node = CoGroup(next(self.ids), sources, Partitioner(2))
        return self._made(node, "join")  # type: ignore[no-any-return]

    def union(self, *parents: Node) -> Union:
        return self._made(Union(next(self.ids), parents), "union")  # type: ignore[no-any-return]


@pytest.fixture
def plan() -> Plan:
    return Plan()


def exists(*points: RddPoint | ShufflePoint) -> Callable[[Any], bool]:
    return lambda point: point in points


# -- describe ----------------------------------------------------------------------


def test_a_source_is_described_by_kind_id_and_place(plan: Plan) -> None:
    assert describe(plan.source(2)) == "ParallelCollectionRDD[0] at parallelize at job.py:1"


def test_a_name_comes_first(plan: Plan) -> None:
    node = plan.source(2)
    node.info.name = "numbers"
    assert describe(node).startswith("numbers ParallelCollectionRDD[0]")


# -- toDebugString -------------------------------------------------------------------


def test_narrow_steps_stand_below_each_other(plan: Plan) -> None:
    assert to_debug_string(plan.map(plan.source(12))).splitlines() == [
        "(12) PythonRDD[1] at map at job.py:1 []",
        " |   ParallelCollectionRDD[0] at parallelize at job.py:1 []",
    ]


def test_a_shuffle_starts_a_branch(plan: Plan) -> None:
    assert to_debug_string(plan.sums(plan.map(plan.source(12)), 3)).splitlines() == [
        "(3) ShuffledRDD[2] at reduceByKey at job.py:1 []",
        " +-(12) PythonRDD[1] at map at job.py:1 []",
        "    |   ParallelCollectionRDD[0] at parallelize at job.py:1 []",
    ]


def test_the_bar_goes_on_below_a_branch_that_is_not_the_last(plan: Plan) -> None:
    left, right = plan.map(plan.source(12)), plan.map(plan.source(3))
    joined = plan.cogroup(plan.exchange(left, 2), plan.exchange(right, 2))
    assert to_debug_string(joined).splitlines() == [
        "(2) CoGroupedRDD[4] at join at job.py:1 []",
        " +-(12) PythonRDD[1] at map at job.py:1 []",
        " |  |   ParallelCollectionRDD[0] at parallelize at job.py:1 []",
        " +-(3) PythonRDD[3] at map at job.py:1 []",
        "    |  ParallelCollectionRDD[2] at parallelize at job.py:1 []",
    ]


def test_branches_of_a_union_keep_its_bar(plan: Plan) -> None:
    union = plan.union(plan.sums(plan.source(15), 15), plan.source(3))
    assert to_debug_string(union).splitlines() == [
        "(18) UnionRDD[3] at union at job.py:1 []",
        " |   ShuffledRDD[1] at reduceByKey at job.py:1 []",
        " +-(15) ParallelCollectionRDD[0] at parallelize at job.py:1 []",
        " |   ParallelCollectionRDD[2] at parallelize at job.py:1 []",
    ]


def test_the_storage_level_is_in_brackets(plan: Plan) -> None:
    node = plan.source(1)
    node.info.storage_level = StorageLevel.DISK_ONLY
    assert to_debug_string(node).endswith("[Disk Serialized 1x Replicated]")


def test_a_finished_checkpoint_ends_the_lineage(plan: Plan) -> None:
    node = plan.map(plan.source(2))
    node.info.checkpoint = CheckpointData("directory", done=True)
    first, second = to_debug_string(node).splitlines()
    assert first.startswith("(2) PythonRDD[1]")
    assert second.startswith(" |  ReliableCheckpointRDD[1]")
    assert list(ancestors(node)) == [node]


def test_deep_lineages_do_not_recurse(plan: Plan) -> None:
    node: Node = plan.source(1)
    for _ in range(3000):
        node = plan.sums(plan.map(node), 1)
    assert len(to_debug_string(node).splitlines()) == 6001
    assert sum(1 for _ in ancestors(node)) == 6001
    assert explain(node).count("Map stage") == 3000


def test_a_shared_ancestor_is_met_once(plan: Plan) -> None:
    source = plan.source(1)
    union = plan.union(plan.map(source), plan.map(source))
    assert [node.id for node in ancestors(union)] == [3, 1, 0, 2]


# -- explain -------------------------------------------------------------------------


def test_explain_names_stages_and_fused_steps(plan: Plan) -> None:
    pairs = plan.step(plan.map(plan.source(4)), steps.Filter(bool), "filter")
    assert explain(plan.map(plan.sums(pairs, 1))).splitlines() == [
        "Result stage, 1 task: map at job.py:1",
        "  read shuffle 0 (reduceByKey): combined",
        "  fused in one loop: map",
        "Map stage for shuffle 0, 4 tasks: filter at job.py:1",
        "  read parallelize: 4 splits",
        "  fused in one loop: map, filter",
        "  write shuffle 0: 1 partition, combined before writing",
    ]


def test_explain_shows_what_cannot_be_fused(plan: Plan) -> None:
    whole = plan.step(plan.map(plan.source(1)), steps.Partitions(unchanged), "mapPartitions")
    assert explain(plan.map(whole)).splitlines()[2:] == [
        "  fused in one loop: map",
        "  partition function: mapPartitions",
        "  fused in one loop: map",
    ]


def test_explain_says_why_there_is_no_shuffle(plan: Plan) -> None:
    combine = steps.Merge(Aggregator(identity, operator.add, operator.add))
    again = plan.step(plan.sums(plan.source(2), 2), combine, "reduceByKey")
    joined = plan.cogroup(again, plan.exchange(plan.source(3), 2))
    text = explain(joined)
    assert "  reduceByKey: no shuffle, the keys are in place; combined" in text
    assert "  join: no shuffle of PythonRDD[2] at reduceByKey" in text
    assert "  read shuffle 1 (join)" in text


def test_explain_skips_a_stage_whose_output_exists(plan: Plan) -> None:
    sums = plan.sums(plan.source(4), 2)
    text = explain(sums, exists(ShufflePoint(ShuffleId(0))))
    assert text.splitlines()[-1] == "Map stage for shuffle 0, 4 tasks: skipped, its output exists"


def test_explain_stops_at_what_is_kept_completely(plan: Plan) -> None:
    kept = plan.map(plan.sums(plan.source(4), 2))
    kept.info.storage_level = StorageLevel.MEMORY_ONLY
    assert "  keep RDD[2]" in explain(plan.map(kept))
    text = explain(plan.map(kept), exists(RddPoint(kept.id, 2)))
    assert "  read kept RDD[2]: all partitions exist" in text
    assert "shuffle" not in text


def test_explain_stops_at_a_checkpoint(plan: Plan) -> None:
    node = plan.map(plan.sums(plan.source(4), 2))
    node.info.checkpoint = CheckpointData("directory", done=True)
    assert explain(plan.map(node)).splitlines()[1:] == [
        "  read checkpoint of RDD[2]: what leads to it is cut off",
        "  fused in one loop: map",
    ]


def test_explain_prints_a_shared_stage_once(plan: Plan) -> None:
    sums = plan.sums(plan.source(4), 2)
    assert explain(plan.union(sums, plan.map(sums))).count("Map stage") == 1


def test_explain_captures_no_function(plan: Plan) -> None:
    node = plan.map(plan.source(1))
    explain(node)
    assert node.info.captured is None


# -- indeterminate stages --------------------------------------------------------------


@pytest.mark.parametrize("marked", ["source", "inner step", "last step", "nothing"])
def test_a_stage_is_indeterminate_when_any_of_its_steps_is(plan: Plan, marked: str) -> None:
    source = plan.source(2)
    first = plan.map(source)
    last = plan.map(plan.map(first))
    {"source": source, "inner step": first, "last step": last}.get(
        marked, plan.source(1)
    ).info.is_indeterminate = True
    sums = plan.sums(last, 3)
    graph = build_stages(plan.map(sums))
    assert [stage.spec.is_indeterminate for stage in graph.stages] == [marked != "nothing"]
    assert not graph.final.spec.is_indeterminate, "what it reads is kept in files"


def test_a_checkpoint_makes_a_stage_determinate(plan: Plan) -> None:
    node = plan.map(plan.source(2))
    node.info.is_indeterminate = True
    node.info.checkpoint = CheckpointData("/somewhere", done=True)
    graph = build_stages(plan.sums(plan.map(node), 2))
    assert not graph.stages[0].spec.is_indeterminate


def test_explain_says_what_may_differ(plan: Plan) -> None:
    node = plan.map(plan.source(2))
    node.info.is_indeterminate = True
    assert f"RDD[{node.id}] may differ when it is computed again" in explain(node, exists())
