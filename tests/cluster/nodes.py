"""A Ray cluster of three nodes on this machine: what a test may do to it, and see of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import psutil

from minispark.runtime.boot import NodeInfo
from tests.cluster.patience import HEALTH_CHECKS

_LIMIT_S = 60.0


@contextlib.contextmanager
def three_nodes() -> Iterator[Any]:
    """Three nodes of one CPU each."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": HEALTH_CHECKS}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        made.add_node(num_cpus=1)
        made.add_node(num_cpus=1)
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()
        del os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"]


def nodes_of(sc: Any) -> dict[str, NodeInfo]:
    """The nodes with executors."""
    members = sc._engine.driver.members
    with members._lock:
        known = dict(members.nodes)
        used = {link.node_id for link in members.links.values()}
    return {node_id: known[node_id] for node_id in used if node_id in known}


def processes_at(port: int) -> list[Any]:
    """Processes of this cluster that listen at a port."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            connections = process.net_connections(kind="inet")
        except psutil.Error:
            continue
        if any(c.status == "LISTEN" and c.laddr.port == port for c in connections):
            found.append(process)
    return found


def processes_of(sc: Any, node_id: str) -> list[Any]:
    """The agent of a node and its executors."""
    address = nodes_of(sc)[node_id].address
    assert isinstance(address, tuple)
    members = sc._engine.driver.members
    with members._lock:
        pids = [link.pid for link in members.links.values() if link.node_id == node_id]
    return [*processes_at(address[1]), *map(psutil.Process, pids)]


def end_node(cluster: Any, node_id: str, doomed: list[Any]) -> None:
    """Ends a node with all its processes, as a power failure would."""
    node = next(node for node in cluster.worker_nodes if node.node_id == node_id)
    cluster.remove_node(node, allow_graceful=False)
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(doomed, _LIMIT_S)
