"""The command `minispark`: runs PySpark scripts, an interactive shell, the version."""

from __future__ import annotations

import argparse
import code
import platform

from minispark.ambient import FLAGS
from minispark.version import __version__

BANNER = """minispark {version}, Python {python}
master {master}, application {application}; the context is `sc`, Ctrl-D leaves."""

_HELP = {
    "--master": "such as local, local[4] or an address",
    "--name": "the application's name",
    "--py-files": "modules and packages for the tasks, separated by commas",
    "--files": "files for the tasks, separated by commas",
    "--archives": "archives for the tasks, unpacked, separated by commas",
    "--packages": "accepted and ignored, as --jars and --repositories are: there is no JVM",
}


def shell(master: str | None) -> None:
    """Runs an interactive interpreter with a context named `sc`."""
    # Only the shell needs the engine; `minispark version` answers at once.
    from minispark.context import SparkContext

    with SparkContext(master=master, appName="minispark shell") as sc:
        banner = BANNER.format(
            version=__version__,
            python=platform.python_version(),
            master=sc.master,
            application=sc.applicationId,
        )
        # `__main__` as in a script: what is defined here ships by value.
        import __main__

        namespace = __main__.__dict__
        namespace.update(sc=sc, SparkContext=SparkContext)
        try:
            import readline
            import rlcompleter
        except ImportError:
            pass  # a Python without readline: no completion, nothing else
        else:
            readline.set_completer(rlcompleter.Completer(namespace).complete)
            readline.parse_and_bind("tab: complete")
        code.interact(banner, local=namespace, exitmsg="")


def run(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> None:
    """Runs a script written for PySpark."""
    from minispark.compat.script import check, run_script
    from minispark.errors import PySparkException

    settings = {}
    for pair in chosen.conf:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            parser.error(f"--conf: expected KEY=VALUE, got {pair!r}")
        settings[key] = value
    # A flag of its own is stronger than the same key in --conf, as in Spark.
    for flag, key in FLAGS.items():
        value = getattr(chosen, flag[2:].replace("-", "_"))
        if value is not None:
            settings[key] = value
    try:
        check(chosen.script, settings, chosen.properties_file)
    except PySparkException as error:
        parser.error(str(error))
    run_script(chosen.script, chosen.arguments, settings, chosen.properties_file)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = argparse.ArgumentParser(prog="minispark", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    with_shell = commands.add_parser("shell", help="an interactive shell with `sc` ready")
    with_shell.add_argument("--master", help="such as local, local[4] or an address")
    with_script = commands.add_parser(
        "run", help="run a PySpark script unmodified: `import pyspark` gives minispark"
    )
    with_script.add_argument(
        "--conf", "-c", action="append", default=[], metavar="KEY=VALUE", help="a setting"
    )
    with_script.add_argument(
        "--properties-file", metavar="FILE", help="settings, written as in spark-defaults.conf"
    )
    for flag, key in FLAGS.items():
        with_script.add_argument(flag, metavar="VALUE", help=_HELP.get(flag, f"sets {key}"))
    with_script.add_argument("script")
    with_script.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("version", help="print the version")
    chosen = parser.parse_args(arguments)
    if chosen.command == "shell":
        shell(chosen.master)
    elif chosen.command == "run":
        run(parser, chosen)
    else:
        print(__version__)


if __name__ == "__main__":
    main()
