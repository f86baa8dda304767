"""Where the driver listens on a cluster, and the master nobody named."""

from __future__ import annotations

import socket

import pytest

from minispark import SparkConf
from minispark.errors import PySparkRuntimeError, PySparkValueError
from minispark.runtime.driver_network import DriverNetwork
from minispark.runtime.masters import default_master

MASTER = "127.0.0.1:6379"


def test_unless_told_otherwise_the_address_that_faces_the_cluster() -> None:
    assert DriverNetwork.of({}, MASTER) == DriverNetwork("127.0.0.1", "127.0.0.1", (0,), (0,))


def test_host_and_bind_address_and_ports() -> None:
    conf = {
        "spark.driver.host": "gate.example",
        "spark.driver.bindAddress": "0.0.0.0",
        "spark.driver.port": "7000:7002",
        "spark.blockManager.port": "8000:8001",
    }
    made = DriverNetwork.of(conf, MASTER)
    assert (made.host, made.bind) == ("gate.example", "0.0.0.0")
    assert list(made.control_ports) == [7000, 7001, 7002]
    assert list(made.file_ports) == [8000, 8001]
    own = DriverNetwork.of({**conf, "spark.driver.blockManager.port": "9000:9000"}, MASTER)
    assert list(own.file_ports) == [9000]
    del conf["spark.driver.bindAddress"]
    assert DriverNetwork.of(conf, MASTER).bind == "gate.example"


def test_the_next_port_when_one_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        network = DriverNetwork("here", "127.0.0.1", (port, 0), (0,))
        with network.listen(socket.create_server) as other:
            assert other.getsockname()[1] != port
        stuck = DriverNetwork("here", "127.0.0.1", (port,), (0,))
        with pytest.raises(PySparkRuntimeError, match=rf"127.0.0.1, ports \[{port}\].*driver.port"):
            stuck.listen(socket.create_server)


@pytest.mark.parametrize("wrong", ["x", "-1", "1:x", ""])
def test_wrong_ports_are_refused_when_they_are_set(wrong: str) -> None:
    for key in ("spark.driver.port", "spark.blockManager.port"):
        with pytest.raises(PySparkValueError, match="a port, or a range"):
            SparkConf(False).set(key, wrong)


def test_the_default_master(monkeypatch: pytest.MonkeyPatch) -> None:
    for address, expected in (("10.0.0.1:6379", "ray://auto"), ("auto", "ray://auto")):
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert default_master() == expected
    for address in ("", "local"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert default_master() == "local[*]"
    monkeypatch.delenv("RAY_ADDRESS")
    assert default_master() == "local[*]"
