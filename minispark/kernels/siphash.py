"""CPython's hash of bytes under `PYTHONHASHSEED=0`, in any process.

Owns the choice between the interpreter's own keyed SipHash and one written in
Python. Must not know what the bytes mean.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

_MASK = (1 << 64) - 1

#: The seed-0 hash of this text by algorithm, recorded from CPython.
_SELF_TEST = b"minispark"
_EXPECTED = {"siphash13": -2774307303297692517, "siphash24": 1566919430236700130}

#: Rounds per word and at the end: SipHash13 since Python 3.11, SipHash24 before.
_ROUNDS = {"siphash13": (1, 3), "siphash24": (2, 4)}


def siphash(data: bytes, algorithm: str) -> int:
    """SipHash with a zero key, as a signed 64-bit integer."""
    per_word, at_end = _ROUNDS[algorithm]
    v = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    n = len(data)
    tail = n - n % 8
    for i in range(0, tail, 8):
        v = _absorb(v, int.from_bytes(data[i : i + 8], "little"), per_word)
    v = _absorb(v, (n & 0xFF) << 56 | int.from_bytes(data[tail:], "little"), per_word)
    a, b, c, d = _rounds((v[0], v[1], v[2] ^ 0xFF, v[3]), at_end)
    h = a ^ b ^ c ^ d
    return h - (1 << 64) if h >> 63 else h


_State = tuple[int, int, int, int]


def _absorb(v: _State, word: int, rounds: int) -> _State:
    a, b, c, d = _rounds((v[0], v[1], v[2], v[3] ^ word), rounds)
    return a ^ word, b, c, d


def _rounds(v: _State, n: int) -> _State:
    a, b, c, d = v
    for _ in range(n):
        a = (a + b) & _MASK
        b = ((b << 13 | b >> 51) & _MASK) ^ a
        a = (a << 32 | a >> 32) & _MASK
        c = (c + d) & _MASK
        d = ((d << 16 | d >> 48) & _MASK) ^ c
        a = (a + d) & _MASK
        d = ((d << 21 | d >> 43) & _MASK) ^ a
        c = (c + b) & _MASK
        b = ((b << 17 | b >> 47) & _MASK) ^ c
        c = (c << 32 | c >> 32) & _MASK
    return a, b, c, d


def _choose() -> Callable[[bytes], int]:
    """The interpreter's implementation where it passes the self-test."""
    algorithm = sys.hash_info.algorithm
    if algorithm not in _ROUNDS:
        algorithm = "siphash13"
    expected = _EXPECTED[algorithm]
    try:
        from _imp import source_hash
    except ImportError:
        return lambda data: siphash(data, algorithm)
    from_bytes = int.from_bytes

    def native(data: bytes) -> int:
        return from_bytes(source_hash(0, data), "little", signed=True)

    if native(_SELF_TEST) == expected:
        return native
    return lambda data: siphash(data, algorithm)


_sip = _choose()


def seed0_hash(data: bytes) -> int:
    """`hash(data)` as it is under `PYTHONHASHSEED=0`."""
    if not data:
        return 0
    h = _sip(data)
    return -2 if h == -1 else h
