"""``exsync schema KIND``: a JSON Schema for editors and other tools."""

from __future__ import annotations

import click

from runner.config.documents import KINDS
from runner.config.files import schema_texts
from runner.config.findings import suggestion
from runner.model.errors import UsageError


@click.command()
@click.argument("kind", required=False)
def schema(kind: str | None) -> None:
    """Print the JSON Schema of a KIND of document; without KIND, list them."""
    texts = schema_texts()
    kinds = {**{name: name for name in texts}, **KINDS}
    if kind is None:
        for name in sorted(kinds):
            click.echo(name)
        return
    if kind not in kinds:
        raise UsageError(f"there is no schema for {kind!r}", remedy=suggestion(kind, kinds, "kinds"))
    click.echo(texts[kinds[kind]], nl=False)
