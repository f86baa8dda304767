"""`SparkContext`: where RDDs begin, and what runs their actions.

The user-facing side of `minispark.runtime.engine`: it checks arguments, turns
inputs into source nodes and actions into jobs. One class for the user, in a
linear chain of files: `_ContextBase` (life, facts) ← `_Running` (jobs, groups)
← `_Status` (what runs) ← `_Files` (files for tasks) ← `_Sources` (inputs, shared
variables) ← `_Profiles` (what tasks measured) ← `_JvmOnly` (what is refused) ← `SparkContext`.
"""

from __future__ import annotations

from minispark.context._jvm_only import _JvmOnly


class SparkContext(_JvmOnly):
    """The connection to the executors; one at a time in a process.

    Parameters
    ----------
    master
        `local`, `local[N]`, `local[*]` (default), `local-process[N]`, or the
        address of a Ray cluster.
    appName
        Shown in messages.
    conf
        Settings; `master` and `appName` win over it.

    Examples
    --------
    >>> sc.parallelize([1, 2, 3]).map(lambda x: x * x).sum()
    14
    """

    __module__ = "minispark"
