"""How commands print: text for people, ``-o json`` and ``-o yaml`` for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from runner.model.printable import printable

FORMATS = ("table", "json", "yaml")


def output_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The ``-o`` option with these formats, the first being the default."""
    return click.option(
        "-o", "--output", type=click.Choice(formats), default=formats[0], show_default=True, help="Output format."
    )


def emit(data: Any, output: str) -> None:
    """Print plain data as JSON or YAML."""
    if output == "yaml":
        click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Print a table for people; ``empty`` when there are no rows."""
    rows = list(rows)
    if not rows:
        click.echo(empty)
        return
    grid = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        grid.add_row(*("" if cell is None else printable(str(cell)) for cell in row))
    console = Console(soft_wrap=False, highlight=False, markup=False, emoji=False)
    console.width = max(console.width, 100) if console.is_terminal else 220
    console.print(grid)
