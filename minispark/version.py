"""The version, in one place."""

__version__ = "0.1.0"

#: The PySpark whose API this is compatible with, for scripts that compare versions.
#: Three numbers and no more: scripts take it apart at the dots.
PYSPARK_VERSION = "4.0.0"
