"""``exsync olap list|show``: cubes over the history, as the console's OLAP tab answers them (B-92)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import click

from runner.cli.context import Context, SystemClock, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.cli.progress import working
from runner.model.cubes import Grain
from runner.service.looking import LAST, SLICE, cube_view, cubes_view, question_of
from runner.store.cubing import Cubes


@click.group()
def olap() -> None:
    """Count over the history: changes, latency, errors, conflicts, mail, queue, and cubes of your own."""


@olap.command("list")
@output_option(*FORMATS)
@pass_context
def list_(context: Context, output: str) -> None:
    """Every cube with its measures and dimensions."""
    service = context.service()
    told = service.get("/api/v1/cubes") if service is not None else cubes_view(context.plan().service.cubes)
    if output != "table":
        emit(told, output)
        return
    rows = [
        (
            cube["name"],
            cube["label"],
            ", ".join(each["name"] for each in cube["measures"]),
            ", ".join(cube["dimensions"]),
            cube["rule"],
        )
        for cube in told["cubes"]
    ]
    table(("CUBE", "WHAT", "MEASURES", "DIMENSIONS", "RULE"), rows, "There are no cubes.")


@olap.command()
@click.argument("cube")
@click.option("--measure", default="", help="Which number. Default: the cube's first one.")
@click.option("--rows", default="time", show_default=True, help="A dimension of the cube, or time.")
@click.option("--columns", default="", help="A second one. Default: a single column.")
@click.option(
    "--grain", type=click.Choice([grain.value for grain in Grain]), help="Steps of time. Default: the cube's."
)
@click.option("--last", type=click.Choice(list(LAST)), default="30d", show_default=True, help="How far back.")
@click.option("--is", "slices", multiple=True, metavar="DIMENSION=VALUE", help="Only this slice; may be repeated.")
@output_option(*FORMATS)
@pass_context
def show(
    context: Context, cube: str, measure: str, rows: str, columns: str, grain: str | None, last: str, slices: tuple[str, ...],
    output: str,
) -> None:  # fmt: skip
    """One cube as a table."""
    asked = {"measure": measure, "rows": rows, "columns": columns, "grain": grain or "", "last": last}
    asked |= {f"{SLICE}{name}": value for name, _, value in (each.partition("=") for each in slices)}
    service = context.service()
    if service is not None:
        told = service.get(f"/api/v1/cubes/{quote(cube, safe='')}?{urlencode(asked)}")
    else:
        with context.session() as session, working("counting"):
            question = question_of(session.plan.service.cubes, cube, asked, SystemClock().now())
            told = cube_view(Cubes(session.store), question)
    if output != "table":
        emit(told, output)
        return
    values = {(cell["row"], cell["column"]): cell["value"] for cell in told["cells"]}
    headers = (told["by"][0].upper(), *(column.upper() or "(NONE)" for column in told["columns"]))
    lines = [
        (row or "(none)", *(_figure(values.get((row, column))) for column in told["columns"])) for row in told["rows"]
    ]
    table(headers, lines, "Nothing in this time.")


def _figure(value: Any) -> str:
    return "" if value is None else f"{value:g}" if float(value).is_integer() else f"{value:.3f}"
