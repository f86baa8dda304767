"""Blocks with several holders: executors, nodes, second copies."""

from __future__ import annotations

import pytest

from minispark.ids import ExecutorId, NodeId, RddId, ShuffleId
from minispark.plan.spec import RddPoint, ShufflePoint
from minispark.scheduler import events as ev
from minispark.testing import FakeBackend, map_stage, result_job

RDD = RddId(7)
S0 = ShuffleId(0)
N = 4


def copied(*, executors: int = 3, first: bool = True) -> FakeBackend:
    """Partition p in the heap of executor p % n (its node: the same), copied to the next node."""
    backend = FakeBackend(executors=executors, nodes=executors)
    for p in range(N):
        block = (RDD, p)
        mine, other = f"e{p % executors}", NodeId(f"n{(p + 1) % executors}")
        updates = (ev.BlockUpdate(block, True, False),) if first else ()
        copy = ev.BlockUpdate(block, False, True, other)
        backend.send(ev.BlocksUpdated(ExecutorId(mine), (*updates, copy)))
    return backend


def job():
    """Needs a shuffle unless all blocks are there."""
    return result_job(
        0,
        N,
        [RddPoint(RDD, N)],
        [map_stage(S0, 2)],
        behind={RDD: (ShufflePoint(S0),)},
        blocks=tuple(((RDD, p),) for p in range(N)),
    )


def ran(backend: FakeBackend) -> set[ShuffleId | None]:
    return {task.shuffle_id for task in backend.launched}


@pytest.mark.parametrize("victim", ["e0", "e1", "e2"])
def test_losing_one_executor_needs_no_shuffle(victim: str) -> None:
    backend = copied()
    backend.lose_executor(victim)
    backend.submit(job())
    backend.run_all()
    assert backend.finished == [0]
    assert ran(backend) == {None}


@pytest.mark.parametrize("victim", ["n0", "n1", "n2"])
def test_losing_one_node_needs_no_shuffle(victim: str) -> None:
    backend = copied()
    backend.lose_node(victim)
    backend.submit(job())
    backend.run_all()
    assert backend.finished == [0]
    assert ran(backend) == {None}


def test_losing_both_holders_does() -> None:
    backend = copied()
    backend.lose_node("n0")
    backend.lose_node("n1")
    backend.submit(job())
    backend.run_all()
    assert ran(backend) == {None, S0}


def test_the_task_runs_where_the_copy_is() -> None:
    backend = copied()
    backend.lose_executor("e1")
    backend.submit(job())
    while backend.running:  # the executor whose turn it is takes what is there
        backend.succeed(backend.running[-1])
    where = {t.partition: t.executor_id for t in backend.launched}
    assert where[1] == "e2"


def test_a_copy_is_about_its_node_and_nothing_else() -> None:
    backend = copied()
    holders = backend.scheduler.blocks.holders
    assert holders((RDD, 0)) == (("e0",), ("n1",))
    gone = ev.BlockUpdate((RDD, 0), False, False, NodeId("n1"))
    backend.send(ev.BlocksUpdated(ExecutorId("e2"), (gone,)))
    assert holders((RDD, 0)) == (("e0",), ())
    # The executor evicts its own: the copy of the next partition on its node stays.
    backend.send(ev.BlocksUpdated(ExecutorId("e0"), (ev.BlockUpdate((RDD, 0), False, False),)))
    assert holders((RDD, 0)) == ((), ())
    assert holders((RDD, 2)) == (("e2",), ("n0",))


def test_a_late_word_of_a_copy_on_a_dead_node_is_ignored() -> None:
    backend = FakeBackend(executors=2, nodes=2)
    copy = ev.BlockUpdate((RDD, 0), False, True, NodeId("n1"))
    backend.lose_node("n1")
    backend.send(ev.BlocksUpdated(ExecutorId("e0"), (copy,)))
    assert backend.scheduler.blocks.holders((RDD, 0)) == ((), ())
    # Should the node come back, what is said of it counts again.
    backend.add_executor("e9", "n1")
    backend.send(ev.BlocksUpdated(ExecutorId("e0"), (copy,)))
    assert backend.scheduler.blocks.holders((RDD, 0)).nodes == ("n1",)


def test_unpersist_forgets_every_holder() -> None:
    backend = copied()
    backend.send(ev.RddUnpersisted(RDD))
    assert all(backend.scheduler.blocks.holders((RDD, p)) == ((), ()) for p in range(N))
    backend.lose_node("n0")
    backend.scheduler.validate()
