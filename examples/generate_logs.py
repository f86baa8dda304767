"""Makes web access logs in Combined Log Format, the same ones for the same seed.

Run it as a script, or call `generate(directory, lines=...)`. The logs look like
those of a small site over a week: Zipf-like URLs, a daily rhythm, crawlers,
missing pages, a few server errors, and about three lines in a hundred that are
broken in the ways real ones are: cut off, joined, of another format, not UTF-8.
The last file is compressed with gzip.
"""

from __future__ import annotations

import argparse
import bisect
import gzip
import itertools
import random
from pathlib import Path

MALFORMED_SHARE = 0.03
DAYS = 7

SECTIONS = {
    "blog": (60, "/blog/{0:04d}.html"),
    "images": (40, "/images/photo-{0:03d}.png"),
    "articles": (30, "/articles/{0:03d}/index.html"),
    "projects": (20, "/projects/p{0:02d}/"),
    "api": (12, "/api/v1/items/{0}"),
    "admin": (4, "/admin/page-{0}"),
}
FIXED_PATHS = ["/", "/favicon.ico", "/style.css", "/robots.txt", "/search?q=spark", "/feed.xml"]
MISSING_PATHS = ["/wp-login.php", "/blog/old.html", "/images/gone.gif", "/.env", "/admin/setup"]
BROWSERS = [
    "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/32.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) Gecko/20100101 Firefox/27.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 7_0 like Mac OS X) AppleWebKit/537.51 Safari/9537.53",
]
BOTS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Sogou web spider/4.0",
]
#: Share of a day's requests in each hour: quiet nights, busy evenings.
HOUR_WEIGHTS = [2, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 9, 9, 8, 8, 8, 9, 10, 11, 12, 12, 10, 7, 4]


class Weighted:
    """Draws items by weight, quickly: `random.choices` without its set-up per call."""

    def __init__(self, rng: random.Random, items: list[str], weights: list[float]) -> None:
        self._random = rng.random
        self._items = items
        self._bounds = list(itertools.accumulate(weights))

    def draw(self) -> str:
        at = self._random() * self._bounds[-1]
        return self._items[min(bisect.bisect(self._bounds, at), len(self._items) - 1)]


def _zipf(count: int) -> list[float]:
    return [1.0 / (rank + 1) for rank in range(count)]


class LogMaker:
    """The state of one seeded run; `line(position)` makes the next line."""

    def __init__(self, seed: int) -> None:
        rng = self.rng = random.Random(seed)
        paths = [
            template.format(number)
            for pages, template in SECTIONS.values()
            for number in range(1, pages + 1)
        ]
        rng.shuffle(paths)
        paths = FIXED_PATHS + paths
        self.path = Weighted(rng, paths, _zipf(len(paths)))
        visitors = [
            f"{rng.randint(11, 223)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{i % 254 + 1}"
            for i in range(4000)
        ]
        self.visitor = Weighted(rng, visitors, [1.0 / (rank + 20) for rank in range(4000)])
        self.crawlers = [f"66.249.73.{i}" for i in range(1, 9)]
        self.hour = Weighted(
            rng, [f"{hour:02d}" for hour in range(24)], [float(w) for w in HOUR_WEIGHTS]
        )

    def line(self, position: float) -> str:
        """The line at `position` (0 to 1) of the week."""
        rng = self.rng
        good = self._request(position)
        return good if rng.random() >= MALFORMED_SHARE else self._broken(good)

    def _request(self, position: float) -> str:
        rng = self.rng
        draw = rng.random()
        is_bot = draw < 0.12
        host = rng.choice(self.crawlers) if is_bot else self.visitor.draw()
        agent = rng.choice(BOTS if is_bot else BROWSERS)
        day = 4 + int(position * DAYS)
        time = f"{self.hour.draw()}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
        path, method, status = self.path.draw(), "GET", "200"
        outcome = rng.random()
        if outcome < 0.035:
            path, status = rng.choice(MISSING_PATHS), "404"
        elif outcome < 0.08:
            status = "304"
        elif outcome < 0.10:
            status = "301"
        elif outcome < 0.108:
            status = "500"
        elif outcome < 0.112:
            status = "403"
        elif outcome < 0.13:
            method = "POST"
        size = "-" if status == "304" else str(int(rng.lognormvariate(9.0, 1.4)))
        referrer = "-" if draw > 0.5 or is_bot else "http://www.example.com/"
        return (
            f"{host} - - [{day:02d}/May/2015:{time} +0000] "
            f'"{method} {path} HTTP/1.1" {status} {size} "{referrer}" "{agent}"'
        )

    def _broken(self, line: str) -> str:
        kind = self.rng.randrange(5)
        if kind == 0:
            return line[: self.rng.randint(10, 60)]
        if kind == 1:
            return line[:-1]
        if kind == 2:
            return f"[error] client {line.split()[0]}: File does not exist"
        if kind == 3:
            return line.replace("/May/", "-05-", 1)
        return "\udcff\udcfe" + line[40:80]


def generate(
    directory: Path, lines: int = 300_000, files: int = 6, seed: int = 20150517
) -> list[Path]:
    """Writes `lines` log lines to `files` files in `directory`; returns their paths."""
    if lines < 1 or files < 1:
        raise ValueError(f"lines and files must be at least 1, got {lines} and {files}")
    directory.mkdir(parents=True, exist_ok=True)
    maker = LogMaker(seed)
    paths = []
    for index in range(files):
        first, last = lines * index // files, lines * (index + 1) // files
        text = "".join(maker.line(number / lines) + "\n" for number in range(first, last))
        data = text.encode("utf-8", "surrogateescape")
        path = directory / f"access-{index + 1:02d}.log"
        if index == files - 1:
            path = path.with_name(path.name + ".gz")
            data = gzip.compress(data, mtime=0)
        path.write_bytes(data)
        paths.append(path)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes web access logs to try things out on.")
    parser.add_argument("directory", type=Path, help="where the log files go")
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--files", type=int, default=6, help="the last one is gzipped")
    parser.add_argument("--seed", type=int, default=20150517)
    args = parser.parse_args()
    for path in generate(args.directory, args.lines, args.files, args.seed):
        print(path)


if __name__ == "__main__":
    main()
