"""Cubes over the history tables: a question as one SQL statement, a pivot table as the answer (B-92).

Facts are counted where they lie, column by column, by a connection that only reads: two million rows of the ledger take
less than 0.3 s on one core, within the state's small memory limit. Names come from :mod:`runner.model.cubes` and are never
taken from a request; what a request says travels as parameters.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner.model.cubes import FACTS, TIME, Answer, Grain, Question
from runner.store.chain import FORGOTTEN
from runner.store.connection import Connection
from runner.store.duck import DuckStore
from runner.store.rows import stored

_LINKS = (
    "links AS (SELECT id, name AS link, split_part(name, '/', 1) AS target, "
    "CASE WHEN name LIKE '%/%/%' THEN split_part(name, '/', 2) ELSE '' END AS \"user\", "
    "split_part(name, '/', -1) AS folder FROM link)"
)
_OF_LINK = {"target": "links.target", "user": 'links."user"', "folder": "links.folder", "link": "links.link"}
_SECONDS = "epoch(finished - started)"
_DELAY = f"waited + {_SECONDS}"


@dataclass(frozen=True, slots=True)
class _Source:
    """Where facts lie: table, its instant, and SQL by name of dimension and measure. ``linked``: it has a ``link_id``.

    ``shown`` are the columns of single facts, for looking at what a cell counts.
    """

    table: str
    at: str
    dimensions: Mapping[str, str]
    measures: Mapping[str, str]
    shown: tuple[tuple[str, str], ...]
    linked: bool = True
    only: tuple[str, ...] = ()
    """Conditions on what is a fact at all."""


SOURCES: Mapping[str, _Source] = {
    "changes": _Source(
        "ledger",
        "written_at",
        {
            **_OF_LINK,
            "direction": "CASE facts.side WHEN 'crm' THEN 'inbound' ELSE 'outbound' END",
            "operation": "facts.operation",
            "reason": "facts.reason",
            "rule": "facts.rule",
            "run": "facts.run",
        },
        {"count": "count(*)", "items": "approx_count_distinct(key)"},
        (
            ("at", "written_at"),
            ("link", "links.link"),
            ("direction", "CASE facts.side WHEN 'crm' THEN 'inbound' ELSE 'outbound' END"),
            ("operation", "facts.operation"),
            (
                "title",
                "coalesce(json_extract_string(after_fields, '$.title'), json_extract_string(before_fields, '$.title'))",
            ),
            ("key", "key"),
            ("run", "facts.run"),
            ("rule", "facts.rule"),
        ),
        only=(f"operation <> '{FORGOTTEN}'",),
    ),
    "passes": _Source(
        "run",
        "started",
        {**_OF_LINK, "outcome": "outcome", "code": "coalesce(code, '')"},
        {
            "count": "count(*)",
            "failed": "count(*) FILTER (outcome = 'failed')",
            "seconds_p50": f"quantile_cont({_SECONDS}, 0.5)",
            "seconds_p95": f"quantile_cont({_SECONDS}, 0.95)",
            "seconds_max": f"max({_SECONDS})",
            "delay_p50": f"quantile_cont({_DELAY}, 0.5)",
            "delay_p95": f"quantile_cont({_DELAY}, 0.95)",
            "delay_max": f"max({_DELAY})",
        },
        (
            ("at", "started"),
            ("link", "links.link"),
            ("outcome", "outcome"),
            ("code", "code"),
            ("seconds", f"round({_SECONDS}, 3)"),
            ("run", "run"),
            ("message", "message"),
        ),
    ),
    "conflicts": _Source(
        "conflict",
        "found_at",
        {
            **_OF_LINK,
            "field": "coalesce(field, 'edit against delete')",
            "policy": "policy",
            "winner": "coalesce(winner, 'nobody')",
            "standing": "CASE WHEN resolved_at IS NOT NULL THEN 'settled' WHEN winner IS NULL THEN 'open' ELSE 'decided' END",
        },
        {
            "count": "count(*)",
            "open": "count(*) FILTER (winner IS NULL AND resolved_at IS NULL)",
            "hours_to_settle": "avg(epoch(resolved_at - found_at)) / 3600",
        },
        (
            ("at", "found_at"),
            ("link", "links.link"),
            ("field", "coalesce(field, 'edit against delete')"),
            ("policy", "policy"),
            ("winner", "winner"),
            ("conflict", "facts.name"),
            ("run", "run"),
            ("rule", "rule"),
        ),
    ),
    "aside": _Source(
        "quarantine",
        "first_at",
        {**_OF_LINK, "side": "side", "code": "code"},
        {"count": "count(*)"},
        (
            ("at", "first_at"),
            ("link", "links.link"),
            ("side", "side"),
            ("code", "code"),
            ("key", "key"),
            ("tries", "tries"),
            ("reason", "facts.reason"),
        ),
    ),
    "mails": _Source(
        "mail",
        "noted_at",
        {**_OF_LINK, "kind": "kind", "status": "status"},
        {"count": "count(*)", "addressees": "sum(addressees)"},
        (
            ("at", "noted_at"),
            ("link", "links.link"),
            ("kind", "kind"),
            ("status", "status"),
            ("addressees", "addressees"),
            ("title", "title"),
            ("run", "run"),
            ("rule", "rule"),
        ),
    ),
    "queue": _Source(
        "queue_sample",
        "sampled_at",
        {"target": "target"},
        {
            "sent": "sum(sent)",
            "received": "sum(received)",
            "backlog_max": "max(backlog)",
            "blocked_max": "max(blocked)",
            "oldest_max": "max(oldest)",
            "held_mean": "sum(mean * received) / nullif(sum(received), 0)",
        },
        (
            ("at", "sampled_at"),
            ("target", "target"),
            ("sent", "sent"),
            ("received", "received"),
            ("backlog", "backlog"),
            ("blocked", "blocked"),
        ),
        linked=False,
    ),
}

_FORMATS = {
    Grain.HOUR: "%Y-%m-%d %H:00",
    Grain.DAY: "%Y-%m-%d",
    Grain.WEEK: "%Y-%m-%d",
    Grain.MONTH: "%Y-%m",
    Grain.YEAR: "%Y",
}


class Cubes:
    """Answers questions over one state's history."""

    def __init__(self, store: DuckStore) -> None:
        self._store = store

    def answer(self, question: Question, *, rows: int, columns: int) -> Answer:
        """The pivot table; the largest rows and columns when there are more (of a time axis: the latest)."""
        sql, values = _pivot(question, rows + 1, columns)
        begun = time.perf_counter()
        with self._store.reading() as con:
            cells = con.execute(sql, values).fetchall()
        return _answer(question, cells, rows, time.perf_counter() - begun)

    def beneath(
        self, question: Question, *, limit: int, offset: int = 0
    ) -> tuple[Sequence[str], Sequence[tuple[object, ...]]]:
        """The single facts that a question counts, newest first: names of columns, and rows."""
        source = SOURCES[question.cube.of]
        where, values = _where(question)
        shown = ", ".join(sql for _, sql in source.shown)
        with self._store.reading() as con:
            rows = con.execute(
                f"WITH {_LINKS} SELECT {shown} {_from(source, linked=True)} WHERE {where} "
                f"ORDER BY {source.at} DESC, facts.id DESC LIMIT ? OFFSET ?",
                [*values, limit, offset],
            ).fetchall()
        return [name for name, _ in source.shown], rows

    def to_parquet(self, question: Question, path: Path) -> None:
        """Write the question's cells, all of them, as a Parquet file: one row a cell."""
        sql, values = _cells(question)
        names = f'r AS "{question.rows}", c AS "{question.columns or "measure"}", m AS "{question.measure}"'
        with self._store.reading() as con:
            con.execute(f"CREATE TEMP TABLE exported AS WITH {sql} SELECT {names} FROM cells ORDER BY 1, 2", values)  # noqa: S608
            con.execute("COPY exported TO ? (FORMAT parquet)".replace("?", _quoted(str(path)))).fetchall()
            con.execute("DROP TABLE exported").fetchall()


