"""The life of an executor process: connect, register, run tasks, exit.

Two threads. The main thread reads tasks from *ctl* and runs them, so that user
code sees signals as it would in a script. The service thread obeys *svc* at
once; it interrupts the main thread by a signal when a task is cancelled. When
either connection ends, the driver is gone and the process exits.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import logging
import os
import pickle
import signal
import sys
import threading
import time
from multiprocessing.connection import Client, Connection
from queue import Empty, SimpleQueue
from typing import Any

from minispark.conf import SparkConf
from minispark.ids import NodeId, TaskId
from minispark.kernels.hashing import HASH_PROBE, portable_hash
from minispark.plan.spec import BlockKey
from minispark.runtime.boot import DRIVER_NODE, ExecutorBoot
from minispark.runtime.collector import TASK_THRESHOLDS
from minispark.runtime.executor import Executor, budget_of
from minispark.runtime.failures import TaskKilled
from minispark.runtime.messages import TaskReport, TaskSpec, receive, send
from minispark.runtime.node_reader import NodeReader, SameNodeReader
from minispark.runtime.vitals import machine
from minispark.storage.files import NodeFiles

#: Python frames that may nest; with 6000 a recursion through `sorted` overran 8 MB of stack.
_RECURSION_LIMIT = 3000

#: How long a task waits for a block of another executor before it computes it.
_EXPORT_PATIENCE_S = 10.0

#: Cancelled tasks that never came are forgotten beyond this many.
_MAX_CANCELLED = 4096


log: logging.Logger = logging.getLogger("minispark")


class _TaskStream(io.TextIOBase):
    """What tasks print, sent to the driver line by line, in order."""

    encoding = "utf-8"

    def __init__(self, session: _Session, name: str) -> None:
        self._session = session
        self._name = name
        self._pending = ""
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._lock:
            self._pending += text
            if "\n" in text or len(self._pending) > 8192:
                self._send_pending()
        return len(text)

    def flush(self) -> None:
        with self._lock:
            self._send_pending()

    def _send_pending(self) -> None:
        if self._pending:
            text, self._pending = self._pending, ""
            self._session.send_output(self._name, text)


class _Session:
    """The connections of one executor process and the task it runs."""

    def __init__(self, boot: ExecutorBoot) -> None:
        self._boot = boot
        self._ctl = self._connect("ctl")
        self._svc = self._connect("svc")
        self._ctl_lock = threading.Lock()
        conf = SparkConf(False, _values=dict(boot.conf))
        self._executor = Executor(
            boot.executor_id,
            boot.node,
            conf,
            self._reader(conf),
            whole_process=True,
        )
        self._executor.cpus = boot.cpus
        self._executor.addresses = boot.addresses
        self._executor.ask = self.ask
        self._executor.want = self.want
        self._answers: SimpleQueue[tuple[TaskId, tuple[bool, Any]]] = SimpleQueue()
        self._blocks_at: SimpleQueue[tuple[TaskId, BlockKey, NodeId | None]] = SimpleQueue()
        #: Exports run one after the other, beside the tasks.
        self._export_lock = threading.Lock()
        self._main_thread = threading.main_thread().ident or 0
        self._running: TaskId | None = None
        self._cancelled: set[TaskId] = set()
        #: True while the main thread writes a message, which must stay whole.
        self._is_writing = False

    def _connect(self, channel: str) -> Connection:
        try:
            connection = Client(self._boot.driver, authkey=self._boot.secret)
        except (FileNotFoundError, ConnectionError, EOFError):
            os._exit(0)  # the driver stopped before this process was up
        hello = {
            "pid": os.getpid(),
            "node": self._boot.node.node_id,
            "python": sys.version_info[:2],
            "probe": portable_hash(HASH_PROBE),
            "hash": hash(HASH_PROBE),
            "machine": machine(),
            "profile": self._boot.profile_id,
        }
        send(connection, (channel, self._boot.executor_id, hello))
        return connection

    def _reader(self, conf: SparkConf) -> NodeReader:
        files = NodeFiles(self._boot.node.root, budget=budget_of(conf))
        if self._boot.node.node_id == DRIVER_NODE:
            return SameNodeReader(files)
        from minispark.runtime.fetch import Fetcher
        from minispark.runtime.local_dirs import occupy
        from minispark.runtime.wire_codec import configured_codec

        # The node's agent may die and be restarted; the files must survive that.
        self._occupied = occupy(self._boot.node.root)
        codec = configured_codec(conf)
        patience = float(
            conf.value("spark.shuffle.io.maxRetries") * conf.value("spark.shuffle.io.retryWait")
        )
        return Fetcher(files, self._boot.node, self._boot.secret, patience=patience, codec=codec)

    def send_output(self, stream: str, text: str) -> None:
        """Sends printed text; called from whatever thread prints."""
        self._write(("out", self._running, stream, text))

    def ask(self, task_id: TaskId, method: str, text: str) -> tuple[bool, Any]:
        """Asks the driver for the running task and waits; see `BarrierTaskContext`."""
        self._write(("ask", task_id, method, text))
        while True:
            answered, answer = self._answers.get()
            if answered == task_id:  # else it is for one that was cancelled while it waited
                return answer

    def want(self, task_id: TaskId, block: BlockKey) -> NodeId | None:
        """Which node has the block's file, once its holder has written it."""
        self._write(("want", task_id, block))
        deadline = time.monotonic() + _EXPORT_PATIENCE_S
        while (left := deadline - time.monotonic()) > 0:
            try:
                *question, node_id = self._blocks_at.get(timeout=left)
            except Empty:
                break
            if question == [task_id, block]:  # else somebody waited for it no longer
                return node_id
        return None

    def _export(self, block: BlockKey) -> None:
        is_there = False
        try:
            with self._export_lock:
                is_there = self._executor.blocks.to_file(block)
        except Exception as error:  # whoever asked computes the block
            log.warning("cannot write block %s to a file: %s", block, error)
        finally:
            with contextlib.suppress(OSError):  # the driver is gone, and we soon too
                self._write(("exported", block, is_there))

    def _write(self, message: tuple[Any, ...]) -> None:
        if threading.get_ident() != self._main_thread:
            with self._ctl_lock:
                send(self._ctl, message)
            return
        self._is_writing = True
        try:
            with self._ctl_lock:
                send(self._ctl, message)
        finally:
            self._is_writing = False
        self._end_if_cancelled()

    def run(self) -> None:
        """Serves until the driver says stop or is gone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, self._interrupted)
        sys.stdout = _TaskStream(self, "stdout")
        sys.stderr = _TaskStream(self, "stderr")
        # Tasks build millions of tuples: the collector's default pace costs a
        # quarter of the time, and what is here by now is never garbage.
        gc.set_threshold(*TASK_THRESHOLDS)
        gc.freeze()
        threading.Thread(target=self._obey, name="minispark-svc", daemon=True).start()
        try:
            while self._step(receive(self._ctl)):
                continue
        except (EOFError, OSError):
            os._exit(0)  # the driver is gone: nobody is left to report to

    def _interrupted(self, signum: int, frame: object) -> None:
        if not self._is_writing:
            self._end_if_cancelled()

    def _end_if_cancelled(self) -> None:
        if self._running is not None and self._running in self._cancelled:
            raise TaskKilled

    def _step(self, message: tuple[Any, ...]) -> bool:
        kind = message[0]
        executor = self._executor
        if kind == "tasks":
            for spec in message[1]:
                self._report(self._run(spec))
        elif kind == "stage":
            executor.put_stage(message[1], message[2])
        elif kind == "inputs":
            executor.put_inputs(*message[1:])
        elif kind == "forget":
            executor.forget_stage(message[1])
        elif kind == "forget_inputs":
            executor.forget_inputs(message[1])
        elif kind == "files":
            executor.user_files.learn(message[1])
        elif kind == "stop":
            return False
        else:
            raise AssertionError(f"unknown message {kind!r}")
        return True

    def _run(self, spec: TaskSpec) -> TaskReport:
        if spec.task_id in self._cancelled:
            return TaskReport(spec.task_id, "killed")
        try:
            try:
                self._running = spec.task_id
                if spec.task_id in self._cancelled:
                    return TaskReport(spec.task_id, "killed")
                report = self._executor.run(spec)
            finally:
                self._running = None
        except TaskKilled:
            # The interrupt may have hit the very lines that clean up.
            self._running = None
            self._executor.abandoned(spec.task_id)
            report = TaskReport(spec.task_id, "killed")
        sys.stdout.flush()
        sys.stderr.flush()
        return report

    def _report(self, report: TaskReport) -> None:
        self._cancelled.discard(report.task_id)
        data = pickle.dumps(("done", report), 5)
        with self._ctl_lock:
            self._ctl.send_bytes(data)

    def _obey(self) -> None:
        try:
            while True:
                message = receive(self._svc)
                kind = message[0]
                if kind == "cancel":
                    self._cancel(message[1])
                elif kind == "ping":
                    send(self._svc, ("pong", message[1]))
                elif kind == "drop_rdd":
                    self._executor.drop_rdd(message[1])
                elif kind == "drop_broadcast":
                    self._executor.broadcasts.drop(message[1])
                elif kind == "answer":
                    self._answers.put((message[1], message[2]))
                elif kind == "export":
                    export = threading.Thread(target=self._export, args=message[1:], daemon=True)
                    export.start()
                elif kind == "block_at":
                    self._blocks_at.put((message[1], message[2], message[3]))
                elif kind == "nodes":
                    self._executor.reader.update_nodes(message[1])
                else:
                    raise AssertionError(f"unknown message {kind!r}")
        except (EOFError, OSError):
            os._exit(0)

    def _cancel(self, task_id: TaskId) -> None:
        if len(self._cancelled) > _MAX_CANCELLED:
            self._cancelled.clear()
        self._cancelled.add(task_id)
        if self._running == task_id:
            signal.pthread_kill(self._main_thread, signal.SIGUSR2)


def serve(boot: ExecutorBoot) -> None:
    """Runs one executor in this process until its driver lets it go."""
    for entry in reversed(boot.sys_path):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    module, _, function = boot.conf.get("minispark.executor.setup", "").partition(":")
    if module:
        getattr(importlib.import_module(module), function)()
    # Each cached RDD or `mapPartitions` of a long narrow lineage nests a few frames.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION_LIMIT))
    _Session(boot).run()


def main() -> None:
    """Entry point of the subprocess launcher: the boot record comes on stdin."""
    boot = pickle.load(sys.stdin.buffer)
    serve(boot)
    os._exit(0)  # user threads must not keep a finished executor alive


if __name__ == "__main__":
    main()
