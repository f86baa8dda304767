"""Paths mean the files that Hadoop takes them to mean."""

from __future__ import annotations

import pytest

from minispark.errors import InvalidPathError, PySparkTypeError, PySparkValueError
from minispark.kernels.paths import expand_paths

NAMES = ["one", "ten", "hun", "dir/a", "dir/b", "dir/_hid", "dir/.hid"]
NAMES += ["nest/a", "nest/sub/b", "nest/sub/sub2/c", "x/y/z"]


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a b%20c").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("ten", "ten"),
        ("dir", "dir/a dir/b"),
        ("dir/", "dir/a dir/b"),
        ("dir/*", "dir/a dir/b"),
        ("dir/?", "dir/a dir/b"),
        ("dir/{a,_hid}", "dir/a"),
        ("{ten,hun}", "hun ten"),
        ("t[a-f]n", "ten"),
        ("t[!x]n", "ten"),
        ("t[^x]n", "ten"),
        ("t\\en", "ten"),
        ("{o,t}{ne,en}", "one ten"),
        ("{dir/a,nest/a}", "dir/a nest/a"),
        ("{dir,nest}/a", "dir/a nest/a"),
        ("*/a", "dir/a nest/a"),
        ("{d{ir,og},x/y}/{a,z}", "dir/a x/y/z"),
        ("x/*", "x/y/z"),
        ("empty", ""),
    ],
)
def test_patterns(folder, spec, names):
    found = [f.path for f in expand_paths(f"{folder}/{spec}")]
    assert found == [f"{folder}/{n}" for n in names.split()]


def test_comma_lists_keep_their_order_and_repetitions(folder):
    spec = f"{folder}/ten,{folder}/{{hun,one}},{folder}/ten"
    assert [f.name for f in expand_paths(spec)] == ["ten", "hun", "one", "ten"]


@pytest.mark.parametrize("prefix", ["file:", "file://", "file:////", "file://localhost"])
def test_file_uris(folder, prefix):
    (found,) = expand_paths(f"{prefix}{folder}/ten")
    assert (found.path, found.size) == (f"{folder}/ten", 3)


def test_relative_paths_are_of_the_working_directory(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert [f.path for f in expand_paths("./dir/a")] == [f"{folder}/dir/a"]


def test_percent_and_blanks_mean_themselves(folder):
    assert [f.name for f in expand_paths(f"file://{folder}/a b%20c")] == ["a b%20c"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("missing", "Input path does not exist: file:/.*missing"),
        ("ten/x", "does not exist"),
        ("miss*", "matches 0 files"),
        ("dir/_hid", "does not exist"),
        ("missing/*", "matches 0 files"),
    ],
)
def test_what_is_not_there_is_named(folder, spec, words):
    with pytest.raises(InvalidPathError, match=words):
        expand_paths(f"{folder}/{spec}")


def test_missing_paths_are_file_not_found_errors(folder):
    with pytest.raises(FileNotFoundError):
        expand_paths(f"{folder}/ten,{folder}/missing")


def test_nested_directories(folder):
    with pytest.raises(PySparkValueError, match="nest/sub is a directory"):
        expand_paths(f"{folder}/nest")
    assert [f.name for f in expand_paths(f"{folder}/nest", skip_nested=True)] == ["a"]
    assert [f.name for f in expand_paths(f"{folder}/nest/*", skip_nested=True)] == ["a", "b"]


@pytest.mark.parametrize("spec", ["", ",", "a,,b", "{a", "[a", "a\\"])
def test_bad_syntax(folder, spec):
    with pytest.raises(PySparkValueError):
        expand_paths(spec and f"{folder}/{spec}" if spec.strip(",") else spec)


def test_bad_arguments(folder):
    with pytest.raises(PySparkTypeError, match="str"):
        expand_paths(3)
    with pytest.raises(PySparkValueError, match="nosuch"):
        expand_paths("nosuch://host/path")


def test_other_file_systems():
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe({"/box/a.txt": b"1\n", "/box/b.txt": b"22\n", "/box/_x": b""})
    try:
        found = expand_paths("memory://box/*.txt")
        assert [(f.path, f.size) for f in found] == [
            ("memory://box/a.txt", 2),
            ("memory://box/b.txt", 3),
        ]
        assert len(expand_paths("memory://box")) == 2
    finally:
        memory.rm("/box", recursive=True)
