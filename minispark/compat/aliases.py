"""`import pyspark` becomes minispark, in a process that asked for it.

Owns the table of PySpark's modules and a finder that makes them on demand.
What is not in the table fails with a sentence that says why.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from minispark.errors import PySparkImportError
from minispark.version import PYSPARK_VERSION

#: What executors call at their start; see `minispark.runtime.serve`.
SETUP = "minispark.compat.aliases:activate"

_ROOTS = ("pyspark", "findspark", "py4j")

#: Module of PySpark -> modules of minispark whose public names it has.
_MODULES: dict[str, tuple[str, ...]] = {
    "pyspark": ("minispark",),
    "pyspark.accumulators": ("minispark.runtime.accumulators",),
    "pyspark.broadcast": ("minispark.runtime.broadcast",),
    "pyspark.cloudpickle": ("cloudpickle",),
    "pyspark.conf": ("minispark.conf",),
    "pyspark.context": ("minispark.context",),
    "pyspark.core": (),
    "pyspark.core.broadcast": ("minispark.runtime.broadcast",),
    "pyspark.core.context": ("minispark.context",),
    "pyspark.core.files": ("minispark.runtime.files",),
    "pyspark.core.rdd": (
        "minispark.rdd.rdd",
        "minispark.kernels.hashing",
        "minispark.kernels.approximate",
    ),
    "pyspark.core.status": ("minispark.runtime.status",),
    "pyspark.errors": ("minispark.errors", "minispark.compat.sql_errors"),
    "pyspark.errors.exceptions": ("minispark.errors", "minispark.compat.sql_errors"),
    "pyspark.errors.exceptions.base": ("minispark.errors", "minispark.compat.sql_errors"),
    "pyspark.errors.exceptions.captured": ("minispark.compat.sql_errors",),
    "pyspark.files": ("minispark.runtime.files",),
    "pyspark.rdd": (
        "minispark.rdd.rdd",
        "minispark.kernels.hashing",
        "minispark.kernels.approximate",
    ),
    "pyspark.rddsampler": (),
    "pyspark.resource": ("minispark.runtime.resources",),
    "pyspark.resource.information": ("minispark.runtime.resources",),
    "pyspark.resource.profile": ("minispark.runtime.resources",),
    "pyspark.resource.requests": ("minispark.runtime.resources",),
    "pyspark.resultiterable": ("minispark.kernels.resultiterable",),
    "pyspark.serializers": ("minispark.compat.serializers",),
    "pyspark.sql": ("minispark.compat.row", "minispark.compat.session"),
    "pyspark.sql.session": ("minispark.compat.session",),
    "pyspark.sql.types": ("minispark.compat.row",),
    "pyspark.sql.utils": ("minispark.compat.sql_errors", "minispark.compat.session"),
    "pyspark.statcounter": ("minispark.kernels.statcounter",),
    "pyspark.status": ("minispark.runtime.status",),
    "pyspark.storagelevel": ("minispark.storagelevel",),
    "pyspark.taskcontext": ("minispark.runtime.task_context", "minispark.runtime.barrier"),
    "pyspark.util": ("minispark.context.threads", "minispark.compat.util"),
    "pyspark.version": ("minispark.version",),
    "findspark": ("minispark.compat.findspark",),
    "py4j": (),
    "py4j.clientserver": ("minispark.compat.py4j",),
    "py4j.java_gateway": ("minispark.compat.py4j",),
    "py4j.protocol": ("minispark.compat.py4j",),
}


class _Aliases(MetaPathFinder, Loader):
    """Finds and fills the modules of the table."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `MetaPathFinder`."""
        if fullname.partition(".")[0] not in _ROOTS:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        """See `Loader`."""
        sources = _MODULES.get(module.__name__)
        if sources is None:
            raise PySparkImportError(
                f"{module.__name__} is not available under `minispark run`: minispark is "
                "Spark's RDD engine, without Spark SQL, MLlib, streaming and the JVM",
                "NOT_IMPLEMENTED",
            )
        for source in sources:
            owner = importlib.import_module(source)
            for name in getattr(owner, "__all__", None) or dir(owner):
                if not name.startswith("__") or name == "__version__":
                    setattr(module, name, getattr(owner, name))
        if hasattr(module, "__version__"):
            module.__dict__["__version__"] = PYSPARK_VERSION
        module.__dict__["__getattr__"] = functools.partial(_submodule, module.__name__)

    def invalidate_caches(self) -> None:
        """See `MetaPathFinder`; there is nothing to forget."""


def _submodule(package: str, name: str) -> Any:
    """`pyspark.sql` works after `import pyspark` alone, as it does there."""
    if f"{package}.{name}" in _MODULES:
        return importlib.import_module(f"{package}.{name}")
    if package == "pyspark" and name in ("Row", "SQLContext"):
        return getattr(importlib.import_module("pyspark.sql"), name)
    raise AttributeError(f"module {package!r} has no attribute {name!r}")


_finder = _Aliases()


def activate() -> None:
    """From now on `import pyspark` gives minispark in this process."""
    if _finder in sys.meta_path:
        return
    present = [name for name in sys.modules if name.partition(".")[0] in _ROOTS]
    for name in present:
        del sys.modules[name]
    sys.meta_path.insert(0, _finder)
    importlib.import_module("minispark.compat.bridge").install()


def deactivate() -> None:
    """Undoes `activate`; modules that were imported meanwhile stay with whoever has them."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
        importlib.import_module("minispark.compat.bridge").remove()
    for name in [name for name in sys.modules if name.partition(".")[0] in _ROOTS]:
        if isinstance(getattr(sys.modules[name], "__loader__", None), _Aliases):
            del sys.modules[name]
