"""The process of one engine: reads orders from stdin, answers with JSON lines.

    python -m benchmarks.child ENGINE MASTER

An order names a workload, the data, the scale and the context's settings; a
context lives until an order wants other settings.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.engines import function_of, open_context, version_of
from benchmarks.model import Laps, canonical


class Child:
    """The engine and its context."""

    def __init__(self, kind: str, master: str) -> None:
        self._kind = kind
        self._master = master
        self._context: Any = None
        self._settings: Mapping[str, str] | None = None

    def run(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Seconds by lap, and the answer in canonical form."""
        if self._context is None or self._settings != order["settings"]:
            self.close()
            self._context = open_context(self._kind, self._master, order["settings"])
            self._settings = order["settings"]
        function = function_of(self._kind, order["workload"])
        gc.collect()
        began = time.perf_counter()
        answer = function(self._context, Path(order["data"]), order["scale"])
        laps = {"": time.perf_counter() - began}
        if isinstance(answer, Laps):
            laps, answer = dict(answer.seconds), answer.answer
        return {"laps": laps, "answer": canonical(answer)}

    def close(self) -> None:
        """Stops the context."""
        if self._context is not None:
            self._context.stop()
            self._context = None


def main() -> None:
    """Serves until stdin ends."""
    kind, master = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints must not mix with the answers
    child = Child(kind, master)
    print(json.dumps({"version": version_of(kind)}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            reply = child.run(json.loads(line))
        except Exception as error:  # unsupported, or a bug: reported as such, not as a time
            traceback.print_exc()
            text = f"{type(error).__name__}: {error}"
            reply = {"error": text.partition("\n")[0][:200]}
            child.close()  # what failed may have left it unusable
        print(json.dumps(reply), file=answers, flush=True)
    child.close()


if __name__ == "__main__":
    main()
