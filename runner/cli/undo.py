"""``exsync undo``: a run's writes taken back, planned first."""

from __future__ import annotations

import json
from typing import Any

import click

from runner.cli import completing
from runner.cli.context import Context, SystemClock, SystemRng, pass_context
from runner.cli.progress import READING, progress
from runner.engine.passes import Orders
from runner.service.desk import rendered
from runner.service.undoing import UndoWish, note_undo, undo_asked, undone_by


@click.command()
@click.argument("run", required=False)
@click.option(
    "--user", "users", multiple=True, metavar="ADDRESS", shell_complete=completing.users, help="Only this user's links."
)
@completing.link_option
@click.option("--since", metavar="TIME", help="Instead of RUN: everything since then (UTC), or for so long: 90m, 2d.")
@click.option("--both", is_flag=True, help="Let what is restored go on to the other side as well.")
@click.option("--apply", "applying", is_flag=True, help="Carry it out; without it nothing is written.")
@click.option("--allow-creates", is_flag=True, help="Lift the guard on creates for this once.")
@click.option("--allow-updates", is_flag=True, help="Lift the guard on updates for this once.")
@click.option("--allow-deletes", is_flag=True, help="Lift the guard on deletes for this once.")
@click.option("-o", "--output", type=click.Choice(("text", "json", "markdown")), default="text", show_default=True)
@pass_context
def undo(
    context: Context,
    run: str | None,
    users: tuple[str, ...],
    links: tuple[str, ...],
    since: str | None,
    both: bool,
    applying: bool,
    allow_creates: bool,
    allow_updates: bool,
    allow_deletes: bool,
    output: str,
) -> int:
    """Show what taking RUN back would do; with --apply, do it.

    Only what the run wrote is taken back, on the side where it wrote it: what it changed gets its old values, what it made
    is deleted, what it deleted is made again. What somebody edited since stays, and is recorded as a conflict. Nobody is told
    by mail. An undo is a run like any other and can be undone by its own name.
    """
    lifted = {"create": allow_creates, "update": allow_updates, "delete": allow_deletes}
    allow = tuple(word for word, on in lifted.items() if on)
    wish = UndoWish(run, (*users, *links), since, both, applying, allow)
    service = context.service()
    told = _here(context, wish) if service is None else service.post("/api/v1/undo", wish.as_plain())
    if output == "json":
        click.echo(json.dumps({"run": told["run"], **told["changes"]}, ensure_ascii=False, indent=2))
        return int(told["exit_code"])
    shown = told[output].replace("Plan: ", f"Run {told['run'][:8]} did: ") if applying else told[output]
    click.echo(shown, nl=False)
    if told.get("before"):
        click.echo(
            f"It was taken back before, by run {told['before'][:8]}: `exsync undo {told['before'][:8]}` undoes that."
        )
    if not applying and told["different"]:
        click.echo("Nothing was written. To carry it out: the same command with --apply.")
    elif applying and told["different"]:
        click.echo(f"To have it as it was: `exsync undo {told['run'][:8]}`.")
    return int(told["exit_code"])


def _here(context: Context, wish: UndoWish) -> dict[str, Any]:
    with context.session() as session, progress(READING) as bar:
        store = session.store
        errand, chosen = undo_asked(store, session.plan, wish, SystemClock().now())
        before = undone_by(store, errand.undone) if errand.undone else None
        name = SystemRng().token()
        if wish.apply:
            note_undo(store, context.operator(), errand, name)
        orders = Orders(name, rehearse=not wish.apply, allowed=wish.allowed, progress=bar, errand=errand)
        reports = session.runner.run(chosen, orders)
    return {**rendered(name, reports), "before": before}
