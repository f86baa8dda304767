"""Peers, each installed into a virtual environment of its own under build/peers.

`PYSPARK_PYTHON`, `DASK_PYTHON` or `PYSPARKLING_PYTHON` name one that has the
peer already. PySpark also needs Java, which is not installed from here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.engines import Engine

#: numpy because the workloads use it; pysparkling has no release for new Pythons
#: that knows more than the RDD API, which is all it is asked for.
_PACKAGES = {
    "pyspark": ("pyspark>=4,<5", "numpy"),
    "dask": ("dask>=2024.1", "cloudpickle", "numpy"),
    "pysparkling": ("pysparkling>=0.6", "numpy", "setuptools<81"),
}


def engine(name: str, build: Path) -> Engine:
    """The engine of that name, installed where it is missing."""
    kind = name.partition("@")[0]
    if kind in ("minispark", "ideal"):
        return Engine(name, sys.executable)
    if kind not in _PACKAGES:
        known = ", ".join(("minispark", "ideal", *_PACKAGES))
        raise SystemExit(f"{name!r} is no engine; there are: {known}")
    if kind == "pyspark" and not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise SystemExit("pyspark needs Java: install a JRE or set JAVA_HOME")
    given = os.environ.get(f"{kind.upper()}_PYTHON")
    return Engine(name, given or _installed(kind, build / "peers" / kind))


def _installed(kind: str, venv: Path) -> str:
    python = venv / "bin" / "python"
    done = venv / ".set-up"
    wanted = "\n".join(_PACKAGES[kind])
    if not done.exists() or done.read_text() != wanted:
        print(f"installing {kind} into {venv}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, *_PACKAGES[kind]], check=True)
        done.write_text(wanted)
    return str(python)
