"""``exsync link suspend|resume|reset``: put links off for a while (B-15), or let them be read anew (B-74)."""

from __future__ import annotations

import click

from runner.cli import completing, suspending
from runner.cli.context import Context, pass_context
from runner.model.state import Scope
from runner.service.acts import reset_folders


@click.group()
def link() -> None:
    """Suspend, resume and reset links."""


@link.command()
@click.argument("name", required=False, shell_complete=completing.links)
@click.option("--all", "everything", is_flag=True, help="Everything, until `exsync link resume --all`.")
@click.option("--reason", help="Why; shown by `exsync status`.")
@pass_context
def suspend(context: Context, name: str | None, everything: bool, reason: str | None) -> None:
    """Put the passes of link NAME (or a part of a name) off. Nothing is lost: changes are marked and go out on resume."""
    suspending.suspend(context, *_meant(name, everything=everything), reason)


@link.command()
@click.argument("name", required=False, shell_complete=completing.links)
@click.option("--all", "everything", is_flag=True, help="End `exsync link suspend --all`.")
@pass_context
def resume(context: Context, name: str | None, everything: bool) -> None:
    """Let link NAME run again; it catches up at once."""
    suspending.resume(context, *_meant(name, everything=everything))


@link.command()
@click.argument("name", shell_complete=completing.links)
@pass_context
def reset(context: Context, name: str) -> None:
    """Let the folders of link NAME be read anew from the beginning (B-74). Pairs stay, and nothing is deleted for it."""
    service = context.service()
    if service is not None:
        done = service.post("/api/v1/reset", {"link": name})["reset"]
    else:
        with context.session() as session:
            done = reset_folders(session.store, session.plan, context.operator(), name)
    for each in done:
        click.echo(f"{each}: its next pass reads everything anew")


def _meant(name: str | None, *, everything: bool) -> tuple[Scope, str]:
    if everything == (name is not None):
        raise click.UsageError("give the NAME of a link, or --all")
    return (Scope.ALL, "") if name is None else (Scope.LINK, name)
