"""``exsync acts``: what operators did, by command and in the console."""

from __future__ import annotations

import click

from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.service.views import act_view


@click.command()
@output_option(*FORMATS)
@pass_context
def acts(context: Context, output: str) -> None:
    """Show what operators did, newest first: who, what, to what, when."""
    service = context.service()
    if service is not None:
        told = service.get("/api/v1/acts")
    else:
        with context.session() as session:
            told = {"acts": [act_view(act) for act in session.store.acts(200)]}
    if output != "table":
        emit(told, output)
        return
    rows = [
        (act["at"][:19].replace("T", " "), act["who"], act["what"], act["subject"], act["detail"] or "")
        for act in told["acts"]
    ]
    table(("WHEN (UTC)", "WHO", "WHAT", "TO WHAT", "DETAIL"), rows, "Nobody has done anything yet.")
