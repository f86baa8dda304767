"""Runs a PySpark script as `__main__`, with `pyspark` standing for minispark."""

from __future__ import annotations

import os
import sys
import types

from minispark.ambient import properties
from minispark.compat.aliases import SETUP, activate
from minispark.conf import SparkConf
from minispark.errors import InvalidPathError


def check(script: str, settings: dict[str, str], properties_file: str | None) -> None:
    """Refuses files that are not there and settings that cannot be."""
    if not os.path.isfile(script):
        raise InvalidPathError(f"no such script: {script}", "PATH_NOT_FOUND")
    checked = SparkConf(False)
    if properties_file is not None:
        checked.setAll(properties(properties_file).items())
    checked.setAll(settings.items())


def run_script(
    script: str,
    arguments: list[str],
    settings: dict[str, str],
    properties_file: str | None = None,
) -> None:
    """Runs the file with the given `sys.argv[1:]`, as `python script arguments` would.

    The settings are defaults: what the script itself sets wins.
    """
    SparkConf.defaults.update(settings)
    SparkConf.defaults["minispark.executor.setup"] = SETUP
    # What tells a script that it was submitted, not just started.
    SparkConf.defaults["SPARK_SUBMIT"] = "true"
    SparkConf.properties_file = properties_file
    activate()
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec")
    # A module of its own that stays: functions of `__main__` ship by value.
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=script, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    sys.argv = [script, *arguments]
    sys.path[:0] = [os.path.dirname(os.path.abspath(script))]
    exec(code, main.__dict__)
