"""``exsync apply``: one pass, shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from runner.cli import completing
from runner.cli.context import Context, SystemRng, pass_context
from runner.cli.plan_file import LOOKED, read_plan
from runner.cli.progress import READING, progress
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import exit_code
from runner.model.errors import UsageError
from runner.model.terms import Operation
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.rendering import as_json, markdown, text


@click.command()
@click.argument("links", nargs=-1, shell_complete=completing.links)
@click.option("-o", "--output", type=click.Choice(("text", "json", "markdown")), default="text", show_default=True)
@click.option("--allow-creates", is_flag=True, help="Lift the guard on creates for this once.")
@click.option("--allow-updates", is_flag=True, help="Lift the guard on updates for this once.")
@click.option("--allow-deletes", is_flag=True, help="Lift the guard on deletes for this once.")
@click.option(
    "--plan",
    "approved",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Do exactly what a plan of `exsync plan --out` says, or refuse it as stale.",
)
@pass_context
def apply(
    context: Context,
    links: tuple[str, ...],
    output: str,
    allow_creates: bool,
    allow_updates: bool,
    allow_deletes: bool,
    approved: Path | None,
) -> int:
    """Run one pass over LINKS (none: all) and show what it did.

    With --plan, what would happen now is found out once more first: when it differs from the plan by as little as one
    value, nothing is written. What changes after that moment waits for the next pass.
    """
    if approved is not None and links:
        raise UsageError("a plan says itself which links it is about", remedy="leave the names away")
    wanted = read_plan(approved) if approved is not None else None
    links = tuple(wanted.links) if wanted else links
    lifted = {Operation.CREATE: allow_creates, Operation.UPDATE: allow_updates, Operation.DELETE: allow_deletes}
    allowed = frozenset(operation for operation, on in lifted.items() if on)
    service = context.service()
    if service is not None:
        asked: dict[str, Any] = {"links": list(links), "allow": sorted(operation.value for operation in allowed)}
        if wanted is not None:
            now = service.post("/api/v1/plan", {"links": list(links)})
            if now["exit_code"] not in LOOKED:
                click.echo(now[output], nl=False)
                return int(now["exit_code"])
            wanted.demand(now["configuration"], now["prints"])
            asked["only"] = sorted(wanted.prints)
        told = service.post("/api/v1/apply", asked)
        if output == "json":
            shown = json.dumps({"run": told["run"], **told["changes"]}, ensure_ascii=False, indent=2) + "\n"
        else:
            shown = _named(told[output], told["run"])
        click.echo(shown, nl=False)
        return int(told["exit_code"])
    with context.session() as session, progress(READING) as bar:
        only = None
        if wanted is not None:
            chosen = session.links(links) if session.plan.digest == wanted.configuration else []
            now = session.runner.run(chosen, Orders(SystemRng().token(), rehearse=True, progress=bar))
            if exit_code(now) not in LOOKED:
                click.echo(_changes(now, output), nl=False)
                return exit_code(now)
            wanted.demand(session.plan.digest, {report.link: report.prints or {} for report in now})
            only = wanted.prints
        orders = Orders(SystemRng().token(), allowed=allowed, progress=bar, only=only)
        reports = session.runner.run(session.links(links), orders)
    click.echo(_rendered(reports, orders.run, output), nl=False)
    return exit_code(reports)


def _named(shown: str, run: str) -> str:
    return shown.replace("Plan: ", f"Run {run[:8]} did: ")


def _changes(reports: list[PassReport], output: str) -> str:
    changes = ChangeSet(tuple(report.as_changes() for report in reports))
    return {"text": text, "json": as_json, "markdown": markdown}[output](changes)


def _rendered(reports: list[PassReport], run: str, output: str) -> str:
    if output == "json":
        changes = ChangeSet(tuple(report.as_changes() for report in reports))
        return json.dumps({"run": run, **changes.as_dict()}, ensure_ascii=False, indent=2) + "\n"
    return _named(_changes(reports, output), run)
