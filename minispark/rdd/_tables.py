"""Records with names as Arrow tables and pandas frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from minispark._typing import T_co
from minispark.errors import PySparkImportError, PySparkNotImplementedError
from minispark.rdd import _arguments as arguments
from minispark.rdd._output import _OutputOps

if TYPE_CHECKING:
    import pandas
    import pyarrow

#: Above it a float does not hold every int.
_EXACT_INT = 1 << 53


class _TableOps(_OutputOps[T_co]):
    """Actions that bring tables to the driver."""

    __slots__ = ()

    def toArrow(
        self, names: Sequence[str] | None = None, schema: pyarrow.Schema | None = None
    ) -> pyarrow.Table:
        """All records as one `pyarrow.Table`, built in the tasks.

        Action. Brings the result to the driver. Records are dicts, namedtuples,
        dataclasses, Rows, or tuples with `names` given.

        The columns are the fields of the first record, then those that later ones
        add; a record without a field has null there. Ints and floats become
        floats; other types that differ within a column are an error that names
        the column and a record.

        Parameters
        ----------
        names
            For tuples of any kind the names by position; for dicts and
            dataclasses the fields to take, in this order.
        schema
            Names, as above, and types that all values must fit.

        Examples
        --------
        >>> rdd = sc.parallelize([{"name": "Ann", "age": 5}, {"name": "Bob"}], 2)
        >>> rdd.toArrow().to_pydict()
        {'name': ['Ann', 'Bob'], 'age': [5, None]}
        >>> sc.parallelize([("Ann", 5), ("Bob", 2.5)]).toArrow(["name", "age"]).to_pylist()
        [{'name': 'Ann', 'age': 5.0}, {'name': 'Bob', 'age': 2.5}]
        """
        # Imported here: most programs need no tables (ADR 0032).
        from minispark.kernels.arrow_tables import join_tables, read_streams, table_stream

        chosen = _names(names, schema)
        parts = self._run(partial(table_stream, chosen, schema))
        return join_tables(read_streams(parts), chosen, schema)

    def toPandas(
        self, names: Sequence[str] | None = None, schema: pyarrow.Schema | None = None
    ) -> pandas.DataFrame:
        """All records as one `pandas.DataFrame`; see `toArrow`.

        Action. Brings the result to the driver. Needs the package pandas.

        Examples
        --------
        >>> pandas = __import__("pytest").importorskip("pandas")
        >>> frame = sc.parallelize([{"x": 1}, {"x": 2}]).toPandas()
        >>> int(frame["x"].sum())
        3
        """
        try:
            import pandas  # noqa: F401
        except ImportError as e:
            raise PySparkImportError(
                "toPandas() needs the package pandas: pip install 'minispark[pandas]'; "
                "toArrow() does not",
                "PACKAGE_NOT_INSTALLED",
                {"package": "pandas"},
            ) from e
        table = self.toArrow(names, schema)
        return table.to_pandas(integer_object_nulls=_has_large_int_beside_null(table))

    def toDF(self, schema: Any = None, sampleRatio: float | None = None) -> NoReturn:
        """Not available: Spark SQL's data frames; see `toArrow` and `toPandas`.

        Action. Raises PySparkNotImplementedError.

        Examples
        --------
        >>> sc.parallelize([(1, 2)]).toDF()
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkNotImplementedError: ...
        """
        raise PySparkNotImplementedError(
            "RDD.toDF() makes a DataFrame of Spark SQL, which minispark does not have; use "
            "toArrow() for a pyarrow.Table or toPandas() for a pandas.DataFrame",
            "NOT_IMPLEMENTED",
            {"feature": "RDD.toDF"},
        )


def _names(names: Sequence[str] | None, schema: Any) -> tuple[str, ...] | None:
    if schema is not None:
        import pyarrow

        if not isinstance(schema, pyarrow.Schema):
            raise arguments.wrong_type("schema", schema, "a pyarrow.Schema", "NOT_EXPECTED_TYPE")
        if names is not None:
            raise arguments.wrong_value("names", names, "left out when there is a schema")
        names = schema.names
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise arguments.wrong_type("names", names, "a list of str", "NOT_LIST_OF_STR")
    if not names or len(set(names)) != len(names):
        raise arguments.wrong_value("names", names, "names that differ, at least one")
    return tuple(names)


def _has_large_int_beside_null(table: Any) -> bool:
    """Whether pandas' way, floats where a value is missing, would change an int."""
    import pyarrow.compute as pc
    from pyarrow import types

    for column in table.columns:
        if types.is_integer(column.type) and column.null_count:
            bounds = pc.min_max(column).as_py()
            if bounds["min"] is not None and (
                bounds["max"] > _EXACT_INT or bounds["min"] < -_EXACT_INT
            ):
                return True
    return False