def members(con: Connection, of: str) -> Sequence[tuple[object, ...]]:
    """The columns of a source's table, for a test that holds names to the schema."""
    return con.execute(f"DESCRIBE {SOURCES[of].table}").fetchall()


def _from(source: _Source, *, linked: bool) -> str:
    join = " JOIN links ON links.id = facts.link_id" if source.linked and linked else ""
    return f"FROM {source.table} AS facts{join}"


def _axis(question: Question, name: str | None) -> str:
    source = SOURCES[question.cube.of]
    if name is None:
        return f"'{question.measure}'"
    if name == TIME:
        return f"strftime(date_trunc('{question.grain.value}', {source.at}), '{_FORMATS[question.grain]}')"
    return source.dimensions[name]


def _where(question: Question) -> tuple[str, list[object]]:
    source = SOURCES[question.cube.of]
    clauses = [f"{source.at} >= ?::TIMESTAMP", f"{source.at} < ?::TIMESTAMP", *source.only]
    values: list[object] = [stored(question.since), stored(question.until)]
    for name, wanted in question.cube.where.items():
        clauses.append(f"{source.dimensions[name]} IN ({', '.join('?' * len(wanted))})")
        values += wanted
    for name, value in question.slices.items():
        clauses.append(f"{source.dimensions[name]} = ?")
        values.append(value)
    return " AND ".join(clauses), values


