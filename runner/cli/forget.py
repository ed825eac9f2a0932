"""``exsync forget``: the state of a link that is not configured any more (B-73)."""

from __future__ import annotations

import click

from runner.cli.context import Context, pass_context
from runner.cli.progress import working
from runner.service.auditing import forget_link


@click.command()
@click.argument("link")
@click.option("--yes", is_flag=True, help="Do it; without it only what would be dropped is said.")
@pass_context
def forget(context: Context, link: str, yes: bool) -> None:
    """Drop the state of LINK, which must not be configured any more: pairings, marks, conflicts, quarantine.

    Nothing is deleted on either side, and the ledger of what was written is kept. A link that comes back later begins with
    a first sync, which pairs what both sides hold.
    """
    if not yes:
        click.echo(f"This would drop what the state knows of {link}. To do it: the same command with --yes.")
        return
    service = context.service()
    if service is not None:
        pairs = service.post("/api/v1/forget", {"link": link})["pairs"]
    else:
        with working(f"forgetting {link}"), context.session() as session:
            pairs = forget_link(session.store, session.plan, context.operator(), link)
    click.echo(f"{link}: forgotten, with {pairs} pairs; both sides and the ledger are as they were")
