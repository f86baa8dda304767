"""The same answers by hand: two processes, no engine; by family as `workloads`.

What a careful programmer would write for one workload, knowing all about it:
plain loops and dictionaries, data exchanged through pickled files, nothing that
survives a failure. It sets the mark for what an engine may cost.
"""

from __future__ import annotations

from benchmarks.ideal import dispatch, iterative, keyed, memory, text, transfer
from benchmarks.model import Function

PROGRAMS: dict[str, Function] = {
    **text.PROGRAMS,
    **keyed.PROGRAMS,
    **iterative.PROGRAMS,
    **memory.PROGRAMS,
    **transfer.PROGRAMS,
    **dispatch.PROGRAMS,
}
