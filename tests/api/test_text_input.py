"""textFile and wholeTextFiles: lines, byte ranges, paths, compression, encodings."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os

import pytest


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def test_lines_without_their_ends(sc, tmp_path):
    path = write(tmp_path / "a.txt", "one\ntwo\n\nfour\n")
    assert sc.textFile(path).collect() == ["one", "two", "", "four"]


def test_last_line_without_an_end(sc, tmp_path):
    path = write(tmp_path / "a.txt", "one\ntwo")
    assert sc.textFile(path).collect() == ["one", "two"]


def test_an_empty_file(sc, tmp_path):
    path = write(tmp_path / "a.txt", "")
    assert sc.textFile(path).collect() == []
    assert sc.textFile(path).count() == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\rb\rc", ["a", "b", "c"]),
        ("a\n\rb\r\n\r\nc", ["a", "", "b", "", "c"]),
        ("\n\n", ["", ""]),
        ("a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\n", ["a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g"]),
        (" a \t\n", [" a \t"]),
        ("a\x00b\n", ["a\x00b"]),
    ],
    ids=["crlf", "cr", "all", "blank", "other-separators", "spaces", "nul"],
)
def test_line_ends(sc, tmp_path, data, expected):
    assert sc.textFile(write(tmp_path / "a.txt", data), 1).collect() == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("parts", [1, 2, 3, 7, 20, 40])
def test_byte_ranges_neither_lose_nor_double_lines(sc, tmp_path, end, parts):
    lines = ["", "a", "bb", "", "", "cccccccccccccccccccc", "d", "é" * 5, "", "z"]
    path = write(tmp_path / "a.txt", end.join(lines) + end)
    rdd = sc.textFile(path, parts)
    assert rdd.getNumPartitions() >= parts
    assert rdd.collect() == lines


def test_min_partitions_splits_by_bytes(sc, tmp_path):
    path = write(tmp_path / "a.txt", "".join(f"{n:03}\n" for n in range(100)))
    rdd = sc.textFile(path, 4)
    assert rdd.getNumPartitions() == 4
    assert [len(p) for p in rdd.glom().collect()] == [26, 25, 25, 24]


def test_one_long_line_in_many_partitions(sc, tmp_path):
    path = write(tmp_path / "a.txt", "x" * 10_000)
    rdd = sc.textFile(path, 5)
    assert rdd.map(len).collect() == [10_000]


def test_several_files_are_at_least_one_partition_each(sc, tmp_path):
    for n in range(3):
        write(tmp_path / f"{n}.txt", f"{n}\n")
    rdd = sc.textFile(str(tmp_path), 1)
    assert rdd.getNumPartitions() == 3
    assert sorted(rdd.collect()) == ["0", "1", "2"]


def test_hidden_files_of_a_directory_are_skipped(sc, tmp_path):
    write(tmp_path / "a.txt", "a\n")
    write(tmp_path / ".hidden", "no\n")
    write(tmp_path / "_SUCCESS", "no\n")
    write(tmp_path / ".a.txt.crc", b"\x00\x01")
    assert sc.textFile(str(tmp_path)).collect() == ["a"]


def test_directory_with_a_trailing_slash_and_file_uri(sc, tmp_path):
    path = write(tmp_path / "a.txt", "a\n")
    assert sc.textFile(str(tmp_path) + "/").collect() == ["a"]
    assert sc.textFile("file://" + path).collect() == ["a"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["a1", "a2", "b1"]),
        ("a?.txt", ["a1", "a2"]),
        ("{a1,b1}.txt", ["a1", "b1"]),
        ("[ab]1.txt", ["a1", "b1"]),
        ("[a-b]1.*", ["a1", "b1"]),
        ("[^a]*.txt", ["b1"]),
        ("a{1,2}.{txt,log}", ["a1", "a2"]),
        ("sub*/*.txt", ["s"]),
        ("*/s.txt", ["s"]),
    ],
)
def test_globs(sc, tmp_path, pattern, expected):
    for name in ("a1", "a2", "b1"):
        write(tmp_path / f"{name}.txt", name)
    write(tmp_path / "sub" / "s.txt", "s")
    assert sorted(sc.textFile(str(tmp_path / pattern)).collect()) == expected


def test_a_glob_that_matches_directories_reads_their_files(sc, tmp_path):
    write(tmp_path / "day=1" / "x.txt", "1")
    write(tmp_path / "day=2" / "x.txt", "2")
    assert sorted(sc.textFile(str(tmp_path / "day=*")).collect()) == ["1", "2"]


def test_comma_lists(sc, tmp_path):
    a, b = write(tmp_path / "a.txt", "a"), write(tmp_path / "b.txt", "b")
    assert sc.textFile(f"{b},{a}").collect() == ["b", "a"]
    assert sc.textFile(f"{b},{tmp_path}/a*").collect() == ["b", "a"]


def test_a_relative_path(sc, tmp_path, monkeypatch):
    path = write(tmp_path / "a.txt", "a\n")
    assert sc.textFile(os.path.relpath(path)).collect() == ["a"]


def test_a_name_with_spaces_and_unicode(sc, tmp_path):
    path = write(tmp_path / "mit Lücke é.txt", "ü\n")
    assert sc.textFile(path).collect() == ["ü"]


@pytest.mark.parametrize(
    ("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress)], ids=["gz", "bz2"]
)
def test_compressed_text(sc, tmp_path, suffix, compress):
    lines = [f"línea {n}" for n in range(1000)]
    path = write(tmp_path / f"a.txt.{suffix}", compress("\n".join(lines).encode()))
    assert sc.textFile(path, 1).collect() == lines


@pytest.mark.minispark_only
def test_xz_text(sc, tmp_path):
    path = write(tmp_path / "a.txt.xz", lzma.compress(b"a\nb\n"))
    assert sc.textFile(path, 4).collect() == ["a", "b"]


@pytest.mark.minispark_only
def test_zstd_text(sc, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    with pyarrow.CompressedOutputStream(str(tmp_path / "a.zst"), "zstd") as out:
        out.write(b"a\nb\n")
    assert sc.textFile(str(tmp_path / "a.zst"), 4).collect() == ["a", "b"]


def test_gzip_is_one_partition(sc, tmp_path):
    path = write(tmp_path / "a.gz", gzip.compress(b"a\n" * 1000))
    assert sc.textFile(path, 8).getNumPartitions() == 1


def test_gzip_of_several_members(sc, tmp_path):
    path = write(tmp_path / "a.gz", gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    assert sc.textFile(path).collect() == ["a", "b"]


def test_plain_and_gzip_in_one_directory(sc, tmp_path):
    write(tmp_path / "a.txt", "a\n")
    write(tmp_path / "b.gz", gzip.compress(b"b\n"))
    assert sorted(sc.textFile(str(tmp_path)).collect()) == ["a", "b"]


def test_a_truncated_gzip_fails(sc, tmp_path, still_usable):
    whole = gzip.compress(os.urandom(5000).hex().encode())
    path = write(tmp_path / "cut.gz", whole[: len(whole) // 2])
    with pytest.raises(Exception, match=r"(?i)cut.gz|EOF|unexpected end"):
        sc.textFile(path).count()


def test_bytes_that_are_not_utf8_are_replaced(sc, tmp_path):
    path = write(tmp_path / "a.txt", b"caf\xe9\n\xff\xfe\nok\n")
    assert sc.textFile(path).collect() == ["caf\ufffd", "\ufffd\ufffd", "ok"]


def test_use_unicode_false_gives_bytes_on_minispark_and_str_before(sc, tmp_path):
    path = write(tmp_path / "a.txt", "é\n")
    assert sc.textFile(path, use_unicode=False).collect() in (["é"], ["é".encode()])


def test_byte_order_mark(sc, tmp_path):
    path = write(tmp_path / "a.txt", b"\xef\xbb\xbfa\nb\n")
    assert sc.textFile(path, 1).collect() == ["a", "b"]


def test_a_missing_path_fails_and_names_it(sc, tmp_path, still_usable):
    missing = str(tmp_path / "no-such-file")
    with pytest.raises(Exception, match="no-such-file"):
        sc.textFile(missing).count()


@pytest.mark.minispark_only
def test_a_missing_path_is_file_not_found(sc, tmp_path, still_usable):
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        sc.textFile(str(tmp_path / "no-such-file")).count()


def test_a_glob_that_matches_nothing_fails(sc, tmp_path, still_usable):
    with pytest.raises(Exception, match="nothing"):
        sc.textFile(str(tmp_path / "nothing*.txt")).count()


@pytest.mark.minispark_only
@pytest.mark.parametrize("parts", [-1, "3", 1.5])
def test_bad_min_partitions_are_refused(sc, tmp_path, parts, still_usable):
    path = write(tmp_path / "a.txt", "a\n")
    with pytest.raises((TypeError, ValueError), match="minPartitions"):
        sc.textFile(path, parts)


def test_text_file_is_lazy(sc, tmp_path):
    path = tmp_path / "a.txt"
    write(path, "before\n")
    rdd = sc.textFile(str(path)).map(lambda line: line.upper())
    write(path, "after!\n")
    assert rdd.collect() == ["AFTER!"]


def test_the_default_of_min_partitions(sc, tmp_path):
    path = write(tmp_path / "a.txt", "a\n" * 100)
    assert sc.textFile(path).getNumPartitions() == sc.defaultMinPartitions


def test_whole_text_files(sc, tmp_path):
    write(tmp_path / "a.txt", "1\n2\n")
    write(tmp_path / "b.txt", "")
    write(tmp_path / "c.txt.gz", gzip.compress("é".encode()))
    found = dict(sc.wholeTextFiles(str(tmp_path)).collect())
    names = {name.rsplit("/", 1)[1]: text for name, text in found.items()}
    assert names == {"a.txt": "1\n2\n", "b.txt": "", "c.txt.gz": "é"}
    assert all(name.startswith("file:/") for name in found)


def test_whole_text_files_of_globs_and_lists(sc, tmp_path):
    a, b = write(tmp_path / "a.txt", "a"), write(tmp_path / "b.log", "b")
    assert sc.wholeTextFiles(str(tmp_path / "*.txt")).values().collect() == ["a"]
    assert sorted(sc.wholeTextFiles(f"{a},{b}").values().collect()) == ["a", "b"]


def test_whole_text_files_of_a_missing_path(sc, tmp_path, still_usable):
    with pytest.raises(Exception, match="no-such-dir"):
        sc.wholeTextFiles(str(tmp_path / "no-such-dir")).count()


def test_word_count(sc, tmp_path):
    path = write(tmp_path / "a.txt", "to be or\nnot to be\n")
    counts = (
        sc.textFile(path, 3)
        .flatMap(str.split)
        .map(lambda word: (word, 1))
        .reduceByKey(lambda a, b: a + b)
    )
    assert dict(counts.collect()) == {"to": 2, "be": 2, "or": 1, "not": 1}
