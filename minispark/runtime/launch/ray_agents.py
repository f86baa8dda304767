"""Driver side of the node agents: started on demand, watched, judged dead.

An agent is *starting* until it described itself, then *ready*. A heartbeat
thread pings the file servers of ready agents; a miss makes an agent
*suspect*: Ray is asked whether the node lives and the agent, by way of Ray, to
describe itself again. A restarted agent answers with a new address and
incarnation and is ready again: its files are still there. When the patience
ends first, or Ray says that the node is dead, the node is lost for good.

All methods but the heartbeat's own run on the launcher's control thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from minispark.conf import parse_seconds
from minispark.ids import NodeId
from minispark.records import field, record
from minispark.runtime.boot import NodeInfo
from minispark.runtime.file_server import ping
from minispark.runtime.launch.ray_options import reason_of

_log = logging.getLogger("minispark.launch")

Ready = Callable[[NodeInfo], None]
Failed = Callable[[str], None]

#: How long a first agent may take to start.
_START_S = 60.0
#: How long its restart may take while its machine answers; Ray needs 1.5 s on a
#: calm machine, and finds a dead raylet by itself in 3 to 14 s.
_RESTART_S = 20.0
_STOP_S = 5.0


@record(frozen=False, eq=False)
class _Agent:
    ray_node: str
    actor: Any
    node: NodeInfo | None = None
    #: starting | ready | suspect | lost
    state: str = "starting"
    #: When a starting or suspect agent is given up.
    deadline: float = 0.0
    why: str = ""
    waiting: list[tuple[Ready, Failed]] = field(default_factory=list)
    refs: list[Any] = field(default_factory=list)


def affinity(ray_node: str, soft: bool) -> Any:
    """Ray's wish for a node: this one, or when `soft` any other if it is gone."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray_node, soft=soft)


