"""``exsync target``: what a target's own system needs from us."""

from __future__ import annotations

from contextlib import closing
from difflib import get_close_matches

import click

from runner.cli import completing, suspending
from runner.cli.context import Context, SystemClock, pass_context, reveal
from runner.cli.grouptree import SHOWN, show_groups
from runner.cli.output import FORMATS, emit, output_option
from runner.cli.progress import working
from runner.connectors.crm import connect
from runner.model.errors import UsageError
from runner.model.state import Scope
from runner.service.directories import directory_view


@click.group()
def target() -> None:
    """Show and prepare targets."""


@target.command()
@click.argument("crm", shell_complete=completing.crm)
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
@click.argument("name", shell_complete=completing.directories)
@click.option("--user", "login", help="Only this user, by log-on name, with the reason why he takes part or not.")
@click.option("--all", "everybody", is_flag=True, help="Every user; fifty otherwise.")
@output_option(*FORMATS)
@pass_context
def groups(context: Context, name: str, login: str | None, everybody: bool, output: str) -> int:
    """Show the groups of directory NAME as a tree, which of them are ticked, who would take part and why.

    Reads the directory and writes nothing.
    """
    service = context.service()
    with working(f"reading {name}"):
        if service is not None:
            told = service.get(f"/api/v1/directories/{name}")
        else:
            with context.session() as session:
                told = directory_view(session.plan, name, session.target)
    if login is not None:
        told["users"] = [user for user in told["users"] if user["login"] == login.lower()]
        if not told["users"]:
            raise UsageError(f"bases and filter of {name} find no user {login!r}", remedy="compare with the directory")
    if output != "table":
        emit(told, output)
    else:
        show_groups(told, name, most=None if everybody or login else SHOWN, tree=login is None)
    return 3 if told["unknown"] and login is None else 0


@target.command()
@click.argument("name", shell_complete=completing.targets)
@click.option("--reason", help="Why; shown by `exsync status`.")
@pass_context
def suspend(context: Context, name: str, reason: str | None) -> None:
    """Put the passes of every link of target NAME off. Nothing is lost: changes are marked and go out on resume."""
    suspending.suspend(context, Scope.TARGET, name, reason)


@target.command()
@click.argument("name", shell_complete=completing.targets)
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
