"""A connection to DuckDB that parses each text once.

DuckDB 2.0 parses and prepares a text anew each time that it is executed, which takes a quarter of the time of a short
statement. The state's statements are few and come again with every commit and every pass.
"""

from __future__ import annotations

from typing import ClassVar

import duckdb

_MOST = 512
"""Parsed statements that are kept; texts with a changing number of parameters are a handful each."""


class Connection:
    """What the store uses of :class:`duckdb.DuckDBPyConnection`, with the same meaning and the same errors."""

    _parsed: ClassVar[dict[str, duckdb.Statement]] = {}
    """By text. A parsed statement belongs to no connection, and executing it leaves it as it is."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self.begin, self.commit, self.rollback = con.begin, con.commit, con.rollback
        self.close, self.interrupt = con.close, con.interrupt

    def execute(self, text: str, values: object = None) -> duckdb.DuckDBPyConnection:
        """Execute a statement (or, without values, several); the answer is fetched from what this returns."""
        statement = self._parsed.get(text)
        if statement is None:
            statements = self._con.extract_statements(text)
            if len(statements) != 1:
                return self._con.execute(text, values)
            if len(self._parsed) >= _MOST:
                self._parsed.clear()
            [statement] = statements
            self._parsed[text] = statement
        return self._con.execute(statement, values)

    def cursor(self) -> Connection:
        """A connection of its own to the same open database."""
        return Connection(self._con.cursor())
