"""Pickling what the user wrote, and saying what in it cannot be shipped.

Owns the bytes of closures (cloudpickle: by value for `__main__` and for local
functions, by reference for modules) and the search for the culprit when pickling
fails. Must not know what the functions are for, nor who unpickles them.

The search starts only after a failure. It walks the way the pickler does, through
captured variables, used globals, defaults, attributes and containers, pickling
each part by itself, down to a part that fails although its own parts do not.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import io
import pickle
import sys
import threading
import types
import warnings
from collections import ChainMap
from collections.abc import Iterator
from typing import ClassVar

import cloudpickle  # type: ignore[import-untyped,unused-ignore]

from minispark.errors import PySparkException, PySparkPicklingError
from minispark.held import holding, with_held

__all__ = ["CLOSURE_WARN_BYTES", "dumps_closure"]

#: Closures larger than this get a warning: each task carries its stage's closure.
CLOSURE_WARN_BYTES = 1 << 20

#: The search gives up after pickling this many parts.
_MAX_PARTS = 5000

#: Call sites that were warned of, so that a loop warns once.
_warned: set[str] = set()
_MAX_WARNED = 10_000


def dumps_closure(obj: object, where: str = "") -> bytes:
    """Pickles a function, or steps that hold functions, for the executors.

    Parameters
    ----------
    where
        The call site, for messages: `"map at job.py:12"`.

    Raises
    ------
    PySparkPicklingError
        Something in it cannot be pickled; the message says which variable,
        attribute or element it is and how it is reached.
    PySparkException
        As raised by an object that refuses to be shipped (an RDD, a context), with
        the way to that object added to its message.
    """
    try:
        blob = _dumps(obj)
    except MemoryError:
        raise
    except Exception as e:
        raise _explain(obj, where, e) from e
    if len(blob) > CLOSURE_WARN_BYTES:
        _warn_large(obj, len(blob), where)
    return blob


def _dumps(obj: object) -> bytes:
    buffer = io.BytesIO()
    with holding() as held:
        _ClosurePickler(buffer).dump(obj)
    return with_held(buffer.getvalue(), held)


def _reduce_code(code: types.CodeType) -> tuple[object, ...]:
    make, arguments = _cloudpickle_code(code)
    return make, tuple(code.co_filename if a == _ANONYMOUS else a for a in arguments)


#: What newer versions of cloudpickle put in place of a function's file name.
_ANONYMOUS = "<dynamic-code>"
_cloudpickle_code = cloudpickle.Pickler.dispatch_table[types.CodeType]


class _ClosurePickler(cloudpickle.Pickler):  # type: ignore[misc,unused-ignore]
    """Keeps the names of the files that functions are from.

    A traceback from an executor is of use only when it says where the line is.
    """

    dispatch_table: ClassVar[ChainMap[type, object]] = ChainMap(
        {types.CodeType: _reduce_code}, cloudpickle.Pickler.dispatch_table
    )


# -- failure ---------------------------------------------------------------------


def _explain(obj: object, where: str, error: Exception) -> PySparkException:
    site = f" of {where}" if where else ""
    if _is_recursion(error):
        path = " -> ".join(_path_to_deep(obj))
        return PySparkPicklingError(
            f"The function{site} cannot be sent to executors: "
            f"{path or 'something it refers to'} is nested too deeply to be pickled"
            f" (Python's recursion limit is {sys.getrecursionlimit()}). Use a flat"
            " structure, such as a list or a dict.",
            "CLOSURE_TOO_DEEP",
            {"path": path},
        )
    try:
        found = _Search().find(obj)
    except Exception:  # a part's own methods may raise; the pickler's error is what counts
        found = None
    labels, culprit, cause = found if found else ((), obj, error)
    path = " -> ".join(labels)
    if isinstance(cause, PySparkException):
        reached = f" (Reached through {path}.)" if path else ""
        message = cause._message + reached
        return type(cause)(message, cause._condition, cause._parameters)
    what = f"{path} is" if path else "it is"
    return PySparkPicklingError(
        f"The function{site} cannot be sent to executors: {what} {_describe(culprit)}"
        f" and cannot be pickled ({type(cause).__name__}: {_first_line(cause)})."
        f" {_advice(culprit)}",
        "CLOSURE_NOT_PICKLABLE",
        {"path": path, "type": type(culprit).__qualname__},
    )


def _is_recursion(error: BaseException | None) -> bool:
    """cloudpickle turns a RecursionError into a PicklingError."""
    while error is not None:
        if isinstance(error, RecursionError):
            return True
        error = error.__cause__
    return False


def _error_of(obj: object) -> Exception | None:
    try:
        _dumps(obj)
    except Exception as e:
        return e
    return None


class _Search:
    """A depth-first search for the part that cannot be pickled by itself."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.keep: list[object] = []  # parts made on the way: their ids must stay theirs

    def find(self, obj: object) -> tuple[tuple[str, ...], object, Exception] | None:
        """The labels that lead to the culprit, the culprit and its error.

        None when `obj` can be pickled, or fails only through what was seen before.
        """
        # Iterative: lineage and user data may be deep. A frame is the part, its
        # labels, its error, its untried children and whether one of them failed.
        error = _error_of(obj)
        if error is None:
            return None
        stack: list[_Frame] = [_Frame(obj, (), error)]
        while stack:
            frame = stack[-1]
            for label, child in frame.children:
                self.keep.append(child)
                if id(child) in self.seen or len(self.seen) > _MAX_PARTS:
                    frame.failing_child |= _error_of(child) is not None
                    continue
                self.seen.add(id(child))
                child_error = _error_of(child)
                if child_error is not None:
                    frame.failing_child = True
                    labels = (*frame.labels, label) if label else frame.labels
                    stack.append(_Frame(child, labels, child_error))
                    break
            else:
                if not frame.failing_child:
                    return frame.labels, frame.obj, frame.error
                stack.pop()
        return None


