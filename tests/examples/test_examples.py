"""The examples as users run them: scripts, checked against plain Python."""

from __future__ import annotations

import collections
import gzip
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MASTERS = ["local", pytest.param("local[2]", marks=pytest.mark.ray)]

CRAFTED = [
    '1.1.1.1 - - [01/Jan/2024:00:00:01 +0000] "GET / HTTP/1.1" 200 10 "-" "a browser"',
    '1.1.1.1 - - [01/Jan/2024:00:59:59 +0000] "GET /blog/a.html?x=1 HTTP/1.1" 200 20 "-" "b"',
    '2.2.2.2 - - [01/Jan/2024:13:00:00 +0000] "GET /blog/b.html HTTP/1.1" 404 - "-" "b"',
    '2.2.2.2 - - [02/Jan/2024:13:00:00 +0000] "GET /blog/b.html HTTP/1.1" 404 5 "-" "q \\" q"',
    '3.3.3.3 - - [02/Jan/2024:14:00:00 +0000] "POST /api/v1 HTTP/1.1" 500 7 "-" "c"',
    "",
    "nonsense",
    '3.3.3.3 - - [02/Jan/2024:14:00:00 +0000] "GET /cut/of',
]


def load(name: str) -> ModuleType:
    """An example's functions, without its neighbours on `sys.path`."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(EXAMPLES))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXAMPLES))
    return module


def run(name: str, *arguments: object, cwd: Path, master: str = "local") -> str:
    """The standard output of one example; it must end with exit code 0."""
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), "--master", master, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def table(text: str, title: str) -> list[list[str]]:
    """The cells of the lines below a title of the report, header left out."""
    lines = text.split(f"{title}\n{'-' * len(title)}\n")[1].split("\n\n")[0].splitlines()
    return [line.split() for line in lines[1:]]


def number(cell: str) -> int:
    return int(cell.replace(",", ""))


def test_logs_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    generate = load("generate_logs").generate
    first = generate(tmp_path / "a", lines=2000, files=3)
    second = generate(tmp_path / "b", lines=2000, files=3)
    other = generate(tmp_path / "c", lines=2000, files=3, seed=1)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert first[0].read_bytes() != other[0].read_bytes()
    assert [p.name for p in first] == ["access-01.log", "access-02.log", "access-03.log.gz"]


def test_logs_have_a_few_malformed_lines(tmp_path: Path) -> None:
    parse = load("access_log").parse
    *plain, zipped = load("generate_logs").generate(tmp_path, lines=5000, files=3)
    data = b"".join(p.read_bytes() for p in plain) + gzip.decompress(zipped.read_bytes())
    lines = data.decode("utf-8", "replace").splitlines()
    malformed = sum(parse(line) is None for line in lines)
    assert len(lines) == 5000
    assert 0.02 < malformed / len(lines) < 0.04


@pytest.mark.parametrize("line", CRAFTED[5:])
def test_malformed_lines_do_not_parse(line: str) -> None:
    assert load("access_log").parse(line) is None


@pytest.mark.parametrize("master", MASTERS)
def test_access_log_answers(master: str, tmp_path: Path) -> None:
    log = tmp_path / "crafted.log"
    log.write_text("\n".join(CRAFTED) + "\n", encoding="utf-8")
    out = run("access_log", "--output", tmp_path / "out", log, cwd=tmp_path, master=master)
    assert table(out, "Requests per status") == [
        ["200", "2", "40.00%"],
        ["404", "2", "40.00%"],
        ["500", "1", "20.00%"],
    ]
    assert "3 of 8 lines" in out
    assert table(out, "Top failing URLs") == [["2", "404", "/blog/b.html"], ["1", "500", "/api/v1"]]
    assert table(out, "Bytes per hour")[1:] == [
        ["2024-01-01", "00:00", "30"],
        ["2024-01-02", "14:00", "7"],
        ["2024-01-02", "13:00", "5"],
        ["2024-01-01", "13:00", "0"],
    ]
    assert table(out, "Visitors per day") == [["2024-01-01", "2"], ["2024-01-02", "2"]]
    assert table(out, "Traffic per owner") == [
        ["editorial", "office", "3", "25"],
        ["(nobody)", "1", "10"],
        ["platform", "team", "1", "7"],
    ]
    written = sorted((tmp_path / "out" / "run-001" / "requests").glob("part-*"))
    cleaned = "".join(p.read_text("utf-8") for p in written).splitlines()
    assert len(cleaned) == 5
    assert "1.1.1.1\t2024-01-01\t00\tGET\t/blog/a.html\t200\t20" in cleaned
    assert (tmp_path / "out" / "run-001" / "report.txt").read_text("utf-8") in out


def test_access_log_reads_generated_logs_and_never_overwrites(tmp_path: Path) -> None:
    access_log, generated = load("access_log"), tmp_path / "logs"
    *plain, zipped = load("generate_logs").generate(generated, lines=3000)
    data = b"".join(p.read_bytes() for p in plain) + gzip.decompress(zipped.read_bytes())
    parsed = [access_log.parse(line) for line in data.decode("utf-8", "replace").splitlines()]
    requests: list[Any] = [request for request in parsed if request]
    statuses = collections.Counter(str(request.status) for request in requests)
    visitors = collections.Counter(day for day, _ in {(r.day, r.host) for r in requests})

    for turn in ("run-001", "run-002"):
        out = run("access_log", "--output", tmp_path / "out", generated, cwd=tmp_path)
        assert str(tmp_path / "out" / turn) in out
    shown = table(out, "Requests per status")
    assert {status: number(count) for status, count, _ in shown} == statuses
    assert {day: number(count) for day, count in table(out, "Visitors per day")} == visitors
    assert f"{3000 - len(requests):,} of 3,000 lines" in out
    assert len(re.findall(r"^    '", out, re.MULTILINE)) == 3


def test_access_log_names_a_missing_file(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / "access_log.py"), "--master", "local", "no-such.log"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode != 0
    assert "no-such.log" in ran.stderr


@pytest.mark.parametrize("master", MASTERS)
def test_word_count(master: str, tmp_path: Path) -> None:
    lines = load("wordcount").made_up_lines(500)
    words = collections.Counter(w for line in lines for w in re.findall(r"\w+", line.lower()))
    best = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:10]
    out = run("wordcount", "--lines", 500, cwd=tmp_path, master=master).splitlines()
    assert out[0].startswith(f"{sum(words.values()):,} words, {len(words):,} different ones")
    assert [line.split() for line in out[1:]] == [[f"{n:,}", word] for word, n in best]


def test_word_count_of_a_file(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not\nto be\n", encoding="utf-8")
    out = run("wordcount", "--top", 2, text, cwd=tmp_path)
    assert [line.split() for line in out.splitlines()[1:]] == [["2", "be"], ["2", "to"]]


def plain_pagerank(edges: list[str], iterations: int) -> dict[str, float]:
    """The same recurrence in plain Python."""
    links: dict[str, set[str]] = collections.defaultdict(set)
    for edge in edges:
        page, linked = edge.split()
        links[page].add(linked)
    ranks = dict.fromkeys(links, 1.0)
    for _ in range(iterations):
        given: dict[str, float] = collections.defaultdict(float)
        for page in links.keys() & ranks.keys():
            for linked in links[page]:
                given[linked] += ranks[page] / len(links[page])
        ranks = {page: 0.15 + 0.85 * total for page, total in given.items()}
    return ranks


@pytest.mark.parametrize("master", MASTERS)
def test_pagerank(master: str, tmp_path: Path) -> None:
    ranks = plain_pagerank(load("pagerank").made_up_edges(200), 4)
    out = run("pagerank", "--pages", 200, "--iterations", 4, cwd=tmp_path, master=master)
    first, *rest = out.splitlines()
    assert float(first.split()[-1]) == pytest.approx(sum(ranks.values()), abs=1e-3)
    assert len(rest) == 10
    for line in rest:
        rank, page = line.split()
        assert float(rank) == pytest.approx(ranks[page], abs=1e-3)


@pytest.mark.parametrize("master", MASTERS)
def test_kmeans_finds_the_hidden_centres(master: str, tmp_path: Path) -> None:
    out = run("kmeans", "--count", 2000, "--iterations", 6, cwd=tmp_path, master=master)
    rows = [line.split() for line in out.splitlines()[1:]]
    found = [(float(x), float(y)) for x, y, _, _ in rows]
    hidden = [(-5.0, 5.0), (1.0, 1.0), (4.0, 9.0), (8.0, 2.0)]
    assert [coordinate for point in found for coordinate in point] == pytest.approx(
        [coordinate for point in hidden for coordinate in point], abs=0.2
    )
    assert sum(number(count) for _, _, count, _ in rows) == 2000


@pytest.mark.parametrize(
    "master", ["local-process[3]", pytest.param("local[3]", marks=pytest.mark.ray)]
)
def test_lineage_recovery(master: str, tmp_path: Path) -> None:
    assert run("lineage_recovery", cwd=tmp_path, master=master).splitlines()[-1] == "recovered"
