"""``exsync candidate``: a change of a target's defaults, tried beside what is live and widened ring by ring (B-100)."""

from __future__ import annotations

from typing import Any

import click

from runner.cli import completing, suspending
from runner.cli.context import Context, SystemRng, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.cli.progress import READING, progress
from runner.engine.passes import Orders
from runner.model.state import Scope
from runner.service.candidates import candidates_view, try_candidates


@click.group()
def candidate() -> None:
    """See what a target's candidate would do, who runs by it, and stop it."""


@candidate.command()
@output_option(*FORMATS)
@pass_context
def show(context: Context, output: str) -> None:
    """Every candidate: its rings, who runs by it, what it would have done otherwise in the newest passes."""
    service = context.service()
    if service is not None:
        told = service.get("/api/v1/candidates")
    else:
        with context.session() as session:
            told = {"candidates": candidates_view(session.store, session.plan)}
    if output != "table":
        emit(told, output)
        return
    headers = ("TARGET", "RING", "LINKS BY IT", "RINGS (LINKS)", "MORE", "LESS", "FAILED", "STOPPED", "RULE")
    table(headers, [_row(one) for one in told["candidates"]], "No target has a candidate.")


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    rings = " · ".join(f"{ring['links']}{' live' if ring['live'] else ''}" for ring in one["rings"]) or "none"
    figures = [one["compared"][name] for name in ("more", "less", "failed")]
    return (
        one["target"],
        f"{one['ring']} of {len(one['rings'])}",
        f"{one['by_it']} of {one['links']}",
        rings,
        *figures,
        one["stopped"] or "",
        one["rule"],
    )


@candidate.command()
@click.argument("links", nargs=-1, shell_complete=completing.links)
@click.option("-o", "--output", type=click.Choice(("text", "json", "markdown")), default="text", show_default=True)
@click.option("--personal", is_flag=True, help="Show titles and personal values, too (not through a service).")
@pass_context
def plan(context: Context, links: tuple[str, ...], output: str, personal: bool) -> int:
    """Rehearse the next pass of LINKS (none: all that do not run by it yet) as it is and by the candidate; show what differs.

    Writes nothing, anywhere. Titles and personal values are masked.
    """
    service = context.service()
    if service is not None:
        told = service.post("/api/v1/candidates/plan", {"links": list(links)})
        shown, code = told[output], int(told["exit_code"])
    else:
        with context.session() as session, progress(READING) as bar:
            orders = Orders(SystemRng().token(), rehearse=True, progress=bar)
            tried = try_candidates(session.runner, links, orders)
        shown, code = (tried if personal else tried.masked()).rendered()[output], tried.exit_code
    click.echo(shown, nl=False)
    return code


@candidate.command()
@click.argument("target", shell_complete=completing.targets)
@click.option("--reason", help="Why; shown by `exsync status`.")
@pass_context
def suspend(context: Context, target: str, reason: str | None) -> None:
    """Put the passes of all links that run by TARGET's candidate off. Nothing is lost: changes are marked."""
    suspending.suspend(context, Scope.CANDIDATE, target, reason)


@candidate.command()
@click.argument("target", shell_complete=completing.targets)
@pass_context
def resume(context: Context, target: str) -> None:
    """Let TARGET's candidate go on, after an operator or a guard has stopped it."""
    suspending.resume(context, Scope.CANDIDATE, target)
