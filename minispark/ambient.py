"""Settings that a program does not make itself, in Spark's order of precedence.

What the program sets wins. Then come, the strongest first: the flags of
`minispark run` (and `SparkContext.setSystemProperty`), those in the variable
`PYSPARK_SUBMIT_ARGS`, one file of defaults, and variables of the environment.
The file is the one that `--properties-file` names, else `spark-defaults.conf`
in the directory that `SPARK_CONF_DIR` names. `SPARK_HOME` is never looked at:
it belongs to another Spark, whose masters mean nothing here.

Owns where settings come from; what they mean is `minispark.conf`'s business.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from minispark.errors import InvalidPathError, PySparkValueError

#: Variables of the environment that stand for a key, weakest of all.
_VARIABLES = {
    "MASTER": "spark.master",
    "SPARK_LOCAL_DIRS": "spark.local.dir",
    "SPARK_EXECUTOR_INSTANCES": "spark.executor.instances",
    "SPARK_EXECUTOR_CORES": "spark.executor.cores",
    "SPARK_EXECUTOR_MEMORY": "spark.executor.memory",
}
#: Flags of `spark-submit`, and of `minispark run`, that stand for a key.
FLAGS = {
    "--master": "spark.master",
    "--name": "spark.app.name",
    "--py-files": "spark.submit.pyFiles",
    "--files": "spark.files",
    "--archives": "spark.archives",
    "--num-executors": "spark.executor.instances",
    "--executor-cores": "spark.executor.cores",
    "--executor-memory": "spark.executor.memory",
    "--driver-memory": "spark.driver.memory",
    "--packages": "spark.jars.packages",
    "--repositories": "spark.jars.repositories",
    "--jars": "spark.jars",
    "--deploy-mode": "spark.submit.deployMode",
}
_FILE_NAME = "spark-defaults.conf"


def properties(path: str) -> dict[str, str]:
    """The pairs of a file as `spark-defaults.conf` is written: `key value` or `key=value`.

    Raises
    ------
    InvalidPathError
        There is no such file.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise InvalidPathError(
            f"properties file {path}: {error.strerror}", "PATH_NOT_FOUND", {"path": path}
        ) from error
    found = {}
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        line = line.strip()
        if line and line[0] not in "#!":
            key, _, value = re.sub(r"\s*[=:\s]\s*", "\0", line, count=1).partition("\0")
            found[key] = value.strip()
    return found


def _words(text: str) -> list[str]:
    if not text:
        return []
    import shlex  # for few programs (ADR 0032)

    return shlex.split(text)


def submit_arguments(text: str) -> dict[str, str]:
    """The settings among the flags in `PYSPARK_SUBMIT_ARGS`; other flags mean nothing here.

    Raises
    ------
    PySparkValueError
        A flag that stands for a setting has no value.
    """
    flags: dict[str, str] = {}
    pairs: dict[str, str] = {}
    words = iter(_words(text))
    for word in words:
        flag, equals, value = word.partition("=")
        if flag not in FLAGS and flag not in ("--conf", "-c", "--properties-file"):
            continue
        if not equals:
            value = next(words, "")
        if not value or value.startswith("--"):
            raise PySparkValueError(f"PYSPARK_SUBMIT_ARGS: {flag} has no value in {text!r}")
        if flag == "--properties-file":
            for key, default in properties(value).items():
                pairs.setdefault(key, default)
        elif flag in FLAGS:
            flags[FLAGS[flag]] = value
        else:
            key, equals, setting = value.partition("=")
            if not equals:
                raise PySparkValueError(
                    f"PYSPARK_SUBMIT_ARGS: --conf expects KEY=VALUE, got {value!r}"
                )
            pairs[key] = setting
    return {**pairs, **flags}


def ambient(
    flags: Mapping[str, str], properties_file: str | None, environment: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """`(key, value, where it comes from)`, the strongest first; keys may come twice."""
    yield from ((key, value, "flags and system properties") for key, value in flags.items())
    given = submit_arguments(environment.get("PYSPARK_SUBMIT_ARGS", ""))
    yield from ((key, value, "PYSPARK_SUBMIT_ARGS") for key, value in given.items())
    directory = environment.get("SPARK_CONF_DIR")
    if properties_file is None and directory:
        file = os.path.join(directory, _FILE_NAME)
        properties_file = file if os.path.isfile(file) else None
    if properties_file is not None:
        for key, value in properties(properties_file).items():
            yield key, value, properties_file
    for variable, key in _VARIABLES.items():
        if environment.get(variable):
            yield key, environment[variable], variable
