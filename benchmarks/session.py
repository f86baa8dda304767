"""The runner's end of an engine's process."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.engines import ROOT, Engine
from benchmarks.model import Workload
from benchmarks.tree import PeakMemory, cpu_of


class Session:
    """One engine, started when it is first asked."""

    def __init__(self, engine: Engine, logs: Path) -> None:
        self.engine = engine
        self.version = ""
        logs.mkdir(parents=True, exist_ok=True)
        self._log = (logs / f"{engine.name.replace('@', '-')}.log").open("ab")
        self._process: subprocess.Popen[str] | None = None

    def _start(self) -> subprocess.Popen[str]:
        engine = self.engine
        process = subprocess.Popen(
            [engine.python, "-m", "benchmarks.child", engine.kind, engine.master],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=engine.environment(),
            cwd=ROOT,
        )
        self._process = process
        self.version = self._receive(process)["version"]
        return process

    def _receive(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            self._process = None
            raise RuntimeError(f"{self.engine.name} ended: see {self._log.name}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def run(self, workload: Workload, data: Path, scale: float, watch: bool) -> dict[str, Any]:
        """One run: `laps` and `answer` or `error`; with `watch`, also `peak_bytes`."""
        process = self._process or self._start()
        order = {
            "workload": workload.name,
            "data": str(data),
            "scale": scale,
            "settings": dict(self.engine.settings(workload.profile)),
        }
        cpu_s = cpu_of(process.pid)
        peak = PeakMemory(process.pid) if watch else None
        if peak is not None:
            peak.start()
        try:
            assert process.stdin is not None
            print(json.dumps(order), file=process.stdin, flush=True)
            reply = self._receive(process)
        finally:
            peak_bytes = peak.stop() if peak is not None else 0
        reply["cpu_s"] = max(0.0, cpu_of(process.pid) - cpu_s)
        if watch:
            reply["peak_bytes"] = peak_bytes
        return reply

    def close(self) -> None:
        """Ends the engine."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        self._log.close()
