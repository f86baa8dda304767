"""The files of an application on all nodes, as the driver sees them.

On one machine there is one directory. On a cluster every node has its own, and
the driver serves the files it owns (broadcasts, slices) to the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minispark.errors import CorruptFileError
from minispark.ids import NodeId
from minispark.records import replace
from minispark.runtime.boot import NodeInfo
from minispark.runtime.messages import ResultFile
from minispark.runtime.node_reader import NodeReader, SameNodeReader
from minispark.storage.checked import checked
from minispark.storage.files import NodeFiles
from minispark.storage.values import load_value

if TYPE_CHECKING:
    from minispark.runtime.driver_network import DriverNetwork

log: logging.Logger = logging.getLogger("minispark")

#: How long a node may take to say what an executor's process does.
_LOOK_S = 3.0


class ClusterFiles:
    """Reads and removes files wherever they are."""

    def __init__(self, node: NodeInfo) -> None:
        self.node: NodeInfo = node
        self.local: NodeFiles = NodeFiles(node.root)
        self.reader: NodeReader = SameNodeReader(self.local)
        self._fetcher: Any = None
        self._server: Any = None
        self._others: tuple[NodeInfo, ...] = ()
        self._secret = b""

    def serve(self, secret: bytes, network: DriverNetwork, codec: str | None) -> NodeInfo:
        """Makes the driver's files reachable for other nodes."""
        from minispark.runtime.fetch import Fetcher
        from minispark.runtime.file_server import FileServer

        self._secret = secret
        self._server = FileServer(self.node.root, secret, (network.bind, network.file_ports))
        self.node = replace(self.node, address=(network.host, self._server.address[1]))
        self.reader = self._fetcher = Fetcher(self.local, self.node, secret, codec=codec)
        return self.node

    def update_nodes(self, nodes: list[NodeInfo]) -> None:
        """Learns which nodes there are now."""
        if self._fetcher is not None:
            self._fetcher.update_nodes(nodes)
            self._others = tuple(n for n in nodes if n.node_id != self.node.node_id)

    def main_thread_cpu_s(self, node_id: str, pid: int, where: str) -> float | None:
        """Processor time of an executor on another node; None when nobody there can tell."""
        from minispark.runtime.file_server import cpu_s

        for node in self._others:
            if node.node_id == node_id and node.address is not None:
                try:
                    return cpu_s(node.address, self._secret, pid, where, _LOOK_S)
                except (OSError, EOFError):
                    return None  # the node may be frozen as a whole
        return None

    def read_result(self, where: ResultFile) -> Any:
        """The value in a result file; it is read once, then it is gone.

        Raises
        ------
        OSError, EOFError, CorruptBlockError
            The file, or the node that has it, is not there, or not what was written.
        """
        data = self.reader.fetch_file(where.node_id, where.relpath)
        if where.node_id == self.node.node_id:
            # Without a name nobody can cut it while it is mapped here: that
            # would end the driver (SIGBUS).
            self.local.remove(where.relpath)
        result = checked(data, where.crc, steps=where.steps) if len(data) == where.length else None
        if result is None:
            raise CorruptFileError(
                f"the result file {where.relpath} of node {where.node_id} is damaged"
            )
        return load_value(result, copy=True)

    def remove_result(self, where: ResultFile) -> None:
        """Removes a result file that nobody reads (any more)."""
        self.local.remove(where.relpath)
        if self._fetcher is None or where.node_id == self.node.node_id:
            return
        from minispark.runtime.fetch import copy_files

        for name in copy_files(where.node_id, where.relpath):
            self.local.remove(name)
        self._on_node(where.node_id, lambda: self._fetcher.remove(where.node_id, [where.relpath]))

    def remove_prefix(self, prefix: str) -> None:
        """Removes, on every node, the files whose names begin so."""
        self.local.remove_prefix(prefix)
        self.remove_from_others(prefix)

    def remove_from_others(self, prefix: str) -> None:
        """Removes such files from all nodes but the driver's."""
        for node in self._others:
            node_id = node.node_id
            self._on_node(node_id, lambda n=node_id: self._fetcher.delete(n, prefix))  # type: ignore[misc]

    def remove_own(self, relpath: str) -> None:
        """Removes a file of the driver's, and the copies on other nodes."""
        self.local.remove(relpath)
        self.remove_copies(relpath)

    def remove_copies(self, relpath: str) -> None:
        """Removes the copies that other nodes made of a file of the driver's."""
        if not self._others:
            return
        from minispark.runtime.fetch import copy_files

        copies = copy_files(self.node.node_id, relpath)
        for node in self._others:
            node_id = node.node_id
            self._on_node(node_id, lambda n=node_id: self._fetcher.remove(n, copies))  # type: ignore[misc]

    def _on_node(self, node_id: NodeId, remove: Callable[[], object]) -> None:
        try:
            remove()
        except (OSError, EOFError) as error:
            # The node is on its way out; its directory goes with it.
            log.info("cannot remove files of node %s: %s", node_id, error)

    def close(self) -> None:
        """Ends connections and the server."""
        if self._fetcher is not None:
            self._fetcher.close()
        if self._server is not None:
            self._server.close()
