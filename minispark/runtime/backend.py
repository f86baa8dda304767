"""How a master's executors come up and go: launcher, listener, sockets, addresses.

Knows which launcher serves which master and where executors reach the driver.
Must not know: jobs, plans, results.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from minispark.conf import SparkConf
from minispark.errors import PySparkValueError
from minispark.ids import ExecutorId
from minispark.runtime.boot import Address, Launcher, LauncherEvents
from minispark.runtime.cluster_files import ClusterFiles
from minispark.runtime.driver import Driver
from minispark.runtime.executor import Executor
from minispark.runtime.inline import InlineRunner
from minispark.runtime.local_dirs import MAX_SOCKET_PATH, AppDir, create_app_dir
from minispark.runtime.masters import Master
from minispark.runtime.slots import Slot, declared_resources

if TYPE_CHECKING:
    from minispark.runtime.driver_network import DriverNetwork


class Backend:
    """The processes behind one engine; started once, stopped once."""

    def __init__(
        self, master: Master, conf: SparkConf, app_id: str, directory: str, nodes: ClusterFiles
    ) -> None:
        self._master = master
        self._conf = conf
        self._app_id = app_id
        self._directory = directory
        self._nodes = nodes
        self._secret = os.urandom(32)
        self._listener: Any = None
        #: Where the driver is in the network; None on one machine.
        self._network: DriverNetwork | None = None
        self._socket_dir: AppDir | None = None
        self._launcher: Launcher | None = None
        #: Executor processes a cluster has room for, once it was joined.
        self.cluster_size: Callable[[], int] = int
        #: What executors of resource profiles take, by the profile's id.
        self._slots: dict[int, Slot] = {}

    def start(self, driver: Driver, events: LauncherEvents) -> None:
        """Begins to provide executors, in the background where that takes long."""
        if self._master.kind == "inline":
            executor = Executor(
                ExecutorId("driver"),
                self._nodes.node,
                self._conf,
                self._nodes.reader,
                whole_process=False,
            )
            executor.addresses = {
                name: tuple(str(unit) for unit in range(math.ceil(amount)))
                for name, amount in declared_resources(dict(self._conf.getAll())).items()
            }
            driver.use_inline(InlineRunner(executor))
            return
        from minispark.runtime.listener import ControlListener

        launcher = self._launcher = self._new_launcher(events)
        driver.members.listen(launcher.replace, launcher.kill)
        driver.provide = self._provide
        network, connected = self._network, driver.members.connected
        if network is None:
            path = self._control_path()
            self._listener = ControlListener(path, self._secret, connected)
            address: Address = path
        else:
            driver.members.vitals.elsewhere = self._nodes.main_thread_cpu_s
            self._listener = network.listen(lambda at: ControlListener(at, self._secret, connected))
            address = network.host, self._listener.address[1]
        launcher.start(events, address, self._secret)

    def use_slot(self, slot: Slot) -> int:
        """Takes note of a profile; the id that its stages go by.

        The one executor of master `local` is of every profile it has the resources for.

        Raises
        ------
        PySparkValueError
            It has not.
        """
        if self._master.kind != "inline":
            self._slots[slot.profile_id] = slot
            return slot.profile_id
        available = {"cpus": 1.0} | declared_resources(dict(self._conf.getAll()))
        if slot.room(available) < 1:
            raise PySparkValueError(
                f"master 'local' cannot run tasks of the resource profile: {slot.lack(available)}"
                " (spark.driver.resource.{name}.amount says what the machine has)",
                "RESOURCE_PROFILE",
            )
        return 0

    def _provide(self, profile_id: int, num_tasks: int) -> None:
        assert self._launcher is not None
        self._launcher.provide(self._slots[profile_id], num_tasks)

    def _new_launcher(self, events: LauncherEvents) -> Launcher:
        master = self._master
        settings = dict(self._conf.getAll())
        cpus = self._conf.value("spark.task.cpus")
        if master.num_executors is not None and master.num_executors < cpus:
            raise PySparkValueError(
                f"spark.task.cpus={cpus}: the master has {master.num_executors} cores"
            )
        sys_path = (os.getcwd(), *(p for p in sys.path if p))
        if master.kind == "process":
            from minispark.runtime.launch.process_launcher import ProcessLauncher

            assert master.num_executors is not None
            return ProcessLauncher(master.num_executors, self._nodes.node, settings, sys_path)
        if master.kind == "ray-cluster":
            from minispark.runtime.driver_network import DriverNetwork
            from minispark.runtime.wire_codec import configured_codec

            self._network = DriverNetwork.of(settings, master.address)
            codec = configured_codec(self._conf)
            events.node_added(self._nodes.serve(self._secret, self._network, codec))
        return self._ray_launcher(settings, sys_path)

    def _ray_launcher(self, settings: Mapping[str, str], sys_path: tuple[str, ...]) -> Launcher:
        from minispark.runtime.launch.ray_launcher import RayLauncher

        launcher = RayLauncher(
            self._master.num_executors,
            self._nodes.node,
            settings,
            sys_path,
            app_id=self._app_id,
            cluster_address=self._master.address if self._master.kind == "ray-cluster" else None,
        )
        self.cluster_size = launcher.size
        return launcher

    def _control_path(self) -> str:
        path = os.path.join(self._directory, "ctl")
        if len(path) > MAX_SOCKET_PATH:
            # Longer than a Unix socket's name may be: a directory of its own.
            import tempfile

            self._socket_dir = create_app_dir(tempfile.gettempdir(), self._app_id)
            path = os.path.join(self._socket_dir.path, "ctl")
        return path

    def stop_listening(self) -> None:
        """No executor can register any more."""
        if self._listener is not None:
            self._listener.close()

    def end_processes(self) -> None:
        """Ends and awaits every process."""
        if self._launcher is not None:
            self._launcher.stop()

    def close(self) -> None:
        """Removes what is left of it: the directory of the socket."""
        if self._socket_dir is not None:
            self._socket_dir.close()
