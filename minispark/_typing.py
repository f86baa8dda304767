"""Type variables and protocols shared by the public API; nothing at run time."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
#: The records of an RDD: an RDD of `bool` is an RDD of `int`.
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
W = TypeVar("W")
V1 = TypeVar("V1")
V2 = TypeVar("V2")
V3 = TypeVar("V3")


class SupportsOrdering(Protocol):
    """What can be compared by `<`, as sorting asks."""

    def __lt__(self, other: Any, /) -> bool: ...


#: Bound to an ordering: the records of `max`, the keys of `sortByKey`.
S = TypeVar("S", bound=SupportsOrdering)
NumberOrArray = TypeVar("NumberOrArray", int, float, complex, "np.ndarray[Any, Any]")
