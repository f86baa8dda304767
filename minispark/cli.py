"""The command `minispark`: an interactive shell with `sc` ready, and the version."""

from __future__ import annotations

import argparse
import code
import platform

from minispark.version import __version__

BANNER = """minispark {version}, Python {python}
master {master}, application {application}; the context is `sc`, Ctrl-D leaves."""


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


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = argparse.ArgumentParser(prog="minispark", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    with_shell = commands.add_parser("shell", help="an interactive shell with `sc` ready")
    with_shell.add_argument("--master", help="such as local, local[4] or an address")
    commands.add_parser("version", help="print the version")
    chosen = parser.parse_args(arguments)
    if chosen.command == "shell":
        shell(chosen.master)
    else:
        print(__version__)


if __name__ == "__main__":
    main()
