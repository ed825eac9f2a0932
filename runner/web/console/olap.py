"""The OLAP tab: a cube turned, rolled up, drilled into and sliced by its address alone; exported as files (B-92)."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runner.model.cubes import TIME, Cube, Grain, Question
from runner.model.errors import UsageError
from runner.service.desk import Desk
from runner.service.masking import MASK
from runner.store.cubing import Cubes, span_of
from runner.web.console.access import Visitor
from runner.web.console.charts import by_size, over_time

ROWS, COLUMNS, EXPORTED, SINGLE = 200, 12, 100_000, 50
SLICE = "is."
"""How parameters begin that cut a slice: ``is.operation=delete``."""
LAST = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30), "365d": timedelta(days=365)}
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_PERSONAL = frozenset({"title", "key"})


def olap_page(desk: Desk, request: Request, visitor: Visitor) -> dict[str, Any]:
    """One cube as table and chart; with ``facts`` in the address, the single facts behind it."""
    cubes = desk.service.generations.current.plan.service.cubes
    question = question_of(
        cubes, request.path_params.get("cube", "changes"), request.query_params, desk.service.clock.now()
    )
    engine = Cubes(desk.service.store)
    measure = question.cube.facts.measures[question.measure]
    told: dict[str, Any] = {
        "cubes": list(cubes.values()),
        "question": question,
        "measure": measure,
        "last": request.query_params.get("last", "30d"),
        "spans": list(LAST),
        "grains": list(Grain),
        "time": TIME,
        "slice": SLICE,
    }
    if "facts" in request.query_params:
        page = int(text) if (text := request.query_params.get("page", "1")).isdecimal() and len(text) < 7 else 1
        names, rows = engine.beneath(question, limit=SINGLE + 1, offset=(max(1, page) - 1) * SINGLE)
        masked = [[MASK if not visitor.operates and name in _PERSONAL and value else value
                   for name, value in zip(names, row, strict=True)] for row in rows[:SINGLE]]  # fmt: skip
        return {
            **told,
            "template": "facts.html",
            "names": names,
            "rows": masked,
            "page": page,
            "more": len(rows) > SINGLE,
        }
    answer = engine.answer(question, rows=ROWS, columns=COLUMNS)
    unit = f" {measure.unit}" if measure.unit else ""
    timed = question.rows == TIME
    return {
        **told,
        "template": "olap.html",
        "answer": answer,
        "unit": unit,
        "chart": over_time(answer, unit, stacked=measure.adds_up) if timed else None,
        "bars": [] if timed else by_size(answer, unit),
        "deeper": _deeper(question),
    }


def _deeper(question: Question) -> str | None:
    """The dimension into which a click on a row drills: the next one of the cube that is not fixed."""
    if question.rows == TIME:
        finer = question.grain.finer
        return finer.value if finer else None
    taken = {question.rows, question.columns, *question.slices}
    return next((name for name in question.cube.dimensions if name not in taken), None)


def exported(desk: Desk, request: Request) -> Response:
    """The whole answer as a file: one row a cell."""
    cubes = desk.service.generations.current.plan.service.cubes
    name, form = request.path_params["cube"], request.path_params["form"]
    question = question_of(cubes, name, request.query_params, desk.service.clock.now())
    engine = Cubes(desk.service.store)
    if form == "csv":
        text = as_csv(question, engine)
        return _file(text.encode("utf-8-sig"), f"{name}.csv", "text/csv; charset=utf-8")
    if form == "parquet":
        with tempfile.TemporaryDirectory(prefix="exsync-export-") as home:
            path = Path(home) / "cube.parquet"
            engine.to_parquet(question, path)
            return _file(path.read_bytes(), f"{name}.parquet", "application/vnd.apache.parquet")
    raise UsageError(f"cubes are exported as csv and parquet, not as {form!r}")


def as_csv(question: Question, engine: Cubes) -> str:
    """A cube's cells as CSV. What a spreadsheet would take for a formula begins with an apostrophe (E14)."""
    answer = engine.answer(question, rows=EXPORTED, columns=EXPORTED)
    out = io.StringIO()
    writer = csv.writer(out)
    head = (question.rows, question.columns) if question.columns else (question.rows,)
    writer.writerow([*head, question.measure])
    for row in answer.rows:
        for column in answer.columns:
            value = answer.cells.get((row, column))
            if value is not None:
                names = (row, column) if question.columns else (row,)
                writer.writerow([*map(_harmless, names), int(value) if value.is_integer() else value])
    return out.getvalue()


def question_of(cubes: Mapping[str, Cube], name: str, asked: Mapping[str, str], now: datetime) -> Question:
    """The question that an address asks. Raises ``UsageError`` for a cube that there is not; other nonsense is left out."""
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
    known = cube.facts.dimensions
    slices = {key[len(SLICE) :]: value[:500] for key, value in asked.items() if key.startswith(SLICE)}
    return Question(
        cube=cube,
        measure=asked["measure"] if asked.get("measure") in cube.measures else cube.measures[0],
        rows=rows,
        columns=columns,
        grain=grain,
        since=since,
        until=until,
        slices=MappingProxyType({name: value for name, value in slices.items() if name in known}),
    )


def _span(asked: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    """``at=LABEL`` with ``of=GRAIN`` (one step of time), or ``last=30d``."""
    if asked.get("at") and asked.get("of") in list(Grain):
        try:
            return span_of(asked["at"], Grain(asked["of"]))
        except ValueError:
            pass
    length = LAST.get(asked.get("last", "30d"), LAST["30d"])
    return now - length, now + timedelta(minutes=1)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _file(data: bytes, name: str, kind: str) -> Response:
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
