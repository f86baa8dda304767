"""Master `local-process[N]`: executors as subprocesses of the driver, no Ray."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping

from minispark.ids import ExecutorId
from minispark.runtime.boot import Address, ExecutorBoot, LauncherEvents, NodeInfo
from minispark.runtime.launch.orphans import OrphanGuard
from minispark.runtime.slots import Slot, Units, declared_resources

_MODULE = "minispark.runtime.serve"

#: A process that does not exit when asked is killed after this long.
_STOP_S = 2.0
#: Starts that failed in a row before the launcher gives up.
_MAX_FAILED_STARTS = 5


class ProcessLauncher:
    """Starts `num_executors` subprocesses and replaces the dead."""

    def __init__(
        self,
        num_executors: int,
        node: NodeInfo,
        conf: Mapping[str, str],
        sys_path: tuple[str, ...],
    ) -> None:
        self._num_executors = num_executors
        self._node = node
        self._conf = dict(conf)
        self._sys_path = sys_path
        self._lock = threading.Lock()
        self._processes: dict[ExecutorId, subprocess.Popen[bytes]] = {}
        #: What every process that was not replaced takes, and its units.
        self._held: dict[ExecutorId, tuple[Slot, dict[str, tuple[str, ...]]]] = {}
        self._declared = declared_resources(conf)
        self._units = Units(self._declared)
        #: Processes by resource profile.
        self._sizes: dict[int, int] = {}
        self._cpus = int(conf.get("spark.task.cpus", "1"))
        self._watchers: list[threading.Thread] = []
        self._next = 0
        self._stopping = False
        self._guard: OrphanGuard | None = None

    def start(self, events: LauncherEvents, driver: Address, secret: bytes) -> None:
        """See `Launcher`."""
        self._events, self._driver, self._secret = events, driver, secret
        self._guard = OrphanGuard(_MODULE)
        events.node_added(self._node)
        for _ in range(self._num_executors // self._cpus):
            self._launch(Slot(0, self._cpus), {})

    def replace(self, executor_id: ExecutorId) -> None:
        """See `Launcher`."""
        self.kill(executor_id)
        with self._lock:
            found = self._held.pop(executor_id, None)
        if found is not None:  # else it was replaced before
            self._launch(*found)

    def provide(self, slot: Slot, num_tasks: int) -> None:
        """See `Launcher`. They share the machine's cores with the default ones, of which
        those without a task need none."""
        available = {"cpus": float(self._num_executors)} | self._declared
        wanted = min(slot.room(available), num_tasks)
        there = self._sizes.get(slot.profile_id, 0)
        while there < wanted:
            with self._lock:
                units = self._units.take(slot)
            if units is None:
                break
            there += 1
            self._launch(slot, units)
        self._sizes[slot.profile_id] = there
        if not there:
            in_use = "executors of other resource profiles have what there is"
            reason = in_use if wanted else slot.lack(available)
            self._events.profile_refused(slot.profile_id, reason)

    def _launch(self, slot: Slot, units: dict[str, tuple[str, ...]]) -> None:
        env = dict(os.environ)
        for key, value in self._conf.items():
            if key.startswith("spark.executorEnv."):
                env[key.removeprefix("spark.executorEnv.")] = value
        env["PYTHONHASHSEED"] = "0"
        with self._lock:
            if self._stopping:
                return
            executor_id = ExecutorId(str(self._next))
            self._next += 1
            self._held[executor_id] = slot, units
            boot = ExecutorBoot(
                executor_id,
                self._node,
                self._driver,
                self._secret,
                self._conf,
                self._sys_path,
                slot.profile_id,
                slot.cpus,
                units,
            )
            process = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                stdin=subprocess.PIPE,
                env=env,
                start_new_session=True,  # the terminal's Ctrl-C is the driver's alone
            )
            self._processes[executor_id] = process
            self._tell_guard()
            watcher = threading.Thread(
                target=self._watch,
                args=(executor_id, process),
                name=f"minispark-watch-{executor_id}",
                daemon=True,
            )
            self._watchers = [t for t in self._watchers if t.is_alive()] + [watcher]
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(pickle.dumps(boot, 5))
        watcher.start()

    def _watch(self, executor_id: ExecutorId, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self._lock:
            known = self._processes.pop(executor_id, None) is not None
            self._tell_guard()
            stopping = self._stopping
        if known and not stopping:
            self._events.executor_ended(executor_id, f"its process ended with code {code}")

    def _tell_guard(self) -> None:
        if self._guard is not None:
            self._guard.watch(process.pid for process in self._processes.values())

    def kill(self, executor_id: ExecutorId) -> None:
        """See `Launcher`."""
        with self._lock:
            process = self._processes.get(executor_id)
        if process is not None:
            process.kill()

    def stop(self) -> None:
        """See `Launcher`."""
        with self._lock:
            self._stopping = True
            processes = list(self._processes.values())
            watchers = list(self._watchers)
        for process in processes:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for watcher in watchers:
            if watcher.ident is not None:
                watcher.join()
        if self._guard is not None:
            self._guard.close()
