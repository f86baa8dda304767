"""`portable_hash`: where a key is placed, the same in every process.

Owns the values: those PySpark's function of this name gives in a process that
runs under `PYTHONHASHSEED=0`. Must not know partitions, executors or how a
process got its seed.

Two kinds of process share these values:

* *seeded* (started with `PYTHONHASHSEED=0`, the executors): `hash` already gives
  them for text, bytes and dates, so common keys cost little more than `hash`;
* *unseeded* (a user's interpreter): they are computed with CPython's own keyed
  SipHash, `_imp.source_hash`, or in Python where that does not agree.

In both, what is an address is replaced or refused: `None` and NaN hash to 0, also
inside tuples, frozensets and dataclasses; an object whose hash is its address
raises. A hash method written in Python runs with `hash` bound to this module's, so
that `hash((self.a, self.b))` is portable too; one that keeps its result on the
object, or is written in C for a type not known here, runs as it is.
"""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable, Hashable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from minispark.kernels.hasherrors import NoPortableHash, refuse
from minispark.kernels.siphash import seed0_hash

__all__ = [
    "HASH_PROBE",
    "PLAIN_KINDS",
    "hash_is_seeded",
    "portable_hash",
    "str_memo",
]

_MASK = (1 << 64) - 1
_MAXSIZE = sys.maxsize
_PROBE = "minispark"
_NONE_TYPE = type(None)


def hash_is_seeded() -> bool:
    """Whether this process runs as under `PYTHONHASHSEED=0`."""
    return hash(_PROBE) == seed0_hash(_PROBE.encode())


_SEEDED = hash_is_seeded()

#: Exact types whose `hash` is portable in this process.
PLAIN_KINDS: frozenset[type] = frozenset({int, bool, UUID, Fraction, timedelta})
if _SEEDED:
    PLAIN_KINDS |= {str, bytes, date, datetime, time}

#: Not more than this many hashes of short strings are remembered (unseeded only).
_MEMO_ENTRIES = 1 << 17
_MEMO_CHARS = 64


def _hash_str(x: str) -> int:
    """The seed-0 hash of the text's code points in CPython's narrowest width."""
    try:
        return seed0_hash(x.encode("latin-1"))
    except UnicodeEncodeError:
        data = x.encode("utf-16-le", "surrogatepass")
        if len(data) != 2 * len(x):
            data = x.encode("utf-32-le", "surrogatepass")
        return seed0_hash(data)


class _StrMemo(dict[str, int]):
    """Seed-0 hashes of strings, remembered: real keys repeat."""

    def __missing__(self, key: str) -> int:
        value = _hash_str(key)
        if len(key) <= _MEMO_CHARS:
            if len(self) >= _MEMO_ENTRIES:
                self.clear()
            self[key] = value
        return value


#: What `portable_hash` says of a string, in an unseeded process.
str_memo: dict[str, int] = _StrMemo()


if _SEEDED:

    def portable_hash(x: Hashable) -> int:
        """The value that places `x`: equal in all processes, and PySpark's.

        Raises
        ------
        PySparkTypeError
            `x`, or something inside it, has no hash or only its address.

        Examples
        --------
        >>> portable_hash(None)
        0
        >>> portable_hash((None, 1)) & 0xffffffff
        219750521
        """
        if type(x) in PLAIN_KINDS:
            return hash(x)
        return _hash_key(x)

else:

    def portable_hash(x: Hashable) -> int:
        """The value that places `x`: equal in all processes, and PySpark's.

        Raises
        ------
        PySparkTypeError
            `x`, or something inside it, has no hash or only its address.

        Examples
        --------
        >>> portable_hash(None)
        0
        >>> portable_hash((None, 1)) & 0xffffffff
        219750521
        """
        if type(x) is str:
            return str_memo[x]
        if type(x) in PLAIN_KINDS:
            return hash(x)
        return _hash_key(x)


def _hash_key(x: object) -> int:
    if type(x) is float:
        return hash(x) if x == x else 0
    try:
        return _hash_pyspark_tuple(x) if isinstance(x, tuple) else _stable_hash(x)
    except NoPortableHash as e:
        refuse(x, e)


