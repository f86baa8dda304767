"""The Ray launcher with stub executors: embedded, the user's own Ray, three nodes."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import pytest

from minispark.errors import PySparkValueError
from minispark.ids import ExecutorId, NodeId
from minispark.runtime.boot import NodeInfo
from minispark.runtime.launch import ray_embedded
from minispark.runtime.launch.ray_address import parse_cluster_address
from minispark.runtime.launch.ray_executors import Executor, ExecutorActors
from minispark.runtime.launch.ray_launcher import RayLauncher
from minispark.runtime.launch.ray_options import ClusterShape, executor_options
from tests.cluster.nodes import three_nodes

pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")

SECRET = b"k" * 32
#: Nothing here takes that long; a hang shall be a failure.
LIMIT_S = 90.0
on_ray = pytest.mark.ray
HERE = str(Path(__file__).parent)


class Driver:
    """A listener for stub executors, and what the launcher reported."""

    def __init__(self) -> None:
        self.listener = Listener(("127.0.0.1", 0), authkey=SECRET)
        self.events: queue.Queue[tuple[Any, ...]] = queue.Queue()
        self.seen: list[tuple[Any, ...]] = []
        self.registered: queue.Queue[tuple[dict[str, Any], Connection]] = queue.Queue()
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self) -> None:
        while not self.closed.is_set():
            # One that was killed before it could register is no executor; that
            # may be in the middle of the handshake.
            with contextlib.suppress(EOFError, OSError):
                connection = self.listener.accept()
                self.registered.put((pickle.loads(connection.recv_bytes()), connection))

    def node_added(self, node: NodeInfo) -> None:
        self.events.put(("node_added", node))

    def node_lost(self, node_id: NodeId, reason: str) -> None:
        self.events.put(("node_lost", node_id, reason))

    def executor_ended(self, executor_id: ExecutorId, reason: str) -> None:
        self.events.put(("executor_ended", executor_id, reason))

    def exhausted(self, reason: str) -> None:
        self.events.put(("exhausted", reason))

    def executors(self, count: int) -> list[tuple[dict[str, Any], Connection]]:
        """The next executors that register, by id."""
        found = []
        for _ in range(count):
            try:
                found.append(self.registered.get(timeout=LIMIT_S))
            except queue.Empty:
                events = [*self.seen, *self.events.queue]
                raise AssertionError(f"{len(found)} of {count} registered; {events}") from None
        return sorted(found, key=lambda entry: int(entry[0]["executor"]))

    def event(self, wanted: Callable[[tuple[Any, ...]], bool]) -> tuple[Any, ...]:
        """The first event of this kind, whether it came already or is to come."""
        for event in self.seen:
            if wanted(event):
                return event
        while True:
            event = self.events.get(timeout=LIMIT_S)
            self.seen.append(event)
            if wanted(event):
                return event

    def close(self) -> None:
        self.closed.set()
        # Wakes the thread that accepts: closing alone does not.
        with contextlib.suppress(EOFError, OSError):
            Client(self.listener.address).close()
        self.thread.join()
        self.listener.close()


def ask(connection: Connection, *request: object) -> bytes:
    connection.send_bytes(pickle.dumps(request))
    assert connection.poll(LIMIT_S)
    return connection.recv_bytes()


def await_eof(connection: Connection) -> None:
    assert connection.poll(LIMIT_S)
    with pytest.raises((EOFError, ConnectionError)):
        connection.recv_bytes()


@pytest.fixture
def driver() -> Iterator[Driver]:
    made = Driver()
    yield made
    made.close()


@pytest.fixture
def launch(driver: Driver, tmp_path: Path) -> Iterator[Callable[..., RayLauncher]]:
    launchers: list[RayLauncher] = []

    def make(count: int | None = 2, conf: dict[str, str] | None = None, **kw: Any) -> RayLauncher:
        node = NodeInfo(NodeId("driver"), str(tmp_path))
        conf = {"spark.local.dir": "/tmp", **(conf or {})}
        kw.setdefault("entry_point", "stub_executor:serve")
        made = RayLauncher(count, node, conf, (HERE,), **kw)
        launchers.append(made)
        made.start(driver, driver.listener.address, SECRET)
        return made

    yield make
    for made in launchers:
        made.stop()


def descendants() -> list[Any]:
    return psutil.Process().children(recursive=True)


@on_ray
def test_embedded_from_start_to_stop(
    driver: Driver, launch: Callable[..., RayLauncher], tmp_path: Path
) -> None:
    before = dict(os.environ)
    launcher = launch()
    assert driver.event(lambda e: True)[1] == NodeInfo(NodeId("driver"), str(tmp_path))
    (one, first), (two, second) = driver.executors(2)
    assert one["main"]
    assert two["main"]
    assert one["hash"] == two["hash"] == expected_hash()
    assert one["conf"]["spark.local.dir"] == "/tmp"
    assert dict(os.environ) == before
    assert {c.laddr.ip for p in descendants() for c in listening(p)} <= {
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
    }

    # Killed from outside: reported, and replaced once, however often it is asked for.
    os.kill(one["pid"], signal.SIGKILL)
    await_eof(first)
    launcher.replace(one["executor"])
    launcher.replace(one["executor"])
    ((three, third),) = driver.executors(1)
    assert three["executor"] == "2"

    launcher.kill(two["executor"])
    await_eof(second)
    assert driver.event(lambda e: e[:2] == ("executor_ended", "1"))
    launcher.replace(two["executor"])
    ((four, fourth),) = driver.executors(1)
    assert four["executor"] == "3"

    # One that fails in Python tells why, one that is told to stop ends.
    third.send_bytes(pickle.dumps(("fail",)))
    assert "told to fail" in driver.event(lambda e: e[:2] == ("executor_ended", "2"))[2]
    fourth.send_bytes(pickle.dumps(("stop",)))
    assert driver.event(lambda e: e[:2] == ("executor_ended", "3"))
    await_eof(third)
    await_eof(fourth)

    launcher.replace(ExecutorId("99"))
    launcher.kill(ExecutorId("99"))
    launcher.stop()
    launcher.stop()
    assert descendants() == []
    assert not [t for t in threading.enumerate() if t.name == "minispark-launcher"]


def expected_hash() -> int:
    command = [sys.executable, "-c", "print(hash('minispark'))"]
    env = {**os.environ, "PYTHONHASHSEED": "0"}
    return int(subprocess.run(command, env=env, capture_output=True, check=True).stdout)


def listening(process: Any) -> list[Any]:
    try:
        return [c for c in process.net_connections(kind="inet") if c.status == "LISTEN"]
    except psutil.NoSuchProcess:  # it has just ended
        return []


@on_ray
def test_kept_alive_between_contexts(driver: Driver, launch: Callable[..., RayLauncher]) -> None:
    conf = {"minispark.ray.keepAlive": "true"}
    launch(2, conf).stop()
    driver.registered = queue.Queue()
    kept = {p.pid for p in descendants() if name_of(p) in ("raylet", "gcs_server")}
    assert len(kept) == 2
    second = launch(2, conf)
    found = driver.executors(2)
    assert kept <= {p.pid for p in descendants()}
    second.stop()
    assert not {one["pid"] for one, _ in found} & {p.pid for p in descendants()}
    ray_embedded.shutdown_embedded()
    assert descendants() == []
    assert not [t for t in threading.enumerate() if t.name == "minispark-ray"]


@on_ray
def test_agents_of_ray_start_only_when_somebody_asks(
    driver: Driver, launch: Callable[..., RayLauncher]
) -> None:
    def agents() -> set[str]:
        words = {cmdline(p) for p in descendants() if name_of(p) != "raylet"}
        kinds = {"stand_in.py none", "stand_in.py until-asked", "DashboardAgent", "RuntimeEnvAgent"}
        return {kind for kind in kinds if any(kind in text for text in words)}

    plain = launch(1)
    driver.executors(1)
    assert agents() == {"stand_in.py none", "stand_in.py until-asked"}
    plain.stop()
    driver.registered = queue.Queue()
    launch(1, {"spark.executorEnv.A": "b"})
    driver.executors(1)
    assert agents() == {"stand_in.py none", "RuntimeEnvAgent"}


@on_ray
def test_stop_right_after_start(driver: Driver, launch: Callable[..., RayLauncher]) -> None:
    launch().stop()
    assert descendants() == []


@on_ray
def test_one_that_is_never_placed_is_asked_for_again(
    driver: Driver, launch: Callable[..., RayLauncher], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ExecutorActors.ask_where

    def lose_the_first(self: ExecutorActors, executor: Executor, then: Any) -> None:
        if executor.executor_id == "0":
            executor.refs.append(executor.actor.where.remote())
        else:
            ask(self, executor, then)

    monkeypatch.setattr(ExecutorActors, "ask_where", lose_the_first)
    # Not before the other one has come up, however slow the machine is.
    launcher = launch(2, {"minispark.ray.placementTimeout": "1000"})
    assert [one["executor"] for one, _ in driver.executors(1)] == ["1"]
    launcher._queue.put(launcher._placement_overdue)
    assert [one["executor"] for one, _ in driver.executors(1)] == ["2"]


@on_ray
def test_executors_that_end_soon_are_replaced_as_often_as_is_asked(
    driver: Driver, launch: Callable[..., RayLauncher]
) -> None:
    """Whether one had registered and was killed, or cannot start, only the driver knows."""
    launcher = launch(1, entry_point="stub_executor:nothing_of_this_name")
    for number in range(6):
        event = driver.event(
            lambda e, n=str(number): e[:2] == ("executor_ended", n) or e[0] == "exhausted"
        )
        assert event[0] == "executor_ended", event
        assert "nothing_of_this_name" in event[2]
        launcher.replace(event[1])


@on_ray
def test_a_cluster_that_is_not_there(driver: Driver, launch: Callable[..., RayLauncher]) -> None:
    with Listener(("127.0.0.1", 0)) as once:
        host, port = once.address
    launch(cluster_address=f"{host}:{port}")
    assert "no Ray cluster answers" in driver.event(lambda e: e[0] == "exhausted")[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one CPU each, on this machine."""
    with three_nodes() as made:
        yield made


