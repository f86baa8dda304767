"""What is in the files beside this one, which the real PySpark wrote (see `make.py`)."""

from __future__ import annotations

from typing import Any

#: Pairs of one pair of classes each, as they come back: bytes as bytearray.
TYPES: dict[str, list[tuple[Any, Any]]] = {
    "text": [("", "a"), ("ü€😀", "\x00"), ("x" * 127, "y" * 128), ("é" * 60, "z" * 300)],
    "bytes": [(bytearray(), bytearray(b"\x00\xff")), (bytearray(b"k"), bytearray(bytes(256)))],
    "int": [(0, -1), (2**31 - 1, -(2**31)), (-112, 127)],
    "long": [(2**31, -(2**31) - 1), (2**63 - 1, -(2**63))],
    "double": [(0.1, -0.0), (float("inf"), 5e-324), (1.7976931348623157e308, float("-inf"))],
    "boolean": [(True, False), (False, True)],
    "null": [(None, None), (None, None)],
    "map": [
        (1, {"a": 1, 2: 3.5, "n": None, "b": bytearray(b"x"), "t": True, "l": 2**40}),
        (2, {}),
        (-3, {"m": {"deep": {"er": 1.5}}, False: "no"}),
    ],
}

#: About 2.5 blocks of what compresses well.
BLOCKS: list[tuple[Any, Any]] = [(n, f"{n % 7}" * 500) for n in range(5000)]

SMALL: list[tuple[Any, Any]] = [(f"k{n}", n * n) for n in range(40)]

BLOCK_CODECS = (
    "DefaultCodec",
    "DeflateCodec",
    "GzipCodec",
    "BZip2Codec",
    "SnappyCodec",
    "Lz4Codec",
)
RECORD_CODECS = ("DefaultCodec", "BZip2Codec")

#: For `saveAsPickleFile`, by batch size.
PICKLED: list[Any] = [1, "two", (3, None), {"four": 4.0}, [b"five"], 2**70, True, *range(300)]
BATCH_SIZES = (10, 1, 0, -1)


def files() -> dict[str, list[Any]]:
    """The records of each file, by its name."""
    found: dict[str, list[Any]] = {f"{name}.seq": pairs for name, pairs in TYPES.items()}
    found |= {f"block-{codec}.seq": SMALL for codec in BLOCK_CODECS}
    found |= {f"record-{codec}.seq": SMALL for codec in RECORD_CODECS}
    found["blocks.seq"] = BLOCKS
    return found