def _hash_nested(x: object) -> int:
    """PySpark's rule: `None` is 0, tuples by its own formula, the rest by `hash`."""
    if isinstance(x, tuple):
        return _hash_pyspark_tuple(x)
    return _stable_hash(x)


def _hash_pyspark_tuple(x: tuple[Any, ...]) -> int:
    h = 0x345678
    for item in x:
        t = type(item)
        if t in PLAIN_KINDS:
            h ^= hash(item)
        elif t is str:  # unseeded only
            h ^= str_memo[item]
        else:
            h ^= _hash_nested(item)
        h = (h * 1000003) & _MAXSIZE
    return h ^ len(x)


def _stable_hash(x: object) -> int:
    """What `hash(x)` is under seed 0, with `None` and NaN as 0."""
    rule = _rules.get(type(x))
    if rule is None:
        if len(_rules) >= _MAX_RULES:
            _rules.clear()
        rule = _rules[type(x)] = _find_rule(type(x))
    return rule(x)


def _hash_bytes(x: bytes) -> int:
    return seed0_hash(x)


def _hash_memoryview(x: memoryview) -> int:
    _plain_or_raise(x)  # a writable view has no hash
    return seed0_hash(x.tobytes())


def _hash_number(x: Any) -> int:
    # Before hash(): a NaN's is its address, a signalling NaN has none.
    if (isinstance(x, Decimal) and x.is_nan()) or x != x:
        return 0
    return hash(x)


def _hash_date(x: Any) -> int:
    return seed0_hash(x.__reduce__()[1][0])


def _hash_time(x: Any) -> int:
    """Aware values hash by their UTC instant, a number; naive ones by their bytes."""
    if x.utcoffset() is not None:
        return hash(x)
    return seed0_hash(x.replace(fold=0).__reduce_ex__(2)[1][0])


def _hash_timestamp(x: Any) -> int:
    """pandas' Timestamp: as a datetime unless it has nanoseconds; NaT is not equal to itself."""
    if x != x:
        return 0
    return hash(x) if x.nanosecond else _hash_time(x.to_pydatetime())


def _hash_none(x: None) -> int:
    return 0


def _hash_range(x: range) -> int:
    n = len(x)
    return _hash_tuple((n, x.start if n else None, x.step if n > 1 else None))


def _hash_tuple(x: tuple[Any, ...]) -> int:
    """CPython's own hash of a tuple (xxHash), which frozensets and dataclasses use."""
    if _all_plain(x):
        return hash(x)
    acc = 2870177450012600261
    for item in x:
        acc = (acc + (_stable_hash(item) & _MASK) * 14029467366897019727) & _MASK
        acc = ((acc << 31 | acc >> 33) * 11400714785074694791) & _MASK
    acc = (acc + (len(x) ^ 2870177450012600261 ^ 3527539)) & _MASK
    return 1546275796 if acc == _MASK else _signed(acc)


def _hash_frozenset(x: frozenset[Any]) -> int:
    """CPython's own hash of a frozenset."""
    if _all_plain(x):
        return hash(x)
    acc = 0
    for item in x:
        h = _stable_hash(item) & _MASK
        acc ^= ((h ^ 89869747) ^ (h << 16)) * 3644798167 & _MASK
    acc ^= (len(x) + 1) * 1927868237
    acc ^= (acc >> 11) ^ (acc >> 25)
    acc = (acc * 69069 + 907133923) & _MASK
    return 590923713 if acc == _MASK else _signed(acc)


def _signed(h: int) -> int:
    return h - (1 << 64) if h >> 63 else h


def _all_plain(items: Iterable[Any]) -> bool:
    return all(type(i) in PLAIN_KINDS for i in items)


def _plain_or_raise(x: object) -> int:
    try:
        return hash(x)
    except (TypeError, ValueError) as e:  # ValueError: a writable memoryview
        raise NoPortableHash(x, str(e)) from e


def _address(x: object) -> int:
    raise NoPortableHash(
        x,
        "its hash is its address, which differs in every process; give its class"
        " __eq__ and __hash__, or use a key of plain values",
    )


