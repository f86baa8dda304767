"""The engine on a Ray cluster of three nodes: each has its own directory and file server.

One cluster and one context for the module, since starting either costs
seconds; the tests follow each other in the order of the file, the last one
ends the context.
"""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from operator import add
from pathlib import Path
from typing import Any

import pytest

from minispark import SparkContext, StorageLevel
from minispark.errors import PySparkValueError
from minispark.runtime.current import current_task
from minispark.runtime.file_server import stats
from minispark.runtime.launch import ray_agents
from tests.chaos.run_log import RunLog, executor_pids
from tests.cluster.nodes import end_node, nodes_of, processes_at, processes_of, three_nodes
from tests.cluster.patience import SETUP

pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.own_context]

#: Nothing here takes that long; a hang shall be a failure.
LIMIT_S = 60.0
#: Larger than what travels with a task or its report.
LARGE = 400_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one CPU each, on this machine."""
    with three_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def ports() -> str:
    """A range in which a port was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        first = min(probe.getsockname()[1], 65_000)
    return f"{first}:{first + 99}"


@pytest.fixture(scope="module")
def shared(cluster: Any, ports: str, open_context: Callable[..., Any]) -> Iterator[Any]:
    """The context all tests use, with an executor on each node."""
    settings = {
        "minispark_node_heartbeatInterval": "500ms",
        "minispark_executor_setup": SETUP,
        "spark_driver_host": "localhost",
        "spark_driver_bindAddress": "127.0.0.1",
        "spark_driver_port": ports,
        # However long Ray takes to restart an agent.
        "spark_shuffle_io_retryWait": f"{LIMIT_S:.0f}s",
    }
    context = open_context(cluster.address, **settings)
    try:
        executor_pids(context, 3)
        yield context
    finally:
        context.stop()


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    """A log on the file system that all nodes share."""
    return RunLog(tmp_path / "runs")


# ------------------------------------------------------------------ what tests look at


def eventually(condition: Callable[[], bool]) -> None:
    """Waits for what other processes are about to do."""
    patience = threading.Event()
    for _ in range(int(LIMIT_S / 0.05)):
        if condition():
            return
        patience.wait(0.05)
    raise AssertionError("it did not come true")


def files_of(root: str, part: str) -> list[str]:
    """Files below a node's directory with this part in their path."""
    return [
        path
        for folder, _, names in os.walk(root)
        for name in names
        if part in (path := os.path.relpath(os.path.join(folder, name), root))
    ]


def roots(sc: Any) -> list[str]:
    """The directories of the driver and of all nodes."""
    return [sc._engine.nodes.node.root, *(node.root for node in nodes_of(sc).values())]


def left(sc: Any, part: str) -> list[str]:
    return [path for root in roots(sc) for path in files_of(root, part)]


def served(sc: Any) -> Counter[str]:
    """What all nodes' file servers have answered so far."""
    total: Counter[str] = Counter()
    for node in nodes_of(sc).values():
        assert node.address is not None
        total.update(stats(node.address, sc._engine.backend._secret, 10.0))
    return total


def here() -> str:
    """In a task: the node it runs on."""
    task: Any = current_task()
    return str(task.executor.node.node_id)


def meet(log: RunLog, name: str, num: int = 3) -> None:
    """In a task: waits until tasks of as many nodes are here too."""
    log.note(name, here())
    patience = threading.Event()
    for _ in range(int(LIMIT_S / 0.02)):
        if len({line[1] for line in log.lines() if line[0] == name}) >= num:
            return
        patience.wait(0.02)
    raise AssertionError(f"fewer than {num} nodes take part")


def spread(sc: Any, log: RunLog, num: int = 3, name: str = "m") -> Any:
    """Pairs in six partitions, each noted with its node; every node computes at least one."""

    def f(p: int, records: Iterator[int]) -> Iterator[tuple[int, int]]:
        log.note(f"{name}{p}", here())
        meet(log, f"{name}-meet", num)
        return ((x % 10, x) for x in records)

    return sc.parallelize(range(600), 6).mapPartitionsWithIndex(f)


def ran_on(log: RunLog, name: str = "m") -> dict[int, list[str]]:
    """The nodes on which each partition ran, oldest first."""
    found: dict[int, list[str]] = {}
    for line in log.lines():
        if line[0].startswith(name) and line[0][len(name) :].isdigit():
            found.setdefault(int(line[0][len(name) :]), []).append(line[1])
    return found


