"""The workloads, by family: functions of `(sc, data, scale)` in the common RDD API.

They use only what PySpark has, too, so the same code runs on every engine, and
return small answers (or large ones on purpose) that are compared.
"""

from __future__ import annotations

from benchmarks.model import Workload
from benchmarks.workloads import dispatch, iterative, keyed, memory, narrow, text, transfer

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for family in (text, narrow, keyed, iterative, memory, transfer, dispatch)
    for workload in family.WORKLOADS
}
