"""Where a cluster is: from what the user wrote to an address Ray joins."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping

from minispark.errors import PySparkRuntimeError, PySparkValueError


def parse_cluster_address(master: str, environ: Mapping[str, str] = os.environ) -> str:
    """What to give to Ray for a master that names a cluster: `auto` or `host:port`."""
    address = master
    if master in ("ray://auto", "auto", "ray"):
        address = environ.get("RAY_ADDRESS") or "auto"
    if address == "auto":
        return address
    host, separator, port = address.rpartition(":")
    if address.startswith("ray://") or not separator or not host or not port.isdigit():
        hint = (
            "Ray's client mode is not supported, because executors connect to the driver; "
            if address.startswith("ray://")
            else ""
        )
        raise PySparkValueError(
            f"cannot use {address!r} as a Ray cluster: {hint}run the driver on a machine of the "
            "cluster and give the head's 'host:port' or 'ray://auto'"
        )
    return address


def node_address(master: str, environ: Mapping[str, str] = os.environ) -> str:
    """This machine's address as the cluster's nodes see it. Imports no Ray, sends nothing."""
    address = parse_cluster_address(master, environ)
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return str(ray.util.get_node_ip_address())
    if address == "auto":
        directory = environ.get("RAY_TMPDIR") or "/tmp"
        try:
            with open(os.path.join(directory, "ray", "ray_current_cluster")) as file:
                address = file.read().strip()
        except FileNotFoundError:
            return socket.gethostbyname(socket.gethostname())
    host, _, port = address.rpartition(":")
    family, kind, protocol, _, target = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_DGRAM
    )[0]
    # "Connecting" a datagram socket only chooses the interface.
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(target)
        return str(probe.getsockname()[0])


def reachable(address: str) -> str:
    """The address of the cluster's head, if something listens there.

    Ray itself retries for minutes, among others when the address file is
    that of a cluster long gone.
    """
    from ray._private import services

    found = services.canonicalize_bootstrap_address_or_die(address)
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        raise PySparkRuntimeError(f"no Ray cluster answers at {found}: {error}") from error
    return str(found)
