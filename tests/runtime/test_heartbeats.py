"""How long a node is given whose agent does not answer, by what its machine says."""

from __future__ import annotations

from typing import Any

import pytest

from minispark.ids import NodeId
from minispark.runtime.boot import NodeInfo
from minispark.runtime.launch import ray_agents


@pytest.mark.parametrize(
    ("error", "patience"),
    [
        (ConnectionRefusedError("nobody listens"), ray_agents._RESTART_S),
        (ConnectionResetError("it died"), ray_agents._RESTART_S),
        (EOFError("in the middle of an answer"), ray_agents._RESTART_S),
        (TimeoutError("silent"), 0.02),
        (OSError("no route"), 0.02),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_machine_that_answers_gets_the_time_of_a_restart(
    monkeypatch: pytest.MonkeyPatch, error: Exception, patience: float
) -> None:
    def ping(*_: Any) -> int:
        raise error

    monkeypatch.setattr(ray_agents, "ping", ping)
    posted: list[Any] = []

    def post(closure: Any) -> None:
        posted.append(closure)
        agents._stopped.set()

    conf = {"minispark.node.heartbeatInterval": "10ms", "minispark.node.heartbeatMisses": "3"}
    agents = ray_agents.Agents(None, "app", b"", conf, post, lambda node: None)
    node = NodeInfo(NodeId("a"), "/", ("localhost", 1), 1)
    agents._beat(ray_agents._Agent("a", None, node, "ready"))
    (closure,) = posted
    assert closure.func == agents._suspect
    assert closure.args[2] == pytest.approx(patience)
