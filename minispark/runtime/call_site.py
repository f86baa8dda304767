"""Call sites: which line of the user's program an RDD or an action came from."""

from __future__ import annotations

import os
import sys
from types import FrameType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def call_site() -> str:
    """`"reduceByKey at job.py:12"`: the method the user called, and where."""
    frame: FrameType | None = sys._getframe(1)
    method = "<main>"
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        method = frame.f_code.co_name
        frame = frame.f_back
    if frame is None:
        return method
    return f"{method} at {os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
