"""Where the driver listens, and the address under which executors reach it.

On one machine a Unix socket in a private directory. On a cluster the node's
own address: `spark.driver.host` is what executors are told,
`spark.driver.bindAddress` what is bound, for drivers behind a translated
address. Knows nothing of what is listened for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from minispark.errors import PySparkRuntimeError
from minispark.records import record

_T = TypeVar("_T")


@record
class DriverNetwork:
    """The driver's place in a cluster's network."""

    #: What executors connect to.
    host: str
    #: What is bound; the same, unless configured.
    bind: str
    #: Ports to try for the control connections, in order.
    control_ports: Sequence[int]
    #: Ports to try for the file server, in order.
    file_ports: Sequence[int]

    @staticmethod
    def of(conf: Mapping[str, str], master_address: str) -> DriverNetwork:
        """As configured, else as the machine is seen by the cluster."""
        from minispark.runtime.launch.ray_address import node_address
        from minispark.runtime.ports import parse_ports

        host = conf.get("spark.driver.host") or node_address(master_address)
        return DriverNetwork(
            host,
            conf.get("spark.driver.bindAddress") or host,
            parse_ports(conf.get("spark.driver.port", "")),
            parse_ports(
                conf.get("spark.driver.blockManager.port")
                or conf.get("spark.blockManager.port", "")
            ),
        )

    def listen(self, make: Callable[[tuple[str, int]], _T]) -> _T:
        """What `make` makes at the first control port that is free."""
        last: OSError | None = None
        for port in self.control_ports:
            try:
                return make((self.bind, port))
            except OSError as error:
                last = error
        raise PySparkRuntimeError(
            f"the driver cannot listen at {self.bind}, ports {list(self.control_ports)}: {last}; "
            "see spark.driver.bindAddress, spark.driver.host and spark.driver.port"
        ) from last
