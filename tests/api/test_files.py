"""Files that travel with the tasks: there on the driver, in every task, once."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from minispark import SparkFiles
from minispark.errors import InvalidPathError, PySparkRuntimeError, PySparkValueError
from minispark.ids import NodeId
from minispark.runtime.files import SharedFiles, UserFiles
from minispark.storage.files import NodeFiles

pytestmark = pytest.mark.minispark_only


def content(name: str) -> str:
    return Path(SparkFiles.get(name)).read_text()


def test_a_file_is_on_the_driver_and_in_tasks(sc: Any, tmp_path: Path) -> None:
    name = f"{tmp_path.name}-numbers.txt"
    (tmp_path / name).write_text("7")
    sc.addFile(str(tmp_path / name))
    assert content(name) == "7"
    assert sc.parallelize(range(4), 4).map(lambda i: content(name)).collect() == ["7"] * 4
    assert f"file:{tmp_path / name}" in sc.listFiles


def test_a_task_submitted_after_a_file_sees_it(sc: Any, tmp_path: Path) -> None:
    rdd = sc.parallelize(range(4), 4)
    assert rdd.count() == 4  # the executors run before the file is added
    for n in range(3):
        name = f"{tmp_path.name}-{n}.txt"
        (tmp_path / name).write_text(str(n))
        sc.addFile(f"file://{tmp_path / name}")
        assert set(rdd.map(lambda i, name=name: content(name)).collect()) == {str(n)}


def test_a_path_is_read_once(sc: Any, tmp_path: Path) -> None:
    path = tmp_path / f"{tmp_path.name}-once.txt"
    path.write_text("first")
    sc.addFile(str(path))
    path.write_text("second")
    sc.addFile(str(path))
    assert content(path.name) == "first"
    assert sc.listFiles.count(f"file:{path}") == 1


def test_another_file_of_the_same_name_is_refused(sc: Any, tmp_path: Path) -> None:
    name = f"{tmp_path.name}-same.txt"
    for folder, text in (("a", "one"), ("b", "two"), ("c", "one")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    sc.addFile(str(tmp_path / "a" / name))
    with pytest.raises(PySparkValueError, match=r"spark\.files\.overwrite"):
        sc.addFile(str(tmp_path / "b" / name))
    sc.addFile(str(tmp_path / "c" / name))  # the same bytes
    assert content(name) == "one"


def test_a_missing_file(sc: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidPathError, match="nowhere"):
        sc.addFile(str(tmp_path / "nowhere"))
    with pytest.raises(InvalidPathError, match="nowhere"):
        sc.addArchive(str(tmp_path / "nowhere.zip"))


def test_a_directory_needs_recursive(sc: Any, tmp_path: Path) -> None:
    folder = tmp_path / f"{tmp_path.name}-tree"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "leaf.txt").write_text("leaf")
    with pytest.raises(PySparkValueError, match="recursive=True"):
        sc.addFile(str(folder))
    sc.addFile(str(folder), recursive=True)
    leaf = f"{folder.name}/inner/leaf.txt"
    assert sc.parallelize([0], 1).map(lambda i: content(leaf)).collect() == ["leaf"]


def test_a_module_can_be_imported_in_tasks(sc: Any, tmp_path: Path) -> None:
    name = f"module_{abs(hash(tmp_path.name)) % 10**8}"
    (tmp_path / f"{name}.py").write_text("def triple(x): return 3 * x")
    sc.addPyFile(str(tmp_path / f"{name}.py"))

    def tripled(x: int) -> Any:
        return __import__(name).triple(x)

    assert sc.parallelize([1, 2, 3], 3).map(tripled).collect() == [3, 6, 9]
    assert tripled(2) == 6


def test_a_package_in_a_zip(sc: Any, tmp_path: Path) -> None:
    name = f"package_{abs(hash(tmp_path.name)) % 10**8}"
    with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as packed:
        packed.writestr(f"{name}/__init__.py", "WORD = 'zipped'")
    sc.addPyFile(str(tmp_path / f"{name}.zip"))
    assert sc.parallelize([0], 1).map(lambda i: __import__(name).WORD).collect() == ["zipped"]


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tgz"])
def test_an_archive_is_unpacked(sc: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"{tmp_path.name}.{suffix}"
    (tmp_path / "member.txt").write_text(suffix)
    if suffix == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.write(tmp_path / "member.txt", "member.txt")
    else:
        with tarfile.open(path, "w:gz" if "g" in suffix else "w") as packed:
            packed.add(tmp_path / "member.txt", "member.txt")
    sc.addArchive(str(path))
    sc.addArchive(f"{path}#{tmp_path.name}-{suffix}-named")
    for folder in (path.name, f"{tmp_path.name}-{suffix}-named"):
        member = f"{folder}/member.txt"
        assert sc.parallelize([0], 1).map(lambda i, m=member: content(m)).collect() == [suffix]
    assert f"file:{path}" in sc.listArchives


def test_no_archive_leaves_nothing(sc: Any, tmp_path: Path) -> None:
    path = tmp_path / f"{tmp_path.name}-no.zip"
    path.write_text("plain text")
    with pytest.raises(PySparkValueError, match="not an archive"):
        sc.addArchive(str(path))
    assert not os.path.exists(SparkFiles.get(path.name))
    assert not [name for name in os.listdir(SparkFiles.getRootDirectory()) if name[0] == "."]


@pytest.mark.own_context
def test_files_of_the_start_and_the_end(open_context: Any, tmp_path: Path) -> None:
    name = f"start_{abs(hash(tmp_path.name)) % 10**8}"
    (tmp_path / f"{name}.py").write_text("WORD = 'started'")
    (tmp_path / "data.txt").write_text("data")
    with open_context(
        "local-process[1]",
        spark_submit_pyFiles=str(tmp_path / f"{name}.py"),
        spark_files=f"{tmp_path / 'data.txt'}",
    ) as sc:
        found = sc.parallelize([0], 1).map(lambda i: (__import__(name).WORD, content("data.txt")))
        assert found.collect() == [("started", "data")]
        root = SparkFiles.getRootDirectory()
    assert not os.path.exists(root)
    with pytest.raises(PySparkRuntimeError, match="no active SparkContext"):
        SparkFiles.get("data.txt")


class _OtherNode:
    """Reads the driver's files as if from afar, and counts."""

    def __init__(self, files: NodeFiles) -> None:
        self.files = files
        self.fetched: list[str] = []

    def fetch_file(self, node_id: NodeId, relpath: str) -> memoryview:
        assert node_id == "driver"
        self.fetched.append(relpath)
        return self.files.map_read(relpath)


