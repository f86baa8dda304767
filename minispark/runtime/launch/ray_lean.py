"""Starts Ray with less than it would bring along: the one place that touches Ray's insides.

Each change is dropped when this version of Ray has no such attribute, and all
are undone when the start is over, so that the user's own Ray is untouched.
What it saves (2 cores, Ray 2.60): five Python processes, 160 MB, three quarters
of the time of `ray.init` and most of that of `ray.shutdown`.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from minispark.runtime.launch import stand_in

#: How often to look whether the raylet has registered, and for how long at most.
_NODE_POLL_S = 0.02
_NODE_S = 10.0

#: What Ray calls the files in which its agents say their ports; the last one's is wanted.
_PORTS = (
    "METRICS_AGENT_PORT_NAME",
    "METRICS_EXPORT_PORT_NAME",
    "DASHBOARD_AGENT_LISTEN_PORT_NAME",
    "RUNTIME_ENV_AGENT_PORT_NAME",
)


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


@contextlib.contextmanager
def loopback_only() -> Iterator[None]:
    """For a Ray that was imported before its environment variable was set."""
    from ray._private import ray_constants

    with _replaced(ray_constants, "ENABLE_RAY_CLUSTER", False):
        yield


@contextlib.contextmanager
def prompt() -> Iterator[None]:
    """Learns that the raylet is there when it is; Ray itself looks once a second."""
    from ray._private import services

    get_node = getattr(services, "get_node", None)
    if get_node is None:
        yield
        return

    def get_node_when_there(gcs_address: str, node_id: str) -> Any:
        with contextlib.suppress(Exception):  # then Ray waits in its own way
            _await_node(gcs_address, node_id)
        return get_node(gcs_address, node_id)

    with _replaced(services, "get_node", get_node_when_there):
        yield


def _await_node(gcs_address: str, node_id: str) -> None:
    from ray._private import services, state

    insides: Any = services
    table: Any = state.GlobalState()  # type: ignore[no-untyped-call]
    table._initialize_global_state(insides._get_gcs_client_options(gcs_address))
    try:
        deadline = time.monotonic() + _NODE_S
        while time.monotonic() < deadline:
            if any(node["NodeID"] == node_id for node in table.node_table()):
                return
            time.sleep(_NODE_POLL_S)
    finally:
        table.disconnect()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No remarks, and no thread that prints the raylet's to the user's standard output.

    What those report (a worker died) reaches the driver as an event anyway.
    """
    from ray._private import worker

    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with _replaced(worker, "listen_error_messages", _nothing):
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def no_extra_processes() -> Iterator[None]:
    """Neither autoscaler nor log monitor nor dashboard: nobody would talk to them.

    The agent of runtime environments starts when somebody asks for one.
    """
    from ray._private import node, services

    with (
        contextlib.ExitStack() as ports,
        _replaced(
            services, "start_ray_process", _with_stand_ins(services.start_ray_process, ports)
        ),
        _replaced(node.Node, "start_monitor", _nothing),
        _replaced(node.Node, "start_log_monitor", _nothing),
        _replaced(node.Node, "start_api_server", _nothing),
    ):
        yield


def _with_stand_ins(start: Callable[..., Any], ports: contextlib.ExitStack) -> Callable[..., Any]:
    """Starts a process of Ray's; a raylet gets stand-ins instead of its agents."""

    def start_process(command: list[str], *args: Any, **kwargs: Any) -> Any:
        return start(_lean_command(command, ports), *args, **kwargs)

    return start_process


def _lean_command(command: list[str], ports: contextlib.ExitStack) -> list[str]:
    """A raylet's command with stand-ins; `ports` holds their port until they listen."""
    from ray import _raylet

    insides: Any = _raylet
    options = dict(word[2:].split("=", 1) for word in command if word[:2] == "--" and "=" in word)
    found = {"session_dir", "node_id", "dashboard_agent_command", "runtime_env_agent_command"}
    if not found <= options.keys() or not all(hasattr(insides, name) for name in _PORTS):
        return command  # not a raylet, or one of a Ray that finds its agents otherwise
    *unused, wanted = (
        insides.get_port_filename(options["node_id"], getattr(insides, name)) for name in _PORTS
    )
    script = [sys.executable, "-I", "-S", stand_in.__file__]
    directory = options["session_dir"]
    agent = shlex.split(options["runtime_env_agent_command"])
    # The raylet looks for the ports before its agents can have written them, and
    # a fifth of a second later: they are there already.
    for name in unused:
        stand_in.write_port(directory, name, -1)
    port = ports.enter_context(stand_in.socket_at(0)).getsockname()[1]
    stand_in.write_port(directory, wanted, port)
    agents = {
        "dashboard_agent_command": [*script, "none", directory],
        "runtime_env_agent_command": [*script, "until-asked", directory, str(port), *agent],
    }
    return [
        f"--{name}={subprocess.list2cmdline(agents[name])}"
        if (name := word[2:].partition("=")[0]) in agents
        else word
        for word in command
    ]


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    if not hasattr(owner, name):
        yield
        return
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
