"""``exsync apply``: one pass, shown."""

from __future__ import annotations

import json

import click

from runner.cli.context import Context, SystemRng, pass_context
from runner.cli.progress import progress
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import exit_code
from runner.model.terms import Operation
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.rendering import markdown, text


@click.command()
@click.argument("links", nargs=-1)
@click.option("-o", "--output", type=click.Choice(("text", "json", "markdown")), default="text", show_default=True)
@click.option("--allow-creates", is_flag=True, help="Lift the guard on creates for this once.")
@click.option("--allow-updates", is_flag=True, help="Lift the guard on updates for this once.")
@click.option("--allow-deletes", is_flag=True, help="Lift the guard on deletes for this once.")
@pass_context
def apply(
    context: Context, links: tuple[str, ...], output: str, allow_creates: bool, allow_updates: bool, allow_deletes: bool
) -> int:
    """Run one pass over LINKS (none: all) and show what it did."""
    lifted = {Operation.CREATE: allow_creates, Operation.UPDATE: allow_updates, Operation.DELETE: allow_deletes}
    allowed = frozenset(operation for operation, on in lifted.items() if on)
    service = context.service()
    if service is not None:
        asked = {"links": list(links), "allow": sorted(operation.value for operation in allowed)}
        told = service.post("/api/v1/apply", asked)
        if output == "json":
            shown = json.dumps({"run": told["run"], **told["changes"]}, ensure_ascii=False, indent=2) + "\n"
        else:
            shown = _named(told[output], told["run"])
        click.echo(shown, nl=False)
        return int(told["exit_code"])
    with context.session() as session, progress() as bar:
        orders = Orders(SystemRng().token(), allowed=allowed, progress=bar)
        reports = session.runner.run(session.links(links), orders)
    click.echo(_rendered(reports, orders.run, output), nl=False)
    return exit_code(reports)


def _named(shown: str, run: str) -> str:
    return shown.replace("Plan: ", f"Run {run[:8]} did: ")


def _rendered(reports: list[PassReport], run: str, output: str) -> str:
    changes = ChangeSet(tuple(report.as_changes() for report in reports))
    if output == "json":
        return json.dumps({"run": run, **changes.as_dict()}, ensure_ascii=False, indent=2) + "\n"
    return _named(markdown(changes) if output == "markdown" else text(changes), run)
