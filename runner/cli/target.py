"""``exsync target``: what a target's own system needs from us."""

from __future__ import annotations

from contextlib import closing
from difflib import get_close_matches

import click

from runner.cli import suspending
from runner.cli.context import Context, SystemClock, pass_context, reveal
from runner.connectors.crm import connect
from runner.model.errors import UsageError
from runner.model.state import Scope


@click.group()
def target() -> None:
    """Show and prepare targets."""


@target.command()
@click.argument("crm")
@click.option("--apply", "applying", is_flag=True, help="Carry the SQL out instead of printing it.")
@pass_context
def ddl(context: Context, crm: str, *, applying: bool) -> None:
    """Print the SQL that the database of CRM needs: key table, outbox and triggers.

    Nothing is changed without --apply. The SQL may be run again at any time, and must be after tables or keys in the
    CRM's YAML changed.
    """
    plan = context.plan()
    demand_crm(plan.crm.name, crm)
    with closing(connect(plan.crm, reveal(plan.crm.url), clock=SystemClock())) as connector:
        if not applying:
            click.echo(connector.ddl(), nl=False)
            return
        count = connector.apply_ddl()
        connector.check()
    click.echo(
        f"CRM {crm}: {count} statements carried out in one transaction; key table, outbox and triggers are in place"
    )


@target.command()
@click.argument("name")
@click.option("--reason", help="Why; shown by `exsync status`.")
@pass_context
def suspend(context: Context, name: str, reason: str | None) -> None:
    """Put the passes of every link of target NAME off. Nothing is lost: changes are marked and go out on resume."""
    suspending.suspend(context, Scope.TARGET, name, reason)


@target.command()
@click.argument("name")
@pass_context
def resume(context: Context, name: str) -> None:
    """Let target NAME run again; one that was stopped by a refused log-on is tried anew."""
    suspending.resume(context, Scope.TARGET, name)


def demand_crm(known: str, asked: str) -> None:
    """Raise ``UsageError`` unless the plan's CRM has the name asked for."""
    if asked == known:
        return
    near = (
        f"did you mean {known!r}?" if get_close_matches(asked, [known]) else f"the configuration has one CRM, {known!r}"
    )
    raise UsageError(f"no CRM {asked!r}: {near}", remedy=f"exsync target ddl {known}")