SUMS = [(k, sum(range(k, 600, 10))) for k in range(10)]


# ------------------------------------------------------------------------- the tests


def test_addresses_and_directories(shared: Any, ports: str, cluster: Any) -> None:
    nodes = nodes_of(shared)
    assert len(nodes) == 3
    assert set(nodes) == {node.node_id for node in cluster.list_all_nodes()}
    assert len(set(roots(shared))) == 4
    assert shared.defaultParallelism == 3
    engine = shared._engine
    first, last = map(int, ports.split(":"))
    bound = engine.backend._listener.address
    assert bound[0] == "127.0.0.1"
    assert first <= bound[1] <= last
    assert engine.nodes.node.address[0] == "localhost"
    assert {
        c.laddr.ip for c in psutil.Process().net_connections("inet") if c.laddr.port == bound[1]
    } == {"127.0.0.1"}


def test_the_api(shared: Any, log: RunLog, tmp_path: Path) -> None:
    sc = shared
    pairs = sc.parallelize([(i % 7, i) for i in range(700)], 6)
    assert sorted(pairs.reduceByKey(add).collect()) == [
        (k, sum(range(k, 700, 7))) for k in range(7)
    ]
    assert sorted(pairs.groupByKey(4).mapValues(len).collect()) == [(k, 100) for k in range(7)]
    names = sc.parallelize([(k, f"n{k}") for k in range(5)], 2)
    assert sorted(pairs.join(names, 3).mapValues(lambda v: v[1]).distinct().collect()) == [
        (k, f"n{k}") for k in range(5)
    ]
    assert [k for k, _ in pairs.sortByKey(False, 4).collect()] == [
        k for k in range(6, -1, -1) for _ in range(100)
    ]
    seen = sc.accumulator(0)
    pairs.foreach(lambda _: seen.add(1))
    assert seen.value == 700

    cached = spread(sc, log).cache()
    assert sorted(cached.reduceByKey(add, 3).collect()) == SUMS
    assert cached.count() == 600
    assert all(len(where) == 1 for where in ran_on(log).values())

    out = str(tmp_path / "out")
    sc.parallelize(range(50), 5).saveAsTextFile(out)
    assert sorted(map(int, sc.textFile(out).collect())) == list(range(50))


def test_local_checkpoints_are_read_where_they_are(shared: Any, log: RunLog) -> None:
    rdd = spread(shared, log)
    rdd.localCheckpoint()
    assert rdd.count() == 600
    assert rdd.map(lambda kv: kv[1]).sum() == sum(range(600))
    assert sorted(rdd.reduceByKey(add, 4).collect()) == SUMS
    assert all(len(where) == 1 for where in ran_on(log).values())


def test_what_is_large_and_what_remains_of_it(shared: Any, log: RunLog) -> None:
    sc = shared

    def size(p: int, records: Iterator[Any]) -> Iterator[int]:
        meet(log, "sizes")
        return map(len, records)

    sliced = sc.parallelize([bytes([n]) * LARGE for n in range(6)], 6)
    assert sliced.mapPartitionsWithIndex(size).collect() == [LARGE] * 6
    assert len(left(sc, "slices")) > 3, "the slices travelled with the tasks"
    assert [x[0] for x in sliced.collect()] == list(range(6))  # results in files

    value = {n: os.urandom(1000) for n in range(3000)}
    table = sc.broadcast(value)

    def look(p: int, records: Iterator[int]) -> Iterator[bytes]:
        meet(log, "looks")
        return (table.value[x] for x in records)

    assert sc.parallelize(range(12), 6).mapPartitionsWithIndex(look).collect() == [
        value[n] for n in range(12)
    ]
    copies = [files_of(root, "broadcast/") for root in roots(sc)]
    assert all(copies), "not every node has a copy"
    table.unpersist()
    eventually(lambda: [bool(files_of(r, "broadcast/")) for r in roots(sc)] == [True] + [False] * 3)
    assert sc.parallelize(range(12), 6).map(lambda x: len(table.value[x])).sum() == 12_000
    table.destroy()
    eventually(lambda: not left(sc, "broadcast/"))

    del sliced
    gc.collect()
    eventually(lambda: not left(sc, "slices"))
    eventually(lambda: not left(sc, "result"))

    kept = spread(sc, log).persist(StorageLevel.DISK_ONLY)
    assert kept.count() == 600
    assert all(files_of(node.root, "rdd/") for node in nodes_of(sc).values())
    kept.unpersist()
    eventually(lambda: not left(sc, "rdd/"))