@on_ray
def test_three_nodes(driver: Driver, launch: Callable[..., RayLauncher], cluster: Any) -> None:
    conf = {"minispark.node.heartbeatInterval": "0.5"}
    launcher = launch(None, conf, cluster_address=cluster.address, app_id="app-three")
    found = driver.executors(3)
    nodes = {}
    for one, _ in found:
        event = driver.event(lambda e, n=one["node"]: e[0] == "node_added" and e[1].node_id == n)
        nodes[one["node"]] = event[1]
    assert len(nodes) == 3
    assert {one["hash"] for one, _ in found} == {expected_hash()}

    # Every node reads the files of every other one.
    for one, connection in found:
        assert ask(connection, "nodes", list(nodes.values())) == b"known"
        assert ask(connection, "write", "f", one["node"].encode()) == b"written"
    for _, connection in found:
        for node_id in nodes:
            assert ask(connection, "read", node_id, "f") == node_id.encode()

    # An agent dies, its node lives: same directory, new address, nothing lost.
    victim = found[0][0]["node"]
    agent = next(p for p in agents() if serves(p, nodes[victim]))
    agent.kill()
    again = driver.event(
        lambda e: e[0] == "node_added" and e[1].node_id == victim and e[1] != nodes[victim]
    )[1]
    assert again.root == nodes[victim].root
    assert again.incarnation != nodes[victim].incarnation
    nodes[victim] = again
    reader = found[1][1]
    ask(reader, "nodes", list(nodes.values()))
    assert ask(found[0][1], "write", "g", b"after") == b"written"
    assert ask(reader, "read", victim, "g") == b"after"

    # A node dies: reported, its executor is too, and cannot be placed elsewhere.
    ray_node = next(n for n in cluster.worker_nodes if n.node_id in nodes)
    lost = NodeId(ray_node.node_id)
    cluster.remove_node(ray_node, allow_graceful=False)
    assert driver.event(lambda e: e[:2] == ("node_lost", lost))
    gone = next(one["executor"] for one, _ in found if one["node"] == lost)
    assert driver.event(lambda e: e[:2] == ("executor_ended", gone))
    launcher.replace(gone)

    # Room for the replacement comes: it joins there.
    cluster.add_node(num_cpus=1)
    ((one, _),) = driver.executors(1)
    assert one["node"] not in nodes
    added = driver.event(lambda e: e[0] == "node_added" and e[1].node_id == one["node"])[1]

    # A node that is frozen answers nobody, though Ray does not know it yet.
    frozen = next(p for p in agents() if serves(p, added))
    frozen.suspend()
    assert "silent" in driver.event(lambda e: e[:2] == ("node_lost", added.node_id))[2]
    assert driver.event(lambda e: e[:2] == ("executor_ended", one["executor"]))
    frozen.kill()

    launcher.stop()
    assert [p for p in agents() if serves(p, again)] == []
    assert not os.path.exists(again.root)


