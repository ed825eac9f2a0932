"""The OLAP tab: a cube turned, rolled up, drilled into and sliced by its address alone; exported as files (B-92)."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from runner.model.cubes import TIME, Grain, Question
from runner.model.errors import UsageError
from runner.service.desk import Desk
from runner.service.looking import LAST, SLICE, question_of
from runner.service.masking import MASK
from runner.store.cubing import Cubes
from runner.web.console.access import Visitor
from runner.web.console.charts import by_size, over_time

ROWS, COLUMNS, EXPORTED, SINGLE = 200, 12, 100_000, 50
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
        personal = _PERSONAL | {"reason"} if question.cube.of == "aside" else _PERSONAL
        masked = [[MASK if not visitor.operates and name in personal and value else value
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
        "bars": [] if timed else by_size(answer, unit, stacked=measure.adds_up),
        "deeper": _deeper(question),
    }


def _deeper(question: Question) -> str | None:
    """The dimension into which a click on a row drills: the next one of the cube that is not fixed."""
    if question.rows == TIME:
        finer = question.grain.finer
        return finer.value if finer else None
    taken = {question.rows, question.columns, *question.slices}
    return next((name for name in (*question.cube.dimensions, TIME) if name not in taken), None)


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


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _file(data: bytes, name: str, kind: str) -> Response:
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
