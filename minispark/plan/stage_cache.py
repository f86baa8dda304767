"""Map stages that were planned before: what an iterative job need not plan again.

Owns when such a plan still holds. Knows nothing of how stages are planned.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from minispark.plan.nodes import Exchange, Node
from minispark.records import record

if TYPE_CHECKING:
    from minispark.plan.stages import StagePlan


class StageCache:
    """Map stages built before, while their exchange lives.

    An iterative job's lineage grows with every turn; only what is new has to
    be planned. After a change of what is persisted or checkpointed, the stages
    with a changed node are planned anew and the others are not.
    """

    def __init__(self) -> None:
        self._plans: weakref.WeakKeyDictionary[Exchange, _Planned] = weakref.WeakKeyDictionary()

    def get(self, exchange: Exchange, version: int) -> StagePlan | None:
        """The plan of an exchange's map stage, if it holds at this version of the lineage."""
        found = self._plans.get(exchange)
        if found is None:
            return None
        if found.version != version:
            if any(_state_of(node) != state for node, state in found.states):
                return None
            found.version = version
        return found.plan

    def put(self, exchange: Exchange, version: int, plan: StagePlan) -> None:
        """Keeps a plan."""
        states = [(node, _state_of(node)) for node in _within_stage(exchange.parent)]
        self._plans[exchange] = _Planned(plan, version, states)


@record(frozen=False)
class _Planned:
    plan: StagePlan
    #: The last version of the lineage at which it was seen to hold.
    version: int
    #: The nodes it is made of, and what of them it depends on.
    states: list[tuple[Node, tuple[Any, ...]]]


def _state_of(node: Node) -> tuple[Any, ...]:
    """What may change of a node, and changes the plan of its stage."""
    info = node.info
    return (
        info.storage_level,
        node.is_checkpointed,
        info.is_indeterminate,
        info.is_barrier,
        info.resource_profile,
    )


def _within_stage(root: Node) -> Iterator[Node]:
    """Every node whose records a stage computes, fused ones included."""
    seen = {root.id}
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if node.is_checkpointed:
            continue
        for parent in node.narrow_parents:
            if parent.id not in seen:
                seen.add(parent.id)
                stack.append(parent)