def agents() -> list[Any]:
    return [p for p in descendants() if "NodeAgent" in name_of(p) or "NodeAgent" in cmdline(p)]


def name_of(process: Any) -> str:
    """Its name; none of one that has just ended."""
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def cmdline(process: Any) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def serves(process: Any, node: NodeInfo) -> bool:
    assert isinstance(node.address, tuple)
    try:
        return any(c.laddr.port == node.address[1] for c in listening(process))
    except psutil.Error:
        return False


@on_ray
def test_the_users_own_ray_is_used_and_left_running(
    driver: Driver, launch: Callable[..., RayLauncher], tmp_path: Path
) -> None:
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level="ERROR")
    try:
        launcher = launch(2, {"minispark.ray.placementTimeout": "3"})
        ((one, connection),) = driver.executors(1)
        assert one["hash"] == expected_hash()
        assert one["node"] == "driver"
        launcher.stop()
        await_eof(connection)
        assert ray.is_initialized()
        assert ray.get(ray.put(7), timeout=LIMIT_S) == 7
    finally:
        ray.shutdown()


def test_addresses() -> None:
    assert parse_cluster_address("ray://auto", {}) == "auto"
    assert parse_cluster_address("auto", {"RAY_ADDRESS": "10.0.0.1:6379"}) == "10.0.0.1:6379"
    assert parse_cluster_address("head:6379", {"RAY_ADDRESS": "x:1"}) == "head:6379"
    with pytest.raises(PySparkValueError, match="client mode"):
        parse_cluster_address("ray://head:10001", {})
    with pytest.raises(PySparkValueError, match="client mode"):
        parse_cluster_address("auto", {"RAY_ADDRESS": "ray://head:10001"})
    with pytest.raises(PySparkValueError, match="host:port"):
        parse_cluster_address("head", {})


