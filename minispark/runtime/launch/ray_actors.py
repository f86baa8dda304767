"""The actor classes: what Ray runs in other processes.

Plain classes without Ray in their bodies' signatures; the launcher wraps them.
Arguments and results are bytes and builtins only: Ray pickles with a
cloudpickle of its own, which makes a second class of every class it ships.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Mapping

#: How long an agent outlives the last sign of its driver.
AGENT_PATIENCE_S = 30.0


class ExecutorActor:
    """One executor process. Sync and without concurrency groups: user code then
    runs on the main thread, where signals reach it."""

    def where(self) -> tuple[str, int, list[str]]:
        """(Ray's id of the node, process id, the GPUs that Ray gave it)."""
        import ray

        gpus = [str(gpu) for gpu in ray.get_gpu_ids()]
        return ray.get_runtime_context().get_node_id(), os.getpid(), gpus

    def serve(self, entry_point: str, boot: bytes, threads: int | None = None) -> None:
        """Runs the executor until its driver ends it or is gone.

        `threads` is for numerical libraries: as many as Ray allows them by itself
        where the executor takes that many CPUs from it.
        """
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = str(threads)
        record = pickle.loads(boot)
        # Before anything else is imported, as in a subprocess.
        for entry in reversed(record.sys_path):
            if entry not in sys.path:
                sys.path.insert(0, entry)
        module, _, name = entry_point.partition(":")
        getattr(importlib.import_module(module), name)(record)


class NodeAgent:
    """Keeps one node's directory and serves its files.

    Restarted by Ray when its process dies; it then finds the same directory
    again, with all its files, and serves it at a new address.
    """

    def __init__(self, app_id: str, secret: bytes, conf: Mapping[str, str]) -> None:
        import ray

        from minispark.runtime.file_server import FileServer
        from minispark.runtime.local_dirs import create_app_dir, local_base_dir
        from minispark.runtime.ports import parse_ports

        node_id = ray.get_runtime_context().get_node_id()
        self._directory = create_app_dir(
            local_base_dir(conf), f"{app_id}-{node_id[:12]}", reuse=True
        )
        host = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        ports = parse_ports(conf.get("spark.blockManager.port", ""))
        self._server = FileServer(self._directory.path, secret, (host, ports))
        threading.Thread(target=self._watch, name="minispark-agent-watch", daemon=True).start()

    def describe(self) -> tuple[str, tuple[str, int], int]:
        """(directory, address of the file server, incarnation)."""
        address = self._server.address
        assert isinstance(address, tuple)
        return self._directory.path, address, self._server.incarnation

    def stop(self) -> None:
        """Closes the server and removes the directory."""
        self._server.close()
        self._directory.close()

    def _watch(self) -> None:
        # Any request counts as a sign of life, the driver's pings among them.
        while (idle := self._server.idle_seconds()) < AGENT_PATIENCE_S:
            time.sleep(AGENT_PATIENCE_S - idle)
        self.stop()
        os._exit(0)
