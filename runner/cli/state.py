"""``exsync state``: what can be done about a state file that is damaged."""

from __future__ import annotations

import click

from runner.cli.context import Context, SystemClock, pass_context
from runner.cli.progress import working
from runner.model.state import Commit
from runner.store.repair import repair as repaired


@click.group()
def state() -> None:
    """Look after the state file."""


@state.command()
@click.option("--yes", is_flag=True, help="Do it; without it only what is wrong is said.")
@pass_context
def repair(context: Context, yes: bool) -> None:
    """Carry on from the last commit that reads: of a write-ahead log that is damaged or gone, or of an older state file.

    The files are copied first. Nothing is deleted on either side: the next pass reads again what changed since that commit
    and pairs again what the lost ones had paired. Gone with them are the conflicts, ledger entries and runs that they
    recorded, and what operators did: look at `exsync status` and `exsync acts` before passes run again.
    """
    if not yes:
        with working("looking at the state"):
            context.store().close()
        click.echo(f"the state {context.state} is sound: there is nothing to repair")
        return
    now = SystemClock().now()
    with working("repairing the state"):
        done = repaired(context.state, now)
    if done is None:
        click.echo(f"the state {context.state} is sound: there is nothing to repair")
        return
    lost = (
        "an unknown number of commits is"
        if done.lost is None
        else f"{done.lost} commit{'s are' if done.lost != 1 else ' is'}"
    )
    log = "was set aside" if done.aside else "was left as it is" if done.cut is None else f"was cut at byte {done.cut}"
    said = f"its write-ahead log {log}; {lost} lost"
    with context.store() as store:
        store.commit(Commit(acts=(context.operator().act("state-repaired", str(context.state), said),)))
    click.echo(f"the state {context.state} is repaired: {said}. The files as they were: {done.copies}")
    click.echo(
        "Suspensions and releases of the lost commits are gone: look at `exsync status` and `exsync acts` first."
    )