def test_resources() -> None:
    conf = {
        "spark.executor.instances": "3",
        "spark.executor.cores": "2",
        "spark.executor.memory": "4g",
        "spark.executor.resource.gpu.amount": "1",
        "spark.executor.resource.fpga.amount": "2",
        "spark.executorEnv.A": "b",
    }
    shape = ClusterShape.of(conf, None)
    assert shape.processes == 6
    options = executor_options(conf, shape, on_cluster=True, has_hash_seed=False)
    assert options["num_cpus"] == 1
    assert options["num_gpus"] == 0.5
    assert options["resources"] == {"fpga": 1.0}
    assert options["memory"] == 2 << 30
    assert options["runtime_env"] == {"env_vars": {"A": "b", "PYTHONHASHSEED": "0"}}
    assert options["max_restarts"] == 0
    # Where Ray is ours, it has no CPU to lose.
    ours = executor_options({}, shape, on_cluster=False, has_hash_seed=True, is_ours=True)
    assert ours["num_cpus"] == 0
    assert "runtime_env" not in executor_options({}, shape, on_cluster=False, has_hash_seed=True)
    open_shape = ClusterShape.of({"spark.cores.max": "5"}, None)
    assert open_shape.processes is None
    assert open_shape.fill({"CPU": 16.0}) == 5
    assert open_shape.fill({}) == 1
    for wrong in ({"spark.executor.instances": "0"}, {"spark.executor.cores": "x"}):
        with pytest.raises(PySparkValueError):
            ClusterShape.of(wrong, None)
