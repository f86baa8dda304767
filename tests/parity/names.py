"""Prints the public names of an engine's core, with their parameters, as JSON.

Run by the Python of either engine (`python names.py pyspark`); also imported by
`test_names`. Needs nothing but that engine.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

#: Classes and functions of the core, by their module below `pyspark`.
CLASSES = {
    "": [
        "SparkContext",
        "SparkConf",
        "SparkFiles",
        "RDD",
        "RDDBarrier",
        "StorageLevel",
        "Broadcast",
        "Accumulator",
        "AccumulatorParam",
        "StatusTracker",
        "SparkJobInfo",
        "SparkStageInfo",
        "SparkExecutorInfo",
        "Profiler",
        "BasicProfiler",
        "TaskContext",
        "BarrierTaskContext",
        "BarrierTaskInfo",
        "InheritableThread",
        "inheritable_thread_target",
    ],
    "statcounter": ["StatCounter"],
    "resultiterable": ["ResultIterable"],
    "resource": [
        "TaskResourceRequest",
        "TaskResourceRequests",
        "ExecutorResourceRequest",
        "ExecutorResourceRequests",
        "ResourceProfile",
        "ResourceInformation",
        "ResourceProfileBuilder",
    ],
    "errors": [
        "PySparkException",
        "PySparkTypeError",
        "PySparkValueError",
        "PySparkImportError",
        "PySparkIndexError",
        "PySparkAttributeError",
        "PySparkRuntimeError",
        "PySparkAssertionError",
        "PySparkNotImplementedError",
        "PySparkPicklingError",
        "PySparkKeyError",
    ],
}


def parameters(member: Any) -> list[str]:
    """The parameters of a callable as text; a default object stands as its kind."""
    try:
        signature = inspect.signature(member)
    except (TypeError, ValueError):
        return ["?"]
    found = []
    for parameter in signature.parameters.values():
        text = parameter.name
        if parameter.kind is parameter.VAR_POSITIONAL:
            text = "*" + text
        elif parameter.kind is parameter.VAR_KEYWORD:
            text = "**" + text
        if parameter.default is not parameter.empty:
            text += "=" + _default(parameter.default)
        found.append(text)
    return found


def _default(value: object) -> str:
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    return "<class>" if isinstance(value, type) else "<object>"


def members(cls: Any) -> dict[str, Any]:
    """What a class offers publicly: parameters of methods, else `"attribute"`."""
    if not isinstance(cls, type):
        return {"()": parameters(cls)}
    found: dict[str, Any] = {"()": parameters(cls.__init__)[1:]}
    bases = [base.__name__ for base in cls.__mro__[1:] if base.__module__ == "builtins"]
    found["bases"] = [base for base in bases if base != "object"]
    inherited = {name for base in cls.__mro__ if _is_foreign(base) for name in vars(base)}
    for name in dir(cls):
        if name.startswith("_") or name in inherited:
            continue
        member = inspect.getattr_static(cls, name)
        member = getattr(member, "__func__", member)
        is_method = inspect.isroutine(member) or inspect.isfunction(member)
        found[name] = parameters(getattr(cls, name)) if is_method else "attribute"
    return found


def _is_foreign(base: type) -> bool:
    return not base.__module__.startswith(("pyspark", "minispark"))


def names(engine: str, places: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """All of `CLASSES` as one engine has them; those it lacks are left out."""
    found = {}
    for module, classes in CLASSES.items():
        place = (places or {}).get(module, module)
        owner = importlib.import_module(f"{engine}.{place}" if place else engine)
        for name in classes:
            if hasattr(owner, name):
                found[name] = members(getattr(owner, name))
    return found


if __name__ == "__main__":
    json.dump(names(sys.argv[1]), sys.stdout)