def _cells(question: Question) -> tuple[str, list[object]]:
    """Common table expressions that end in ``cells(r, c, m)``."""
    source = SOURCES[question.cube.of]
    named = {question.rows, question.columns, *question.slices, *question.cube.where}
    where, values = _where(question)
    cells = (
        f"SELECT {_axis(question, question.rows)} AS r, {_axis(question, question.columns)} AS c, "
        f"{source.measures[question.measure]} AS m {_from(source, linked=bool(named & _OF_LINK.keys()))} "
        f"WHERE {where} GROUP BY r, c"
    )
    return f"{_LINKS}, cells AS MATERIALIZED (SELECT r, c, m FROM ({cells}) WHERE m IS NOT NULL)", values  # noqa: S608


def _pivot(question: Question, rows: int, columns: int) -> tuple[str, list[object]]:
    sql, values = _cells(question)
    total = "sum(m)" if FACTS[question.cube.of].measures[question.measure].adds_up else "max(m)"

    def first(axis: str, name: str | None) -> str:
        order = f"{axis} DESC" if name == TIME else f"{total} DESC, {axis}"
        return f"(SELECT {axis} FROM cells GROUP BY {axis} ORDER BY {order} LIMIT ?)"  # noqa: S608

    return (
        f"WITH {sql} SELECT r, c, m FROM cells WHERE r IN {first('r', question.rows)} "  # noqa: S608 - names are ours
        f"AND c IN {first('c', question.columns)}",
        [*values, rows, columns],
    )


def _answer(question: Question, found: Sequence[tuple[str, str, float]], most: int, seconds: float) -> Answer:
    cells = {(str(row), str(column)): float(value) for row, column, value in found}
    rows = _ordered(cells, 0, by_name=question.rows == TIME)
    more = len(rows) > most
    if more:
        rows = rows[1:] if question.rows == TIME else rows[:-1]
    columns = _ordered(cells, 1, by_name=question.columns == TIME)
    return Answer(tuple(rows), tuple(columns), cells, seconds, more)


def _ordered(cells: Mapping[tuple[str, str], float], axis: int, *, by_name: bool) -> list[str]:
    totals: dict[str, float] = {}
    for place, value in cells.items():
        totals[place[axis]] = totals.get(place[axis], 0) + value
    return sorted(totals) if by_name else sorted(totals, key=lambda name: (-totals[name], name))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def span_of(label: str, grain: Grain) -> tuple[datetime, datetime]:
    """The time that a label of the time axis stands for. Raises ``ValueError``."""
    start = datetime.strptime(label, _FORMATS[grain]).replace(tzinfo=UTC)
    if grain is Grain.MONTH:
        return start, (start + timedelta(days=32)).replace(day=1)
    if grain is Grain.YEAR:
        return start, start.replace(year=start.year + 1)
    return start, start + {Grain.HOUR: timedelta(hours=1), Grain.DAY: timedelta(days=1), Grain.WEEK: timedelta(days=7)}[
        grain
    ]
