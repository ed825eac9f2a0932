"""The state's connection parses a text once, and means by it what DuckDB means."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import pytest

from runner.store import connection as module
from runner.store.connection import Connection


class Counting:
    """A DuckDB connection that counts how often it is asked to parse."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con, self.parsed = con, 0

    def extract_statements(self, text: str) -> Any:
        self.parsed += 1
        return self.con.extract_statements(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.con, name)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    monkeypatch.setattr(Connection, "_parsed", {})
    with duckdb.connect() as con:
        yield Counting(con)


def test_a_text_is_parsed_once_whoever_executes_it(counting: Counting) -> None:
    first = Connection(counting)  # type: ignore[arg-type]
    first.execute("CREATE TABLE one (number BIGINT)").fetchall()
    for number in range(5):
        first.execute("INSERT INTO one VALUES (?)", [number]).fetchall()
    beside = first.cursor()
    beside.execute("INSERT INTO one VALUES (?)", [5]).fetchall()
    assert counting.parsed == 2
    assert first.execute("SELECT sum(number) FROM one").fetchall() == [(15,)]


def test_what_is_parsed_holds_for_a_table_that_was_made_anew(counting: Counting) -> None:
    con = Connection(counting)  # type: ignore[arg-type]
    con.execute("CREATE TABLE one (number BIGINT)").fetchall()
    assert con.execute("SELECT * FROM one").fetchall() == []
    con.execute("DROP TABLE one").fetchall()
    con.execute("CREATE TABLE one AS SELECT 'a' AS word, 1 AS number").fetchall()
    assert con.execute("SELECT * FROM one").fetchall() == [("a", 1)]


def test_several_statements_and_faults_are_what_they_are(counting: Counting) -> None:
    con = Connection(counting)  # type: ignore[arg-type]
    con.execute("CREATE TABLE one (number BIGINT); INSERT INTO one VALUES (1); INSERT INTO one VALUES (2)").fetchall()
    assert con.execute("SELECT count(*) FROM one").fetchall() == [(2,)]
    with pytest.raises(duckdb.ParserException):
        con.execute("SELEKT 1")
    with pytest.raises(duckdb.CatalogException):
        con.execute("SELECT * FROM nowhere")
    with pytest.raises(duckdb.InvalidInputException):
        con.execute("SELECT * FROM one WHERE number = ?", [])
    con.begin()
    con.execute("DELETE FROM one").fetchall()
    con.rollback()
    assert con.execute("SELECT count(*) FROM one").fetchall() == [(2,)]


def test_few_texts_are_kept(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 10)
    con = Connection(counting)  # type: ignore[arg-type]
    for number in range(50):
        assert con.execute(f"SELECT {number}").fetchall() == [(number,)]
    assert len(Connection._parsed) <= 10


def test_threads_share_what_is_parsed(counting: Counting) -> None:
    """Pages of the console look beside the passes, each on a connection of its own."""
    con = Connection(counting)  # type: ignore[arg-type]
    con.execute("CREATE TABLE one AS SELECT range AS number, 'n' || range AS word FROM range(1000)").fetchall()

    def look(first: int) -> list[tuple[int, str]]:
        beside = con.cursor()
        found = []
        for number in range(first, first + 150):
            found += beside.execute(
                "SELECT number, word FROM one WHERE number = ? AND word = ?", [number, f"n{number}"]
            ).fetchall()
        return found

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(look, (0, 200, 400, 600)))
    assert answers == [[(n, f"n{n}") for n in range(first, first + 150)] for first in (0, 200, 400, 600)]
