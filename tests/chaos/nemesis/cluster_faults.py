"""What the nemesis does besides to an application on a cluster: nodes go, agents die."""

from __future__ import annotations

import random
from typing import Any

import psutil

from tests.chaos.nemesis.faults import Faults
from tests.cluster.nodes import end_node, nodes_of, processes_at, processes_of

_NODES = 3


class ClusterFaults(Faults):
    """Breaks one context on a cluster of several nodes."""

    def __init__(self, sc: Any, rng: random.Random, silence_s: float, cluster: Any) -> None:
        super().__init__(sc, rng, silence_s)
        self._cluster = cluster
        self.weights |= {
            self.remove_node: 0.5,
            self.remove_idle_node: 0.1,
            self.add_node: 2.0,
            self.kill_agent: 0.5,
            self.freeze_agent: 0.5,
        }

    def roots(self) -> list[str]:
        """The directories of the driver and of all nodes that have executors."""
        return [*super().roots(), *(node.root for node in nodes_of(self._sc).values())]

    def relent(self) -> None:
        """Lets everything that is stopped go on, on as many nodes as at the begin."""
        super().relent()
        while self.add_node() is not None:
            pass

    def _a_worker(self) -> str | None:
        """A node that can go: with an executor, and not the head, which Ray itself needs."""
        known = nodes_of(self._sc)
        found = [n.node_id for n in self._cluster.worker_nodes if n.node_id in known]
        return self._rng.choice(sorted(found)) if found else None

    def remove_node(self) -> str | None:
        """A node goes with its agent, its executors and all its files."""
        node_id = self._a_worker()
        if node_id is None or len(self._cluster.worker_nodes) < 2:
            return None
        try:
            doomed = processes_of(self._sc, node_id)
        except (KeyError, psutil.NoSuchProcess):  # it is changing just now
            return None
        end_node(self._cluster, node_id, doomed)
        return "remove node"

    def remove_idle_node(self) -> str | None:
        """A node goes that no executor has come up on yet."""
        known = nodes_of(self._sc)
        idle = [n.node_id for n in self._cluster.worker_nodes if n.node_id not in known]
        if not idle or len(self._cluster.worker_nodes) < 2:
            return None
        end_node(self._cluster, self._rng.choice(sorted(idle)), [])
        return "remove idle node"

    def add_node(self) -> str | None:
        """There is a new node where one was missing."""
        if len(self._cluster.worker_nodes) + 1 >= _NODES:
            return None
        self._cluster.add_node(num_cpus=1)
        return "add node"

    def _an_agent(self) -> psutil.Process | None:
        nodes = list(nodes_of(self._sc).values())
        if not nodes:
            return None
        address = self._rng.choice(sorted(nodes, key=lambda node: node.node_id)).address
        found = processes_at(address[1]) if isinstance(address, tuple) else []
        return found[0] if found else None

    def kill_agent(self) -> str | None:
        """A node's file server dies; Ray starts another one, which finds the same files."""
        agent = self._an_agent()
        if agent is None:
            return None
        return "kill agent" if self.send_signal(agent.pid, 9) else None

    def freeze_agent(self) -> str | None:
        """A node's file server stops for a moment."""
        agent = self._an_agent()
        if agent is None:
            return None
        return self.freeze_process("freeze agent", agent.pid, self._rng.uniform(0.05, 1.0))