class _Link:
    def __init__(self) -> None:
        self.files = 0
        self.sent: list[Any] = []

    def send_ctl(self, message: Any) -> None:
        self.sent.append(message)


@pytest.fixture
def shared(tmp_path: Path) -> Any:
    before = SparkFiles._root_directory
    shared = SharedFiles(NodeFiles(str(tmp_path / "driver")), overwrite=True)
    yield shared
    shared.close()
    SparkFiles._root_directory = before


def test_another_node_fetches_once_for_all_its_executors(shared: Any, tmp_path: Path) -> None:
    shared.add("a.txt", "file", [b"alpha"], False)
    link = _Link()
    shared.tell(link)
    shared.tell(link)
    [(kind, entries)] = link.sent
    assert kind == "files"
    here = NodeFiles(str(tmp_path / "other"))
    reader = _OtherNode(shared._files)
    for _ in range(2):
        executor = UserFiles(here, NodeId("other"), reader)
        executor.learn(entries)
        executor.prepare()
        executor.prepare()
        assert Path(executor.root, "a.txt").read_bytes() == b"alpha"
    assert reader.fetched == ["shared/1"]


def test_a_replaced_file_arrives_as_well(shared: Any, tmp_path: Path) -> None:
    link, reader = _Link(), _OtherNode(shared._files)
    executor = UserFiles(NodeFiles(str(tmp_path / "other")), NodeId("other"), reader)
    for data in (b"old", b"new"):
        shared.add("a.txt", "file", [data], False)
        shared.tell(link)
        executor.learn(link.sent[-1][1])
        executor.prepare()
        assert Path(executor.root, "a.txt").read_bytes() == data


def test_damage_on_the_way_is_noticed(shared: Any, tmp_path: Path) -> None:
    shared.add("a.txt", "file", [b"alpha"], False)
    link = _Link()
    shared.tell(link)
    shared._files.write_atomic("shared/1", [b"alphA"])
    executor = UserFiles(NodeFiles(str(tmp_path / "o")), NodeId("o"), _OtherNode(shared._files))
    executor.learn(link.sent[0][1])
    with pytest.raises(PySparkRuntimeError, match="damaged"):
        executor.prepare()
    assert not os.path.exists(os.path.join(executor.root, "a.txt"))


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_names_stay_below_the_root(shared: Any, name: str) -> None:
    with pytest.raises(PySparkValueError, match="under the name"):
        shared.add(name, "file", [b""], False)