class _Frame:
    __slots__ = ("children", "error", "failing_child", "labels", "obj")

    def __init__(self, obj: object, labels: tuple[str, ...], error: Exception) -> None:
        self.obj = obj
        self.labels = labels
        self.error = error
        self.children = _children(obj)
        self.failing_child = False


def _path_to_deep(obj: object) -> tuple[str, ...]:
    """Labels down to the variable that is too deep, not into it."""
    labels: tuple[str, ...] = ()
    for _ in range(100):
        for label, child in _children(obj):
            if _is_recursion(_error_of(child)):
                labels = (*labels, label) if label else labels
                obj = child
                break
        else:
            return labels
        if not (_is_code(obj) or _is_ours(obj)):
            return labels
    return labels


def _is_code(obj: object) -> bool:
    return isinstance(obj, (types.FunctionType, types.MethodType, functools.partial))


def _is_ours(obj: object) -> bool:
    """Steps and the like: true, but nothing a user would recognise."""
    return isinstance(obj, tuple) or _is_of_package(type(obj))


def _is_of_package(kind: type) -> bool:
    # Public classes say "minispark", whatever their file.
    return kind.__module__.partition(".")[0] == "minispark"


def _children(obj: object) -> Iterator[tuple[str, object]]:
    """The parts a pickler would go into, each with what a user calls it."""
    if isinstance(obj, types.FunctionType):
        yield from _function_parts(obj)
    elif isinstance(obj, types.MethodType):
        yield f"self of {obj.__func__.__qualname__}()", obj.__self__
        yield "", obj.__func__
    elif isinstance(obj, functools.partial):
        yield "", obj.func
        yield from ((f"argument {i} of functools.partial", a) for i, a in enumerate(obj.args))
        yield from ((f"argument {k!r} of functools.partial", a) for k, a in obj.keywords.items())
    elif isinstance(obj, dict):
        for k, v in list(obj.items()):
            yield f"key {_short(k)}", k
            yield f"the value at key {_short(k)}", v
    elif isinstance(obj, (list, tuple, set, frozenset)):
        hide = isinstance(obj, tuple) and any(_is_ours(o) for o in obj)
        kind = type(obj).__name__
        for i, v in enumerate(list(obj)):
            yield ("" if hide else f"element {i} of a {kind}"), v
    elif isinstance(obj, type):
        for k, v in list(vars(obj).items()):
            v = v.__func__ if isinstance(v, (staticmethod, classmethod)) else v
            if not (k.startswith("__") and k.endswith("__")) or isinstance(v, types.FunctionType):
                yield f"{obj.__qualname__}.{k}", v
    else:
        yield from _attributes(obj)


