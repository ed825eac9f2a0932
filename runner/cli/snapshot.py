"""``exsync snapshot``: one side is given what the other holds (B-70), planned first."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import click

from runner.cli import completing
from runner.cli.context import Context, SystemClock, SystemRng, pass_context
from runner.cli.progress import READING, progress
from runner.cli.remote import Remote
from runner.engine.passes import Orders
from runner.model.errands import Items
from runner.service.desk import rendered
from runner.service.snapshots import (
    GIVERS,
    SnapshotWish,
    demand_approved,
    note_snapshot,
    planned_by,
    snapshot_asked,
)
from runner.service.underway import stop_snapshots

STOP = "stop"
"""The way of a snapshot that leads nowhere."""


@click.command()
@click.argument("way", type=click.Choice((*GIVERS, STOP)))
@click.argument("links", nargs=-1, required=True, shell_complete=completing.links)
@click.option("--modified-since", metavar="TIME", help="Only what changed since then on the side that gives.")
@click.option("--modified-until", metavar="TIME", help="Only what changed until then.")
@click.option("--start-since", metavar="TIME", help="Only what takes place since then; a series by any occurrence.")
@click.option("--start-until", metavar="TIME", help="Only what takes place until then.")
@click.option("--items", type=click.Choice([*map(str, Items)]), default="both", show_default=True, help="Which items.")
@click.option("--no-deletes", is_flag=True, help="Leave alone what the giving side has deleted.")
@click.option("--rate", type=click.IntRange(min=1), metavar="ITEMS", help="Take no more items a minute than these.")
@click.option(
    "--apply", "applying", is_flag=True, help="Carry out the plan that is shown; without it nothing is written."
)
@click.option("--allow-creates", is_flag=True, help="Lift the guard on creates for this once.")
@click.option("--allow-updates", is_flag=True, help="Lift the guard on updates for this once.")
@click.option("--allow-deletes", is_flag=True, help="Lift the guard on deletes for this once.")
@click.option("-o", "--output", type=click.Choice(("text", "json", "markdown")), default="text", show_default=True)
@pass_context
def snapshot(
    context: Context,
    way: str,
    links: tuple[str, ...],
    modified_since: str | None,
    modified_until: str | None,
    start_since: str | None,
    start_until: str | None,
    items: str,
    no_deletes: bool,
    rate: int | None,
    applying: bool,
    allow_creates: bool,
    allow_updates: bool,
    allow_deletes: bool,
    output: str,
) -> int:
    """Show what giving one side the other's items would write; with --apply, show it and do it.

    WAY is `send` (the CRM gives, the target receives) or `get` (the target gives, the CRM receives); `stop` ends one that is
    under way where it is. LINKS are targets, links or parts of their names. The receiving side gets what the giving side
    holds, whatever was edited or deleted there: each value that loses is recorded as a conflict and can be restored, and
    `exsync undo RUN` takes it all back. What the receiving side alone holds and never shared stays. Nobody is told by mail.

    A running service carries it out by and by: between two slices of it the link's ordinary passes go on, `exsync status`
    shows how far it is, and after a restart it goes on where it was. --rate is how fast it goes when it is carried out.

    TIME is 2026-11-27T08:00 (UTC), 2d for two days ago, or +2d for two days ahead.
    """
    lifted = {"create": allow_creates, "update": allow_updates, "delete": allow_deletes}
    wish = SnapshotWish(
        way,
        links,
        modified_since,
        modified_until,
        start_since,
        start_until,
        items,
        not no_deletes,
        rate,
        tuple(word for word, on in lifted.items() if on),
    )
    service = context.service()
    if way == STOP:
        _stop(context, service, links, output)
        return 0

    def told_of(asked: SnapshotWish) -> dict[str, Any]:
        return _here(context, asked) if service is None else dict(service.post("/api/v1/snapshot", asked.as_plain()))

    planned = told_of(wish)
    done = told_of(replace(wish, approved=planned["plan"])) if applying and planned["different"] else None
    last = planned if done is None else done
    if output == "json":
        shown = {"run": last["run"], "plan": planned["changes"], "done": done and done["changes"]}
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
        return int(last["exit_code"])
    click.echo(planned[output], nl=False)
    if done is not None:
        click.echo(done[output].replace("Plan: ", f"Run {done['run'][:8]} did: "), nl=False)
        click.echo(f"To have it as it was: `exsync undo {done['run'][:8]}`.")
    elif planned["different"]:
        click.echo("Nothing was written. To carry it out: the same command with --apply.")
    return int(last["exit_code"])


def _stop(context: Context, service: Remote | None, links: tuple[str, ...], output: str) -> None:
    if service is not None:
        stopped = service.post("/api/v1/snapshot/stop", {"links": list(links)})["stopped"]
    else:
        with context.session() as session:
            found = stop_snapshots(session.store, session.plan, context.operator(), links)
            stopped = [at.link for at in found]
    if output == "json":
        click.echo(json.dumps({"stopped": stopped}, ensure_ascii=False, indent=2))
        return
    for link in stopped:
        click.echo(
            f"{link}: stopped. What it had done stays; `exsync runs list` names its run, which `exsync undo` takes back."
        )


def _here(context: Context, wish: SnapshotWish) -> dict[str, Any]:
    with context.session() as session, progress(READING) as bar:
        errand, chosen = snapshot_asked(session.plan, wish, SystemClock().now())
        run = SystemRng().token()
        orders = Orders(run, rehearse=True, allowed=wish.allowed, progress=bar, errand=errand)
        planned = session.runner.run(chosen, orders)
        digest, prints = planned_by(planned)
        if wish.approved is None:
            return {**rendered(run, planned), "plan": digest}
        demand_approved(wish, digest)
        note_snapshot(session.store, context.operator(), wish, run)
        only = frozenset[str]().union(*prints.values())
        reports = session.runner.run(chosen, replace(orders, rehearse=False, only=only, pause=time.sleep))
        return {**rendered(run, reports), "plan": digest}
