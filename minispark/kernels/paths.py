"""Which files a path means: comma lists, globs and directories, as Hadoop reads them.

Owns the syntax and its errors. Must not know what is in the files.

* Paths are separated by commas outside braces; `\\` takes the next character as it is.
* `*` and `?` match within a name, `[a-c]`, `[^a-c]`, `[!a-c]` one character,
  `{a,b}` either, across `/` too.
* A directory means the files directly in it. Names that start with `_` or `.` are
  skipped, even when they are given.
* Files come sorted by path within each comma-separated item. (Hadoop sorts what a glob
  matches, but takes directories in the disk's order.)
"""

from __future__ import annotations

import re

from minispark.errors import InvalidPathError, PySparkTypeError, PySparkValueError
from minispark.kernels.filesystem import FileInfo, filesystem_of, normalize, uri

__all__ = ["FileInfo", "expand_paths"]

_META = re.compile(r"[*?\[\]{}\\]")


def expand_paths(spec: str, skip_nested: bool = False) -> list[FileInfo]:
    """The files that `spec` means, empty ones included.

    Parameters
    ----------
    skip_nested
        What a directory inside a directory is: skipped (`wholeTextFiles`,
        `binaryFiles`), or an error (`textFile`).

    Raises
    ------
    InvalidPathError
        A path does not exist, or a pattern matches nothing.
    PySparkValueError
        A directory holds another one; a pattern cannot be parsed.
    """
    if not isinstance(spec, str):
        raise PySparkTypeError(
            f"A path must be a str, not {type(spec).__name__}: {spec!r}",
            "NOT_STR",
            {"arg_name": "path", "arg_type": type(spec).__name__},
        )
    items = _split_commas(spec)
    if not spec or not all(items):
        raise PySparkValueError(f"An empty path in {spec!r}", "INVALID_PATH", {"path": spec})
    return [f for item in items for f in _files_of(item, skip_nested)]


def _files_of(item: str, skip_nested: bool) -> list[FileInfo]:
    if _META.search(item):
        found = _glob(item)
        if not found:
            raise _missing(f"Input Pattern {uri(normalize(item))} matches 0 files", item)
    else:
        path = normalize(item)
        info = filesystem_of(path).status(path)
        if info is None or _is_hidden(info):
            hidden = " (names that start with _ or . are not read)" if info else ""
            raise _missing(f"Input path does not exist: {uri(path)}{hidden}", item)
        found = [info]
    files: list[FileInfo] = []
    for info in found:
        if info.is_dir:
            files += _files_in(info, skip_nested)
        else:
            files.append(info)
    return files


def _files_in(directory: FileInfo, skip_nested: bool) -> list[FileInfo]:
    try:
        inside = filesystem_of(directory.path).listing(directory.path)
    except FileNotFoundError as e:  # a link to nowhere, or removed meanwhile
        raise _missing(f"Input path does not exist: {e}", directory.path) from e
    files = []
    for info in inside:
        if _is_hidden(info):
            continue
        if not info.is_dir:
            files.append(info)
        elif not skip_nested:
            raise PySparkValueError(
                f"Path {uri(info.path)} is a directory inside an input directory, which is"
                f" not read recursively; use a pattern such as {uri(directory.path)}/*",
                "PATH_IS_DIRECTORY",
                {"path": info.path},
            )
    return files


def _missing(message: str, path: str) -> InvalidPathError:
    return InvalidPathError(message, "PATH_NOT_FOUND", {"path": path})


def _is_hidden(info: FileInfo) -> bool:
    return info.name.startswith(("_", "."))


def _glob(item: str) -> list[FileInfo]:
    found: dict[str, FileInfo] = {}
    for pattern in _expand_slash_braces(item):
        for info in _match(normalize(pattern), item):
            if not _is_hidden(info):
                found[info.path] = info
    return [found[p] for p in sorted(found)]


def _match(pattern: str, item: str) -> list[FileInfo]:
    root, names = _root_and_names(pattern)
    fs = filesystem_of(root)
    current = [FileInfo(root, 0, True)]
    for position, name in enumerate(names):
        is_last = position == len(names) - 1
        regex = _name_regex(name, item) if _META.search(name) else None
        matched: list[FileInfo] = []
        for directory in current:
            if regex is None:
                path = f"{directory.path.rstrip('/')}/{name}"
                info = fs.status(path)
                matched += [info] if info else []
            else:
                matched += [f for f in fs.listing(directory.path) if regex.fullmatch(f.name)]
        current = matched if is_last else [f for f in matched if f.is_dir]
    return current


def _root_and_names(pattern: str) -> tuple[str, list[str]]:
    if pattern.startswith("/"):
        return "/", [n for n in pattern.split("/") if n]
    scheme, _, rest = pattern.partition("://")
    host, *names = rest.split("/")
    if _META.search(host):
        raise PySparkValueError(
            f"Illegal file pattern {pattern!r}: the part after {scheme}:// is no pattern",
            "INVALID_PATTERN",
            {"pattern": pattern},
        )
    return f"{scheme}://{host}", [n for n in names if n]


def _name_regex(name: str, item: str) -> re.Pattern[str]:
    out: list[str] = []
    depth = 0
    i = 0
    while i < len(name):
        c = name[i]
        i += 1
        if c == "\\":
            if i == len(name):
                raise _illegal(item, "nothing follows the last \\")
            out.append(re.escape(name[i]))
            i += 1
        elif c == "*":
            out.append(".*")
        elif c == "?":
            out.append(".")
        elif c == "[":
            end = name.find("]", i + 1 if name[i : i + 1] not in ("^", "!") else i + 2)
            if end < 0:
                raise _illegal(item, "a [ is not closed")
            body = name[i:end]
            negate = body[0] in "^!"
            members = re.sub(r"([\\\[\]^&~|])", r"\\\1", body[1:] if negate else body)
            out.append(f"[{'^' if negate else ''}{members}]")
            i = end + 1
        elif c == "{":
            depth += 1
            out.append("(?:")
        elif c == "}" and depth:
            depth -= 1
            out.append(")")
        elif c == "," and depth:
            out.append("|")
        else:
            out.append(re.escape(c))
    if depth:
        raise _illegal(item, "a { is not closed")
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error as e:
        raise _illegal(item, str(e)) from e


def _illegal(pattern: str, why: str) -> PySparkValueError:
    return PySparkValueError(
        f"Illegal file pattern {pattern!r}: {why}", "INVALID_PATTERN", {"pattern": pattern}
    )


def _split_commas(text: str) -> list[str]:
    """Splits at the commas outside braces."""
    items = [""]
    depth = 0
    escaped = False
    for c in text:
        if escaped or c == "\\":
            escaped = not escaped
        elif c == "{":
            depth += 1
        elif c == "}":
            depth = max(0, depth - 1)
        elif c == "," and not depth:
            items.append("")
            continue
        items[-1] += c
    return items


def _expand_slash_braces(pattern: str) -> list[str]:
    """Writes out the braces that contain a `/`; the others match within a name."""
    start = -1
    depth = 0
    escaped = False
    for i, c in enumerate(pattern):
        if escaped or c == "\\":
            escaped = not escaped
        elif c == "{":
            start = i if depth == 0 else start
            depth += 1
        elif c == "}" and depth:
            depth -= 1
            if depth == 0 and "/" in pattern[start:i]:
                head, tail = pattern[:start], pattern[i + 1 :]
                alternatives = _split_commas(pattern[start + 1 : i])
                return [e for a in alternatives for e in _expand_slash_braces(head + a + tail)]
    return [pattern]