def test_one_request_per_reducer_and_node(shared: Any, log: RunLog) -> None:
    def note(p: int, records: Iterator[Any]) -> Iterator[int]:
        log.note(f"r{p}", here())
        return iter([sum(v for _, v in records)])

    before = served(shared)
    grouped = spread(shared, log).partitionBy(5)
    assert grouped.mapPartitionsWithIndex(note).sum() == sum(range(600))
    sources = {where[-1] for where in ran_on(log).values()}
    assert len(sources) == 3
    reducers = [where[-1] for where in ran_on(log, "r").values()]
    assert len(reducers) == 5
    expected = before["blocks"] + sum(len(sources - {node}) for node in reducers)
    # An answer is counted once it is sent, which is when the reducer already has it.
    eventually(lambda: served(shared)["blocks"] >= expected)
    assert served(shared)["blocks"] == expected
    assert served(shared)["bytes"] > before["bytes"]
    # On each node the outputs of its own maps, and of no others.
    for node in nodes_of(shared).values():
        mine = [p for p, where in ran_on(log).items() if where == [node.node_id]]
        assert len(files_of(node.root, "shuffle/")) >= len(mine) > 0
    del grouped
    gc.collect()
    eventually(lambda: not left(shared, "shuffle/"))


def test_an_agent_is_killed(shared: Any, log: RunLog, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long Ray takes: its machine answers, so the node is not given up.
    monkeypatch.setattr(ray_agents, "_RESTART_S", LIMIT_S)
    sums = spread(shared, log).reduceByKey(add, 4)
    assert sorted(sums.collect()) == SUMS
    victim = nodes_of(shared)[ran_on(log)[0][0]]
    assert isinstance(victim.address, tuple)
    (agent,) = processes_at(victim.address[1])
    agent.kill()
    # It is back before anybody has given up: at a new address, with the same files.
    assert sorted(sums.collect()) == SUMS
    assert sorted(sums.mapValues(lambda v: v + 1).collect()) == [(k, v + 1) for k, v in SUMS]
    assert {len(where) for where in ran_on(log).values()} == {1}
    eventually(lambda: nodes_of(shared)[victim.node_id].incarnation != victim.incarnation)
    assert nodes_of(shared)[victim.node_id].root == victim.root


def lose(sc: Any, cluster: Any, node_id: str) -> None:
    """Ends a node with its agent and its executor."""
    doomed = processes_of(sc, node_id)
    assert len(doomed) == 2
    end_node(cluster, node_id, doomed)


def a_worker(sc: Any, cluster: Any) -> str:
    """A node that can be removed: not the head."""
    return str(next(node.node_id for node in cluster.worker_nodes if node.node_id in nodes_of(sc)))


def assert_only_lost_ones_ran_again(log: RunLog, victim: str) -> None:
    found = ran_on(log)
    assert {p: len(where) for p, where in found.items()} == {
        p: 2 if where[0] == victim else 1 for p, where in found.items()
    }


def test_a_node_goes_between_jobs(shared: Any, cluster: Any, log: RunLog) -> None:
    sums = spread(shared, log).reduceByKey(add, 4)
    assert sorted(sums.collect()) == SUMS
    victim = a_worker(shared, cluster)
    lose(shared, cluster, victim)
    assert sorted(sums.collect()) == SUMS
    assert_only_lost_ones_ran_again(log, victim)
    eventually(lambda: victim not in nodes_of(shared))
    assert len(nodes_of(shared)) == 2, "there was no room for another executor"

    # Room for the replacement comes: it joins there.
    cluster.add_node(num_cpus=1)
    executor_pids(shared, 3)
    assert len(nodes_of(shared)) == 3


def test_a_node_goes_in_the_middle_of_a_job(shared: Any, cluster: Any, log: RunLog) -> None:
    def late(p: int, records: Iterator[Any]) -> Iterator[Any]:
        if log.first_time(f"reduced{p}"):
            meet(log, "reduce")
        patience = threading.Event()
        while not os.path.exists(f"{log.path}.removed"):
            patience.wait(0.02)
        return records

    victim = a_worker(shared, cluster)
    sums = spread(shared, log).reduceByKey(add, 9).mapPartitionsWithIndex(late)
    answers: list[Any] = []
    job = threading.Thread(target=lambda: answers.append(sums.collect()), daemon=True)
    job.start()
    eventually(lambda: len({x[1] for x in log.lines() if x[0] == "reduce"}) == 3)
    lose(shared, cluster, victim)
    assert log.first_time("removed")
    job.join(LIMIT_S)
    assert sorted(answers[0]) == SUMS
    assert_only_lost_ones_ran_again(log, victim)
    assert len(nodes_of(shared)) == 2


def test_second_copies_outlive_a_node(shared: Any, cluster: Any, log: RunLog) -> None:
    sc = shared
    cluster.add_node(num_cpus=1)
    executor_pids(sc, 3)
    names = ["MEMORY_ONLY_2", "MEMORY_AND_DISK_2", "DISK_ONLY_2"]
    kept = {}
    for name in names:
        kept[name] = spread(sc, log, name=name).persist(getattr(StorageLevel, name))
        assert kept[name].count() == 600
    placed = {name: ran_on(log, name) for name in names}
    victim = next(
        node.node_id
        for node in cluster.worker_nodes
        if all([node.node_id] in where.values() for where in placed.values())
    )
    holders = sc._engine.driver._scheduler.blocks.holders
    for name, rdd in kept.items():
        for p, (node,) in placed[name].items():
            executors, nodes = holders((rdd.id(), p))
            assert len(executors) == (name != "DISK_ONLY_2")
            assert len(set(nodes) | {node}) == 2, "there are no two nodes with the block"
    lose(sc, cluster, victim)
    for rdd in kept.values():
        assert sorted(rdd.reduceByKey(add, 3).collect()) == SUMS
        assert rdd.values().sum() == sum(range(600))
    assert {name: ran_on(log, name) for name in names} == placed, "something ran again"
    for rdd in kept.values():
        rdd.unpersist()
    eventually(lambda: not left(sc, "rdd/"))


def test_a_result_goes_with_its_node(shared: Any, cluster: Any, log: RunLog) -> None:
    """Large results are fetched when they are asked for; this one is lost by then."""
    cluster.add_node(num_cpus=1)
    executor_pids(shared, 3)
    victim = a_worker(shared, cluster)

    def large(p: int, records: Iterator[int]) -> list[bytes]:
        log.note(f"m{p}", here())
        meet(log, "large")
        return [bytes([x]) * LARGE for x in records]

    rdd = shared.parallelize(range(6), 6)
    parts = shared._engine.run(rdd._node, large, range(6), "here", {})
    got = dict([next(parts)])
    eventually(lambda: len(ran_on(log)) == 6)
    eventually(lambda: len(left(shared, "result/")) >= 5)
    lose(shared, cluster, victim)
    got.update(parts)
    assert got == {p: [bytes([p]) * LARGE] for p in range(6)}
    for where in ran_on(log).values():
        assert len(where) == 1 or where[0] == victim


def test_the_end_and_the_next_context(
    shared: Any, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shared.parallelize(range(10), 2).sum() == 45
    directories = roots(shared)
    addresses = [shared._engine.backend._listener.address, shared._engine.nodes.node.address]
    addresses += [node.address for node in nodes_of(shared).values()]
    shared.stop()
    assert not [path for path in directories if os.path.exists(path)]
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5).close()
    eventually(lambda: not actors())

    # The user's cluster lives on, and is found without being named.
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    with SparkContext() as sc:
        assert sc.master == "ray://auto"
        assert sc.parallelize(range(10), 2).map(lambda x: (x % 2, x)).reduceByKey(add).count() == 2
    eventually(lambda: not actors())


def actors() -> list[str]:
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return [line for line in found if "ExecutorActor" in line or "NodeAgent" in line]


def test_client_addresses_are_refused() -> None:
    with pytest.raises(PySparkValueError, match="client mode"):
        SparkContext("ray://somewhere:10001")
