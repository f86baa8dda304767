"""From an exception in a task to what the user sees, and back.

On the executor an exception becomes a `TaskFailureInfo`: text that always
travels, the pickled exception where it pickles, the record being processed. On
the driver it becomes the user's own exception again, raised from a `TaskError`
that says where it happened.
"""

from __future__ import annotations

import linecache
import os
import re
import reprlib
import traceback
from traceback import FrameSummary
from types import TracebackType
from typing import TYPE_CHECKING

import cloudpickle

from minispark.errors import (
    ExecutorLostError,
    JobCancelledError,
    PySparkException,
    PySparkRuntimeError,
    TaskError,
)
from minispark.plan.loops import APART, KEY, RECORD, VALUE, inlined_names
from minispark.runtime.messages import TaskFailureInfo
from minispark.shuffle.pairs import not_a_pair

if TYPE_CHECKING:
    from minispark.scheduler.commands import Failure

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_FRAME = re.compile(r'  File "(.+)", line (\d+), in .*')

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200


class TaskKilled(BaseException):
    """Raised inside a task, by a signal, when the driver cancels it."""


def _user_frames(stack: traceback.StackSummary, error: BaseException) -> list[FrameSummary]:
    """The frames that the user wrote; an expression in a fused loop counts as one."""
    user = []
    for summary, (frame, line) in zip(stack, traceback.walk_tb(error.__traceback__)):
        names = inlined_names(frame.f_code)
        if names is None:
            if not summary.filename.startswith(_PACKAGE):
                user.append(summary)
        elif line in names:
            summary.name = names[line]
            user.append(summary)
    return user


def _keep_user_frames(formatted: traceback.TracebackException, error: BaseException) -> None:
    """Drops the engine's frames from an exception and all it is chained to."""
    pending: list[tuple[traceback.TracebackException | None, BaseException | None]]
    pending = [(formatted, error)]
    seen: set[int] = set()
    while pending:
        one, of = pending.pop()
        if one is None or of is None or id(one) in seen:
            continue
        seen.add(id(one))
        if user := _user_frames(one.stack, of):
            one.stack = traceback.StackSummary.from_list(user)
        pending += [(one.__cause__, of.__cause__), (one.__context__, of.__context__)]


def _record_of(tb: TracebackType | None) -> str | None:
    """The record that the innermost fused loop was working on."""
    record = None
    while tb is not None:
        variables = tb.tb_frame.f_locals if inlined_names(tb.tb_frame.f_code) is not None else {}
        if RECORD in variables:
            value = variables[RECORD]
            try:
                record = _short.repr(
                    (variables[KEY], variables[VALUE]) if value is APART else value
                )
            except Exception as error:  # a user's __repr__ may do anything
                record = f"<no repr: {type(error).__name__}>"
        tb = tb.tb_next
    return record


def _in_other_words(error: BaseException) -> BaseException:
    """Says of a record that a loop could not take apart that it is no pair."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    if tb is None or type(error) not in (TypeError, ValueError):
        return error
    names = inlined_names(tb.tb_frame.f_code)
    if names is None or tb.tb_lineno in names:
        return error
    record = tb.tb_frame.f_locals.get(RECORD, APART)
    if record is APART:
        return error
    try:
        _, _ = record
    except Exception as own:
        if str(own) == str(error):
            return not_a_pair(record).with_traceback(error.__traceback__)
    return error


def _pickled(error: BaseException) -> bytes | None:
    """The exception as bytes that were seen to load again, else None."""
    try:
        blob = cloudpickle.dumps(error)
        cloudpickle.loads(blob)
    except Exception:  # any failure here only means: travel as text
        return None
    return bytes(blob)


def describe(
    error: BaseException, *, is_retryable: bool = True, counts: bool = True
) -> TaskFailureInfo:
    """What the driver is told of an exception."""
    error = _in_other_words(error)
    formatted = traceback.TracebackException.from_exception(error)
    _keep_user_frames(formatted, error)
    try:
        message = str(error)
    except Exception as broken:  # a user's __str__ may do anything
        message = f"<no message: {type(broken).__name__} in __str__>"
    try:
        text = "".join(formatted.format())
    except Exception as broken:
        text = f"{type(error).__name__}: <no traceback: {type(broken).__name__}>\n"
    return TaskFailureInfo(
        type(error).__name__,
        message,
        text,
        _record_of(error.__traceback__),
        _pickled(error),
        is_retryable,
        counts,
    )


def _where(failure: Failure, call_site: str) -> str:
    parts = []
    if failure.partition is not None:
        parts.append(f"partition {failure.partition}")
    if failure.stage_id is not None:
        name = f" ({failure.stage_name})" if failure.stage_name else ""
        parts.append(f"stage {failure.stage_id}{name}")
    if failure.attempt is not None:
        parts.append(f"attempt {failure.attempt + 1}")
    where = ", ".join(parts)
    return f"{where}, in {call_site}" if call_site else where


def _with_source_lines(trace: str) -> str:
    """Adds the lines of code that only the driver has: those of a notebook, of another machine."""
    lines = trace.splitlines()
    shown = []
    for line, following in zip(lines, [*lines[1:], ""]):
        shown.append(line)
        frame = _FRAME.fullmatch(line)
        if frame is not None and not following.startswith("    "):
            source = linecache.getline(frame[1], int(frame[2])).strip()
            if source:
                shown.append(f"    {source}")
    return "\n".join(shown)


def to_exception(failure: Failure, call_site: str) -> BaseException:
    """The exception that the waiting thread raises for a failed job."""
    where = _where(failure, call_site)
    if failure.kind in ("cancelled", "stopped"):
        return JobCancelledError(f"{failure.message} ({call_site})", "JOB_CANCELLED")
    info = failure.cause
    if not isinstance(info, TaskFailureInfo):
        kind = ExecutorLostError if failure.kind == "executors" else PySparkRuntimeError
        if failure.kind == "task":
            return TaskError(f"Task failed: {where}: {failure.message}", "TASK_FAILED")
        return kind(f"Job failed: {failure.message}" + (f" ({where})" if where else ""))
    record = f"\nRecord: {info.record}" if info.record is not None else ""
    trace = _with_source_lines(info.traceback.rstrip())
    text = f"Task failed: {where}.{record}\nOn the executor:\n{trace}"
    task_error = TaskError(text, "TASK_FAILED")
    if info.exception is None:
        return task_error
    try:
        original = cloudpickle.loads(info.exception)
    except Exception:  # loads on the executor, not here: the text says it all
        return task_error
    if not isinstance(original, Exception):
        # SystemExit and its like must not end the driver.
        return task_error
    if isinstance(original, PySparkException) or original.__cause__ is None:
        original.__cause__ = task_error
    return original
