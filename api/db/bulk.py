"""INSERTs of several rows on the driver's cursor.

SQLAlchemy's own INSERT takes as long as the database itself for a row of many columns. Values are converted
by the columns' types, as SQLAlchemy does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Table

_Convert = Callable[[Any], Any]


class BulkInsert:
    """Inserts rows of one table. Thread-safe."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        """`columns` are those that the rows have; all others get the database's default."""
        self._table = table
        self._columns = columns
        self._converters: dict[str, list[_Convert | None]] = {}

    def __call__(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert the rows, in the connection's transaction."""
        dialect = connection.dialect
        converters = self._converters.get(dialect.name)
        if converters is None:
            converters = [_converter(self._table, name, dialect) for name in self._columns]
            self._converters[dialect.name] = converters
        named = list(zip(self._columns, converters, strict=True))
        values = [
            tuple([row[name] if convert is None else convert(row[name]) for name, convert in named])
            for row in rows
        ]
        connection.exec_driver_sql(self._statement(dialect), values)

    def _statement(self, dialect: Dialect) -> str:
        marks = ", ".join(["?" if dialect.paramstyle == "qmark" else "%s"] * len(self._columns))
        return f"INSERT INTO {self._table.name} ({', '.join(self._columns)}) VALUES ({marks})"


def _converter(table: Table, column: str, dialect: Dialect) -> _Convert | None:
    return table.columns[column].type.dialect_impl(dialect).bind_processor(dialect)
