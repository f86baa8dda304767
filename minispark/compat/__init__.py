"""Lets scripts written for PySpark run unmodified: `minispark run`.

Nothing here is active until `activate` is called, which `minispark run` does in
its own process and in the executors of that process, and nobody else.
"""
