"""Cubes answer what they say, hold up no writer, and know every name that YAML may use (B-92)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from runner.model.cubes import BUILT_IN, FACTS, TIME, Grain, Question
from runner.model.errors import StateError
from runner.model.state import Commit
from runner.service.looking import question_of
from runner.store import DuckStore, open_store
from runner.store.cubing import SOURCES, Cubes, span_of
from runner.store.history import Asked, History
from runner.testing.clock import FakeClock
from runner.web.console.olap import as_csv
from tests.store.samples import ANN, NOW, conflict, entry, run

EVER = (NOW - timedelta(days=4000), NOW + timedelta(days=4000))
CUBES = {cube.name: cube for cube in BUILT_IN}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    with open_store(tmp_path / "state.duckdb", clock=FakeClock(NOW)) as opened:
        yield opened


def question(name: str, measure: str, rows: str, columns: str | None = None, **slices: str) -> Question:
    return Question(CUBES[name], measure, rows, columns, Grain.MONTH, *EVER, slices)


def test_every_name_of_the_vocabulary_is_answered(store: DuckStore) -> None:
    assert SOURCES.keys() == FACTS.keys()
    cubes = Cubes(store)
    for facts in FACTS.values():
        source = SOURCES[facts.name]
        assert source.measures.keys() == facts.measures.keys()
        assert source.dimensions.keys() == set(facts.dimensions)
        whole = next(cube for cube in BUILT_IN if cube.of == facts.name)
        whole = replace(whole, measures=tuple(facts.measures), dimensions=facts.dimensions)
        for measure in facts.measures:
            for name in facts.dimensions:
                assert (
                    cubes.answer(Question(whole, measure, TIME, name, Grain.HOUR, *EVER), rows=9, columns=9).rows == ()
                )
                sliced = Question(whole, measure, name, None, Grain.DAY, *EVER, {name: "x"})
                assert cubes.answer(sliced, rows=9, columns=9).rows == ()
        assert cubes.beneath(Question(whole, whole.measures[0], TIME, None, Grain.DAY, *EVER), limit=9)[1] == []


def test_pivot_slice_roll_up_and_the_items_beneath(store: DuckStore, tmp_path: Path) -> None:
    entries = [replace(entry(), run=f"r{n}", key=f"k{n}", at=NOW - timedelta(days=n)) for n in range(40)]
    store.commit(Commit(ledger=tuple(entries), runs=(run("r1"),), conflicts=(conflict("c1"),)))
    cubes = Cubes(store)
    by_month = cubes.answer(question("changes", "count", TIME, "operation"), rows=50, columns=9)
    assert sum(by_month.cells.values()) == 40
    assert list(by_month.rows) == sorted(by_month.rows)
    latest = cubes.answer(question("changes", "count", TIME), rows=1, columns=9)
    assert latest.more
    assert latest.rows == by_month.rows[-1:]
    [(user, number)] = [
        (row, value)
        for (row, _), value in cubes.answer(question("changes", "count", "user"), rows=9, columns=9).cells.items()
    ]
    assert (user, number) == (ANN.split("/")[1], 40)
    since, until = span_of(by_month.rows[-1], Grain.MONTH)
    names, rows = cubes.beneath(replace(question("changes", "count", TIME), since=since, until=until), limit=100)
    assert len(rows) == by_month.total(by_month.rows[-1])
    assert names[0] == "at"
    file = tmp_path / "cube.parquet"
    cubes.to_parquet(question("changes", "count", "user", "operation"), file)
    assert duckdb.sql(f"SELECT sum(count) FROM '{file}'").fetchall() == [(40,)]  # noqa: S608


def test_a_csv_holds_no_formula(store: DuckStore) -> None:
    """E14."""
    store.commit(Commit(ledger=(replace(entry(), reason="=HYPERLINK(evil)"),)))
    lines = as_csv(question("changes", "count", "reason"), Cubes(store)).splitlines()
    assert lines == ["reason,count", "'=HYPERLINK(evil),1"]


def test_a_long_look_holds_up_no_commit_and_closing_ends_it(tmp_path: Path) -> None:
    store = open_store(tmp_path / "state.duckdb", clock=FakeClock(NOW))
    begun, ended = threading.Event(), threading.Event()

    def look() -> None:
        try:
            with store.reading() as con:
                begun.set()
                con.execute("SELECT count(*) FROM range(100000000000) AS a(n) WHERE hash(n) % 7 = 3").fetchall()
        except StateError:
            ended.set()

    thread = threading.Thread(target=look)
    thread.start()
    assert begun.wait(10)
    store.commit(Commit(runs=(run("r1"),)))
    assert store.runs(1)[0].run == "r1"
    store.close()
    thread.join(20)
    assert ended.is_set()
    open_store(tmp_path / "state.duckdb", clock=FakeClock(NOW)).close()


def test_history_is_kept_as_long_as_somebody_waits(store: DuckStore) -> None:
    open_one = replace(conflict("c1"), winner=None)
    store.commit(Commit(runs=(run("old"), run("new")), conflicts=(open_one,), ledger=(replace(entry(), run="old"),)))
    history = History(store)
    found, number = history.passes(Asked(link="ann", run="o"), limit=5)
    assert ([each.run for each in found], number) == (["old"], 1)
    assert history.standing()["conflicts"] == 1
    assert history.forget(NOW + timedelta(days=1)) == 2
    assert history.passes(Asked(), limit=5) == ([], 0)
    assert history.standing()["conflicts"] == 1
    assert history.written(run="old", limit=5)[1] == 1


def test_nonsense_in_an_address_is_left_out() -> None:
    now = datetime(2026, 11, 27, tzinfo=UTC)
    asked = question_of(
        CUBES,
        "changes",
        {"rows": "nope", "columns": "user", "grain": "eon", "is.nope": "1", "at": "x", "of": "day"},
        now,
    )
    assert (asked.rows, asked.columns, asked.grain, dict(asked.slices)) == (TIME, "user", Grain.DAY, {})
    assert asked.until > now