class Agents:
    """The agents of one application.

    Parameters
    ----------
    post
        Puts a closure into the control thread's queue.
    added
        Called when a node has an agent, or has it at a new address.
    """

    def __init__(
        self,
        ray: Any,
        app_id: str,
        secret: bytes,
        conf: Mapping[str, str],
        post: Callable[[Callable[[], None]], None],
        added: Callable[[NodeInfo], None],
    ) -> None:
        self._ray = ray
        self._app_id = app_id
        self._secret = secret
        self._conf = dict(conf)
        self._post = post
        self._added = added
        self._interval = parse_seconds(conf.get("minispark.node.heartbeatInterval", "3s"))
        self._misses = int(conf.get("minispark.node.heartbeatMisses", "3"))
        self._agents: dict[str, _Agent] = {}
        self._stopped = threading.Event()
        #: Monotonic time at which `check` wants to be called.
        self.next_check: float = time.monotonic() + self._interval
        self._heartbeats: list[threading.Thread] = []

    def is_alive(self, ray_node: str) -> bool:
        """Whether the node is not known to be lost."""
        agent = self._agents.get(ray_node)
        return agent is None or agent.state != "lost"

    def when_ready(self, ray_node: str, ready: Ready, failed: Failed) -> None:
        """Calls `ready` once the node has an agent; starts one if there is none."""
        agent = self._agents.get(ray_node)
        if agent is None or agent.state == "lost":
            # Lost and back again: a node that was only cut off, with a new agent.
            agent = self._start(ray_node)
        if agent.state == "ready" and agent.node is not None:
            ready(agent.node)
        else:
            agent.waiting.append((ready, failed))

    def check(self, now: float) -> list[tuple[str, str]]:
        """Nodes found lost since the last call, with the reason."""
        if now < self.next_check:
            return []
        self.next_check = now + self._interval
        dead = {n["NodeID"] for n in self._ray.nodes() if not n["Alive"]}
        lost = []
        for agent in self._agents.values():
            if agent.state == "lost":
                continue
            if agent.ray_node in dead:
                agent.why = "Ray reports the node as dead"
            elif agent.state == "ready" or now < agent.deadline:
                continue
            had_files = agent.node is not None
            self._lose(agent)
            if had_files:
                lost.append((agent.ray_node, agent.why))
        return lost

    def stop(self) -> None:
        """Closes and kills all agents; waits for them, but not long."""
        self._stopped.set()
        agents = [a for a in self._agents.values() if a.state != "lost"]
        # One that is silent would only make us wait; its directory is found stale later.
        refs = [agent.actor.stop.remote() for agent in agents if agent.state == "ready"]
        if refs:
            self._ray.wait(refs, num_returns=len(refs), timeout=_STOP_S)
        for agent in agents:
            self._ray.kill(agent.actor, no_restart=True)
        for thread in self._heartbeats:
            thread.join()
        self._agents.clear()

    def _start(self, ray_node: str) -> _Agent:
        from minispark.runtime.launch.ray_actors import NodeAgent

        actor = (
            self._ray.remote(NodeAgent)
            .options(
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=4,
                scheduling_strategy=affinity(ray_node, soft=False),
            )
            .remote(self._app_id, self._secret, self._conf)
        )
        agent = _Agent(ray_node, actor, deadline=time.monotonic() + _START_S)
        agent.why = f"its agent did not start within {_START_S:g} s"
        self._agents[ray_node] = agent
        self._describe(agent)
        return agent

    def _describe(self, agent: _Agent) -> None:
        ref = agent.actor.describe.remote()
        agent.refs = [ref]
        ref.future().add_done_callback(
            lambda future: self._post(partial(self._described, agent, future))
        )

    def _described(self, agent: _Agent, future: Future[Any]) -> None:
        if agent.state not in ("starting", "suspect"):
            return
        error = future.exception()
        if error is not None:
            if agent.node is None:
                self._lose(agent, reason_of(error))
            elif type(error).__name__ == "ActorDiedError":
                agent.deadline = 0.0  # the next check reports it
                agent.why = reason_of(error)
            else:
                # Being restarted: ask again, without a busy loop.
                timer = threading.Timer(0.2, self._post, args=(partial(self._ask_again, agent),))
                timer.daemon = True
                timer.start()
            return
        root, address, incarnation = future.result()
        is_new = agent.node is None
        node = NodeInfo(NodeId(agent.ray_node), root, address, incarnation)
        is_changed = node != agent.node
        agent.node, agent.state = node, "ready"
        if is_changed:
            self._added(node)
        waiting, agent.waiting = agent.waiting, []
        for ready, _ in waiting:
            ready(node)
        if is_new:
            thread = threading.Thread(
                target=self._beat, args=(agent,), name="minispark-heartbeat", daemon=True
            )
            self._heartbeats.append(thread)
            thread.start()

    def _ask_again(self, agent: _Agent) -> None:
        if agent.state == "suspect" and not self._stopped.is_set():
            self._describe(agent)

    def _suspect(self, agent: _Agent, why: str, patience: float) -> None:
        if agent.state != "ready":
            return
        agent.state = "suspect"
        agent.why = why
        agent.deadline = time.monotonic() + patience
        self.next_check = min(self.next_check, time.monotonic())
        self._describe(agent)

    def _lose(self, agent: _Agent, why: str | None = None) -> None:
        agent.state = "lost"
        agent.why = why or agent.why
        self._ray.kill(agent.actor, no_restart=True)
        waiting, agent.waiting = agent.waiting, []
        for _, failed in waiting:
            failed(agent.why)

    def _beat(self, agent: _Agent) -> None:
        """Own thread per agent: one that hangs must not delay the others."""
        while not self._stopped.wait(self._interval):
            node, state = agent.node, agent.state
            if state == "lost" or node is None or node.address is None:
                return
            if state != "ready":
                continue
            try:
                incarnation = ping(node.address, self._secret, self._interval)
            except (ConnectionError, EOFError):
                # Its machine answers, so only the process is gone, perhaps in the
                # middle of an answer.
                why, patience = "its agent ended and was not restarted", _RESTART_S
            except OSError as error:
                why = f"its agent is silent: {error}"
                patience = self._interval * (self._misses - 1)
            else:
                if incarnation == node.incarnation:
                    continue
                why, patience = "its agent was restarted and does not answer", _RESTART_S
            self._post(partial(self._suspect, agent, why, patience))
