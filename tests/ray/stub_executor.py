"""What actors run in the launcher's tests instead of an executor."""

from __future__ import annotations

import os
import pickle
import threading
from multiprocessing.connection import Client

from minispark.runtime.boot import ExecutorBoot
from minispark.runtime.fetch import Fetcher
from minispark.storage.files import NodeFiles


def serve(boot: ExecutorBoot) -> None:
    """Registers, then writes and reads files as it is told, until the driver is gone."""
    connection = Client(boot.driver, authkey=boot.secret)
    files = NodeFiles(boot.node.root)
    fetcher = Fetcher(files, boot.node, boot.secret, patience=20.0)
    connection.send_bytes(
        pickle.dumps(
            {
                "executor": boot.executor_id,
                "pid": os.getpid(),
                "node": boot.node.node_id,
                "hash": hash("minispark"),
                "main": threading.current_thread() is threading.main_thread(),
                "conf": dict(boot.conf),
            }
        )
    )
    while True:
        try:
            request = pickle.loads(connection.recv_bytes())
        except EOFError:
            os._exit(0)
        if request[0] == "stop":
            return
        if request[0] == "fail":
            raise ValueError("told to fail")
        if request[0] == "write":
            files.write_atomic(request[1], [request[2]])
            answer = b"written"
        elif request[0] == "nodes":
            fetcher.update_nodes(request[1])
            answer = b"known"
        else:
            answer = bytes(fetcher.fetch_file(request[1], request[2]))
        connection.send_bytes(answer)
