"""``exsync plan``: what the next pass would do."""

from __future__ import annotations

import click

from runner.cli.context import Context, SystemRng, pass_context
from runner.cli.progress import progress
from runner.engine.passes import Orders
from runner.engine.runs import exit_code
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.rendering import as_json, markdown, text


@click.command()
@click.argument("links", nargs=-1)
@click.option("-o", "--output", type=click.Choice(("text", "json", "markdown")), default="text", show_default=True)
@click.option("--exit-code", "differences", is_flag=True, help="Exit 2 when there is anything to do.")
@pass_context
def plan(context: Context, links: tuple[str, ...], output: str, differences: bool) -> int:
    """Show what the next pass would do. Writes nothing: not to the CRM, not to a target, not to the state.

    LINKS are names or parts of names (target, user, folder); none means all.
    """
    service = context.service()
    if service is not None:
        told = service.post("/api/v1/plan", {"links": list(links)})
        click.echo(told[output], nl=False)
        return int(told["exit_code"]) or (2 if differences and told["different"] else 0)
    with context.session() as session, progress() as shown:
        orders = Orders(SystemRng().token(), rehearse=True, progress=shown)
        reports = session.runner.run(session.links(links), orders)
    changes = ChangeSet(tuple(report.as_changes() for report in reports))
    click.echo({"text": text, "json": as_json, "markdown": markdown}[output](changes), nl=False)
    return exit_code(reports) or (2 if differences and changes else 0)
