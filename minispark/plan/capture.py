"""Capturing: functions are pickled when PySpark pickles them, then kept.

Scripts depend on both sides of this rule. A global assigned after `.map(f)`
and before the action is seen by the tasks; a loop variable captured by lambdas
whose RDDs are unioned inside the loop is not overwritten by later turns. So
the first action, shuffle, union, join, zip, cartesian, coalesce or sort that
touches an RDD captures the run of narrow steps that ends there (PySpark's
`PipelinedRDD._jrdd`); another RDD derived from it captures its own run anew.
"""

from __future__ import annotations

import threading

from minispark.closures import dumps_closure
from minispark.plan.expressions import expression_of
from minispark.plan.nodes import Captured, MapPartitions, Node
from minispark.plan.steps import Step

_lock = threading.Lock()


def capture(node: Node) -> None:
    """Pickles the run of narrow steps that ends at `node`, once.

    Raises
    ------
    PySparkPicklingError
        A function, or something it refers to, cannot be shipped.
    """
    if not isinstance(node, MapPartitions) or node.info.captured is not None:
        return
    steps: list[Step] = [node.step]
    base = node.parent
    while isinstance(base, MapPartitions) and not (base.is_persisted or base.is_checkpointed):
        steps.append(base.step)
        base = base.parent
    steps.reverse()
    expressions = tuple(expression_of(getattr(step, "f", None)) for step in steps)
    blob = dumps_closure((tuple(steps), expressions), node.info.call_site)
    captured = Captured(blob, base, tuple(type(s).__name__ for s in steps))
    with _lock:
        # Another thread may have been faster, and plans be made of what it captured.
        if node.info.captured is None:
            node.info.captured = captured
