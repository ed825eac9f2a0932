"""``exsync link suspend|resume``: put links off for a while (B-15)."""

from __future__ import annotations

import click

from runner.cli import suspending
from runner.cli.context import Context, pass_context
from runner.model.state import Scope


@click.group()
def link() -> None:
    """Suspend and resume links."""


@link.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything, until `exsync link resume --all`.")
@click.option("--reason", help="Why; shown by `exsync status`.")
@pass_context
def suspend(context: Context, name: str | None, everything: bool, reason: str | None) -> None:
    """Put the passes of link NAME (or a part of a name) off. Nothing is lost: changes are marked and go out on resume."""
    suspending.suspend(context, *_meant(name, everything=everything), reason)


@link.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="End `exsync link suspend --all`.")
@pass_context
def resume(context: Context, name: str | None, everything: bool) -> None:
    """Let link NAME run again; it catches up at once."""
    suspending.resume(context, *_meant(name, everything=everything))


def _meant(name: str | None, *, everything: bool) -> tuple[Scope, str]:
    if everything == (name is not None):
        raise click.UsageError("give the NAME of a link, or --all")
    return (Scope.ALL, "") if name is None else (Scope.LINK, name)
