"""Where minispark answers otherwise than PySpark on purpose, and why.

The keys are (probe, place in its list). `docs/migrating-from-pyspark.md` tells
users what matters of it.
"""

from __future__ import annotations

_AT_THE_CALL = "a bad argument is refused at the call"
_KIND = "a clearer kind of error than an attribute or an index that is missing"
_NO_PARTITIONS = "an RDD without partitions has an answer, as one with empty partitions"
_NOT_A_PAIR = "a record that is not a pair is named, where PySpark drops members or unpacks"
_NUMPY = "Python's floats, where PySpark gives numpy's"
_KEY_FUNCTION = "the bounds are compared by the key function, PySpark's by the bare keys"
_ZERO = "the caller's zero value is never changed"

DIFFERENT: dict[tuple[str, int], str] = {
    ("placement.parallelize_wrong", 3): _AT_THE_CALL,
    **{("placement.empty", place): _NO_PARTITIONS for place in (14, 16, 22, 34)},
    ("placement.coalesce_wrong", 3): _AT_THE_CALL,
    ("placement.union_wrong", 2): _KIND,
    ("placement.union_wrong", 3): _KIND,
    ("placement.cartesian_of_shuffled", 1): "the batches of PySpark's shuffle files: ADR 0020",
    ("placement.zips_that_do_not_fit", 4): _KIND,
    ("ordering.sort_by_key", 6): _KEY_FUNCTION,
    ("ordering.sort_by_key", 7): _KEY_FUNCTION,
    ("ordering.sort_odd_keys", 12): _AT_THE_CALL,
    ("ordering.samples_by_key", 3): "a ValueError, where PySpark asserts",
    ("keyed.placing_of_odd_keys", 11): _AT_THE_CALL,
    ("keyed.not_pairs", 4): _NOT_A_PAIR,
    ("keyed.not_pairs", 5): _NOT_A_PAIR,
    ("keyed.not_pairs", 6): _NOT_A_PAIR,
    ("keyed.not_pairs", 8): _NOT_A_PAIR,
    ("keyed.not_pairs", 10): _NOT_A_PAIR,
    ("keyed.not_pairs", 11): _NOT_A_PAIR,
    ("keyed.joins", 15): _KIND,
    **{("numeric.statistics", place): _NUMPY for place in (0, 1, 2, 4, 5, 6)},
    ("numeric.folds", 4): _ZERO,
    ("numeric.folds", 8): "no record is counted twice, which a changed zero value does",
    ("numeric.folds", 9): _ZERO,
    **{
        ("handles.broadcasts", place): "a RuntimeError, where PySpark raises another of its own"
        for place in (6, 7)
    },
}
