"""Builds the optional C twins of hot loops; everything else is in pyproject.toml.

Where there is no compiler, or building fails, the package is installed without them and
does the same in Python.
"""

import sys

from setuptools import Extension, setup

# Sums must be rounded after each operation, as in Python: no fused multiply-add.
FLAGS = ["/O2", "/fp:precise"] if sys.platform == "win32" else ["-O2", "-ffp-contract=off"]

setup(
    ext_modules=[
        Extension(
            "minispark.kernels._native",
            ["minispark/kernels/_native.c"],
            extra_compile_args=FLAGS,
            optional=True,
        )
    ]
)
