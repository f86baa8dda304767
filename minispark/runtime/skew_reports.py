"""Tells the user, once per line of the program, that a shuffle is skewed.

Looks at a shuffle's sizes when its first reader starts, on the janitor's
thread. Must not know: how sizes are judged (`scheduler.skew`).
"""

from __future__ import annotations

import logging

from minispark.ids import ShuffleId
from minispark.plan.nodes import CoGroup, Exchange, Node, Shuffle
from minispark.runtime.janitor import Janitor
from minispark.scheduler import skew
from minispark.scheduler.map_outputs import MapOutputs
from minispark.scheduler.skew import Skew

log: logging.Logger = logging.getLogger("minispark")

_ADVICE = (
    "If one key has so many records: reduceByKey or aggregateByKey instead of groupByKey; "
    "a broadcast of the small side instead of a join; or a random part added to the key, "
    "combined in two steps. If several keys met there, another number of partitions helps."
)


def describe_skew(found: Skew) -> str:
    """What is skewed, in words."""
    return (
        f"partition {found.partition} of {found.num_partitions} gets "
        f"{found.num_bytes / 1e6:.0f} MB of the {found.total_bytes / 1e6:.0f} MB, "
        f"the median one {found.median_bytes / 1e6:.1f} MB"
    )


class SkewReports:
    """Under the driver's lock, but for `_look`."""

    def __init__(self, outputs: MapOutputs, janitor: Janitor) -> None:
        self._outputs = outputs
        self._janitor = janitor
        self._seen: set[ShuffleId] = set()
        #: Lines of the program that were reported.
        self._told: set[str] = set()

    def reading(self, shuffle_id: ShuffleId, reader: Node) -> None:
        """A task of the stage that ends at `reader` reads the shuffle."""
        if shuffle_id in self._seen:
            return
        self._seen.add(shuffle_id)
        statuses = self._outputs.statuses(shuffle_id)
        if sum(s.total_bytes for s in statuses if s is not None) >= skew.MIN_BYTES:
            self._janitor.put(lambda: self._look(shuffle_id, skew.find_skew(statuses), reader))

    def _look(self, shuffle_id: ShuffleId, found: Skew | None, reader: Node) -> None:
        line = _call_site(shuffle_id, reader)
        if found is not None and line not in self._told:
            self._told.add(line)
            log.warning("%s: %s; one task has most to do. %s", line, describe_skew(found), _ADVICE)

    def of(self, shuffle_id: ShuffleId) -> Skew | None:
        """The skew of a shuffle whose outputs exist."""
        return skew.find_skew(self._outputs.statuses(shuffle_id))

    def forget(self, shuffle_id: ShuffleId) -> None:
        """The shuffle is gone."""
        self._seen.discard(shuffle_id)


def _call_site(shuffle_id: ShuffleId, reader: Node) -> str:
    """The line of the program that made the shuffle."""
    stack, seen = [reader], {reader.id}
    while stack:
        node = stack.pop()
        sources: tuple[Exchange | Node, ...] = ()
        if isinstance(node, Shuffle):
            sources = (node.exchange,)
        elif isinstance(node, CoGroup):
            sources = node.sources
        if any(isinstance(s, Exchange) and s.shuffle_id == shuffle_id for s in sources):
            return node.info.call_site
        for parent in node.narrow_parents:
            if parent.id not in seen:
                seen.add(parent.id)
                stack.append(parent)
    return reader.info.call_site
