"""The C twins of hot loops, where they were built.

`NATIVE` is the module of them, or None: without a compiler when the package was installed,
and where MINISPARK_PURE_PYTHON is set. Every caller has the same loop in Python, which is
what counts as right; results are equal to the last bit, so processes with and without can
work on one job.

* `scatter(keys, values, key_hands, value_hands, kinds, others)` appends each pair of two lists to
  the lists of the key's place, its portable hash modulo their number, up to the first key that it
  cannot place; says how many those were. It can place keys of exactly the types in `kinds`, whose
  `hash` is portable; with `others` also None, exact floats, and exact tuples of all these.
* `deal(keys, hands, kinds, others)` does the same with keys alone.
* `group(table, keys, values)` appends each value to the list of its key, made where it is missing.
* `keep(table, keys)` adds the keys that are not there, with None.
* `merge_numbers(values, start, n, mu, m2, high, low)` takes exact ints and floats from a position
  on into running statistics, up to the first value of another type; gives its position, and the
  five numbers.
"""

from __future__ import annotations

import os
from types import ModuleType

#: Set, the loops in Python are used whatever is there.
SWITCH = "MINISPARK_PURE_PYTHON"


def _load() -> ModuleType | None:
    if os.environ.get(SWITCH, "0") != "0":
        return None
    try:
        from minispark.kernels import _native
    except ImportError:
        return None
    return _native


NATIVE = _load()