def _function_parts(f: types.FunctionType) -> Iterator[tuple[str, object]]:
    name = f.__name__ if f.__name__ != "<lambda>" else "a lambda"
    for variable, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # an empty cell holds nothing to ship
            yield f"variable {variable!r} captured by {name}", cell.cell_contents
    if not _by_reference(f):
        for variable in sorted(_global_names(f.__code__)):
            if variable in f.__globals__:
                yield f"global {variable!r} used by {name}", f.__globals__[variable]
    arguments = f.__code__.co_varnames[: f.__code__.co_argcount]
    defaults = f.__defaults__ or ()
    for argument, value in zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True):
        yield f"default of argument {argument!r} of {name}", value
    for argument, value in (f.__kwdefaults__ or {}).items():
        yield f"default of argument {argument!r} of {name}", value
    for k, v in vars(f).items():
        yield f"attribute {k!r} of {name}", v


def _by_reference(f: types.FunctionType) -> bool:
    module = sys.modules.get(f.__module__ or "")
    return f.__module__ != "__main__" and getattr(module, f.__qualname__, None) is f


def _global_names(code: types.CodeType) -> set[str]:
    names = {
        str(i.argval)
        for i in dis.get_instructions(code)
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL")
    }
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            names |= _global_names(const)
    return names


def _attributes(obj: object) -> Iterator[tuple[str, object]]:
    if isinstance(obj, types.ModuleType) or type(obj).__module__ == "builtins":
        return
    if isinstance(type(obj).__reduce__, types.FunctionType):
        # It says itself what is pickled of it, or that it must not be: an RDD
        # is to blame, not the lock somewhere inside its context.
        return
    owner = type(obj).__qualname__
    hide = _is_of_package(type(obj))
    for k, v in list(getattr(obj, "__dict__", {}).items()):
        yield ("" if hide else f"attribute {k!r} of {owner}"), v
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for k in (slots,) if isinstance(slots, str) else tuple(slots):
            if k not in ("__dict__", "__weakref__") and hasattr(obj, k):
                yield ("" if hide else f"attribute {k!r} of {owner}"), getattr(obj, k)
    if type(obj).__module__ == "__main__":
        yield "", type(obj)


_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_THREADING = (threading.Condition, threading.Event, threading.Semaphore, threading.Thread)


def _describe(obj: object) -> str:
    """What it is, in words where there are better ones than its type."""
    import socket  # here: only who fails needs it

    t = type(obj)
    name = t.__qualname__ if t.__module__ == "builtins" else f"{t.__module__}.{t.__qualname__}"
    for kinds, word in (
        (_LOCKS, "a lock"),
        ((io.IOBase,), "an open file"),
        ((socket.socket,), "a socket"),
        ((types.GeneratorType,), "a generator"),
        ((types.FrameType, types.TracebackType), "a frame or traceback"),
        (_THREADING, "a threading object"),
    ):
        if isinstance(obj, kinds):
            return f"{word} ({name})"
    return f"an object of type {name}"


def _advice(obj: object) -> str:
    if isinstance(obj, types.GeneratorType):
        return "Turn it into a list first."
    if isinstance(obj, _LOCKS):
        return "Tasks run in other processes: leave it out, or return what it protects."
    return "Create it inside the function (once per partition: mapPartitions), or leave it out."


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception as e:
        return f"<{type(value).__qualname__}, whose repr raises {type(e).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


# -- size ------------------------------------------------------------------------


def _warn_large(obj: object, size: int, where: str) -> None:
    if where in _warned or len(_warned) >= _MAX_WARNED:
        return
    _warned.add(where)
    largest = _largest_part(obj)
    part = f"; most of it is {largest}" if largest else ""
    warnings.warn(
        f"The function{f' of {where}' if where else ''} is {size / 1e6:.1f} MB when pickled"
        f"{part}. Every task carries it: use sc.broadcast(value) and read .value inside.",
        UserWarning,
        stacklevel=3,
    )


def _largest_part(obj: object) -> str:
    """The label of the first part below which the bytes no longer concentrate."""
    label = ""
    while _is_code(obj) or _is_ours(obj):
        sized = []
        for name, child in _children(obj):
            # Some parts pickle as part of the whole only, such as a class's member.
            with contextlib.suppress(pickle.PicklingError, TypeError, AttributeError):
                sized.append((len(_dumps(child)), name, child))
        if not sized:
            break
        _, name, obj = max(sized, key=lambda s: s[0])
        label = name or label
    return label
