"""The version, in one place."""

__version__ = "0.1.0"

#: The PySpark whose API this is compatible with, for scripts that compare versions.
PYSPARK_VERSION = f"4.0.0+minispark.{__version__}"