_MAX_RULES = 10_000
#: The rule of each type met so far.
_rules: dict[type, Callable[[Any], int]] = {}

#: Rules by the method that gives the hash, so that subclasses inherit them.
_BY_METHOD: tuple[tuple[type, Callable[[Any], int]], ...] = (
    (int, hash),
    (str, hash if _SEEDED else _hash_str),
    (bytes, hash if _SEEDED else _hash_bytes),
    (float, _hash_number),
    (complex, _hash_number),
    (Decimal, _hash_number),
    (tuple, _hash_tuple),
    (frozenset, _hash_frozenset),
    (_NONE_TYPE, _hash_none),
    (datetime, _hash_time),
    (date, _hash_date),
    (time, _hash_time),
    (timedelta, hash),
    (UUID, hash),
    (Fraction, hash),
    (memoryview, _hash_memoryview),
    (range, _hash_range),
)

_ADDRESS_TYPES = (types.BuiltinFunctionType, types.MethodType, types.MethodWrapperType)


def _find_rule(t: type) -> Callable[[Any], int]:
    if t is _NONE_TYPE:
        return _hash_none  # its method is object's before 3.12
    method: Any = t.__hash__
    if method is object.__hash__ or issubclass(t, _ADDRESS_TYPES):
        return _address
    for base, rule in _BY_METHOD:
        if method == base.__hash__:
            return rule
    # Not imported here, for the time it takes: whoever has a path has the module.
    pathlib = sys.modules.get("pathlib")
    if pathlib is not None and issubclass(t, pathlib.PurePath):
        return _hash_path
    package = t.__module__.partition(".")[0]
    if package == "numpy":
        return _numpy_rule(t)
    if package == "pandas" and issubclass(t, datetime):
        return _hash_timestamp
    if isinstance(method, types.FunctionType):
        return _rebound(method)
    return _plain_or_raise


def _numpy_rule(t: type) -> Callable[[Any], int]:
    if issubclass(t, str):
        return lambda x: portable_hash(str(x))
    if issubclass(t, bytes):
        return lambda x: portable_hash(bytes(x))
    if t.__name__ == "void":  # a record: numpy hashes it as a tuple
        return lambda x: _stable_hash(x.item()) if x.dtype.names else _plain_or_raise(x)
    if t.__name__ == "ndarray":
        return _plain_or_raise
    return _hash_number


def _hash_path(x: Any) -> int:
    # Paths remember their hash; work on a fresh one, to leave this one's alone.
    fresh = type(x)(str(x))
    return hash(fresh) if _SEEDED else _rebind(type(x).__hash__)(fresh)


def _rebound(method: types.FunctionType) -> Callable[[Any], int]:
    """The user's `__hash__` with `hash` as in this module."""
    code = method.__code__
    if "hash" not in code.co_names or "hash" in method.__globals__ or _stores(code):
        return _plain_or_raise
    portable = _rebind(method)

    def rule(x: object) -> int:
        try:
            return _truncated(portable(x))
        except TypeError as e:
            raise NoPortableHash(x, str(e)) from e

    return rule


def _stores(code: types.CodeType) -> bool:
    """Whether it keeps something: a hash kept for dictionaries must be theirs."""
    return any(i.opname in ("STORE_ATTR", "STORE_SUBSCR") for i in dis.get_instructions(code))


def _rebind(method: Any) -> Callable[[Any], int]:
    f = types.FunctionType(
        method.__code__,
        {**method.__globals__, "hash": _stable_hash},
        method.__name__,
        method.__defaults__,
        method.__closure__,
    )
    f.__kwdefaults__ = method.__kwdefaults__
    return f


def _truncated(h: int) -> int:
    """As `hash` treats what `__hash__` returns."""
    if -(1 << 63) <= h < 1 << 63:
        return -2 if h == -1 else h
    return hash(h)


#: What a process reports to be compared: differs where hashing differs (SipHash13
#: since Python 3.11, SipHash24 before), never between seeded and unseeded.
HASH_PROBE: int = portable_hash((_PROBE, _PROBE.encode(), None, 1.5, date(2000, 1, 1)))
