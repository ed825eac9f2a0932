"""History and cubes as plain data, with a service and without: what the API and the commands tell alike (B-92)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from runner.model.cubes import TIME, Answer, Cube, Grain, Question
from runner.model.errors import UsageError
from runner.service import views
from runner.service.views import Data, text_of
from runner.store.cubing import Cubes, span_of
from runner.store.history import Asked, History

SLICE = "is."
"""How parameters begin that cut a slice: ``is.operation=delete``."""
LAST = MappingProxyType(
    {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30), "365d": timedelta(days=365)}
)
SIZE = 50


def runs_view(history: History, asked: Mapping[str, str]) -> Data:
    """One page of passes with an effect, newest first (``link``, ``outcome``, ``page``)."""
    page = _page(asked)
    wanted = Asked(link=asked.get("link", ""), outcome=asked.get("outcome", ""))
    found, number = history.passes(wanted, limit=SIZE, offset=(page - 1) * SIZE)
    return {"passes": [views.pass_view(each) for each in found], "total": number, "page": page}


def run_view(history: History, run: str, asked: Mapping[str, str]) -> Data:
    """One run: its passes, and one page of what it wrote. Raises ``UsageError`` for an id that nothing begins with."""
    passes, _ = history.passes(Asked(run=run), limit=200)
    page, link = _page(asked), asked.get("link", "")
    whole = passes[0].run if len({each.run for each in passes}) == 1 else run
    written, number = history.written(run=whole, link=link, limit=SIZE, offset=(page - 1) * SIZE)
    if not passes and not number:
        raise UsageError(f"no run has an id that begins with {run[:40]!r}", remedy="`exsync runs list` shows them")
    return {
        "run": whole,
        "passes": [views.pass_view(each) for each in passes],
        "changes": [views.ledger_view(entry) for entry in written],
        "total": number,
        "page": page,
    }


def cubes_view(cubes: Mapping[str, Cube]) -> Data:
    """Every cube, with its measures and dimensions."""
    return {
        "cubes": [
            {
                "name": cube.name,
                "label": cube.title,
                "of": cube.of,
                "measures": [
                    {"name": name, "doc": cube.facts.measures[name].doc, "unit": cube.facts.measures[name].unit}
                    for name in cube.measures
                ],
                "dimensions": [TIME, *cube.dimensions],
                "grain": cube.grain.value,
                "where": {name: list(values) for name, values in cube.where.items()},
                "rule": cube.rule,
            }
            for cube in cubes.values()
        ]
    }


def cube_view(engine: Cubes, question: Question, *, rows: int = 1000, columns: int = 100) -> Data:
    """The answer to a question, cell by cell."""
    answer: Answer = engine.answer(question, rows=rows, columns=columns)
    return {
        "cube": question.cube.name,
        "measure": question.measure,
        "unit": question.cube.facts.measures[question.measure].unit,
        "by": [name for name in (question.rows, question.columns) if name],
        "grain": question.grain.value,
        "since": text_of(question.since),
        "until": text_of(question.until),
        "slices": dict(question.slices),
        "rows": list(answer.rows),
        "columns": list(answer.columns),
        "cells": [
            {"row": row, "column": column, "value": answer.cells[row, column]}
            for row in answer.rows
            for column in answer.columns
            if (row, column) in answer.cells
        ],
        "more": answer.more,
        "seconds": round(answer.seconds, 4),
    }


def question_of(cubes: Mapping[str, Cube], name: str, asked: Mapping[str, str], now: datetime) -> Question:
    """The question that parameters ask. Raises ``UsageError`` for a cube that there is not; other nonsense is left out."""
    cube = cubes.get(name)
    if cube is None:
        raise UsageError(f"no cube is called {name[:60]!r}", remedy=f"cubes: {', '.join(cubes)}")
    axes = (TIME, *cube.dimensions)
    grain = Grain(asked["grain"]) if asked.get("grain") in list(Grain) else cube.grain
    rows = asked.get("rows", TIME)
    rows = rows if rows in axes else TIME
    columns: str | None = asked.get("columns", cube.dimensions[0] if "rows" not in asked else "")
    columns = columns if columns in axes and columns != rows else None
    since, until = _span(asked, now)
    slices = {key[len(SLICE) :]: value[:500] for key, value in asked.items() if key.startswith(SLICE)}
    return Question(
        cube=cube,
        measure=asked["measure"] if asked.get("measure") in cube.measures else cube.measures[0],
        rows=rows,
        columns=columns,
        grain=grain,
        since=since,
        until=until,
        slices=MappingProxyType({name: value for name, value in slices.items() if name in cube.facts.dimensions}),
    )


def _span(asked: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    """``at=LABEL`` with ``of=GRAIN`` (one step of time), or ``last=30d``."""
    if asked.get("at") and asked.get("of") in list(Grain):
        try:
            return span_of(asked["at"], Grain(asked["of"]))
        except ValueError:
            pass
    return now - LAST.get(asked.get("last", "30d"), LAST["30d"]), now + timedelta(minutes=1)


def _page(asked: Mapping[str, Any]) -> int:
    text = str(asked.get("page", "1"))
    return max(1, int(text)) if text.isdecimal() and len(text) < 8 else 1
