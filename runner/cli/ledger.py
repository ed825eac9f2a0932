"""``exsync ledger list|show|verify|prune``: every write with what was there before, as a chain (P17)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import click

from runner.cli import completing
from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.cli.progress import working
from runner.model.errors import UsageError
from runner.service.acts import prune_ledger
from runner.service.views import ledger_view, proof_view


@click.group()
def ledger() -> None:
    """List and show every write with what was there before; prove that the ledger is whole."""


@ledger.command("list")
@click.option("--link", metavar="LINK", shell_complete=completing.links, help="Only writes of this link.")
@click.option("--run", metavar="RUN", help="Only writes of this run (its whole name).")
@click.option("--key", metavar="KEY", help="Only writes to this item: its key on either side.")
@click.option("--before", type=int, default=0, metavar="NUMBER", help="Only entries older than this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@output_option(*FORMATS)
@pass_context
def list_(
    context: Context, link: str | None, run: str | None, key: str | None, before: int, limit: int, output: str
) -> None:
    """Writes that happened, newest first."""
    found = _entries(context, link=link, run=run, key=key, before=before, limit=limit)
    if output != "table":
        emit(found, output)
        return
    rows = [
        (
            entry["id"],
            f"{datetime.fromisoformat(entry['at']):%Y-%m-%d %H:%M:%S}",
            entry["run"][:8],
            entry["link"],
            f"{entry['side']} {entry['operation']}",
            ", ".join(sorted(entry["after"] or entry["before"] or ())) if entry["operation"] == "update" else "",
            entry["reason"],
        )
        for entry in found
    ]
    table(("ENTRY", "WHEN (UTC)", "RUN", "LINK", "WRITE", "FIELDS", "REASON"), rows, "No write is recorded.")


@ledger.command()
@click.argument("number", type=int)
@output_option(*FORMATS)
@pass_context
def show(context: Context, number: int, output: str) -> None:
    """One write: what was there before, what was written, and the rule that decided."""
    found = _entries(context, before=number + 1, limit=1)
    if not found or found[0]["id"] != number:
        raise UsageError(f"the ledger has no entry {number}", remedy="`exsync ledger list` shows them")
    entry = found[0]
    if output != "table":
        emit(entry, output)
        return
    click.echo(f"entry {number}: {entry['operation']} on the {'CRM' if entry['side'] == 'crm' else 'target'}")
    click.echo(f"  link    {entry['link']}\n  item    {entry['key']}  counterpart {entry['counterpart'] or '–'}")
    click.echo(f"  when    {datetime.fromisoformat(entry['at']):%Y-%m-%d %H:%M:%S} UTC in run {entry['run']}")
    click.echo(f"  why     {entry['reason']}\n  rule    {entry['rule']}")
    before, after = entry["before"] or {}, entry["after"] or {}
    rows = [(name, _cell(before.get(name)), _cell(after.get(name))) for name in sorted({*before, *after})]
    table(("FIELD", "BEFORE", "WRITTEN"), rows, "  its values were forgotten, since the item became private")


@ledger.command()
@click.option(
    "--head", metavar="HASH", help="A head that an earlier check printed: it must still be part of the chain."
)
@output_option(*FORMATS)
@pass_context
def verify(context: Context, head: str | None, output: str) -> None:
    """Recompute the ledger's chain; exit code 74 when anything was changed, taken out, added or swapped.

    Keep the printed head outside this machine. Whoever can write the state file could compute the whole chain anew; a
    later `--head` with a head from before shows that too.
    """
    proof = _proof(context, head)
    if output != "table":
        emit(proof, output)
    else:
        _tell(proof, head)
    if not proof["whole"]:
        raise click.exceptions.Exit(74)


@ledger.command()
@click.option("--keep", type=click.IntRange(1), required=True, metavar="DAYS", help="Days of history that stay.")
@pass_context
def prune(context: Context, keep: int) -> None:
    """Drop the oldest entries. What is dropped can no longer be undone; the chain goes on from there."""
    service = context.service()
    if service is not None:
        dropped = service.post("/api/v1/ledger/prune", {"days": keep})["dropped"]
    else:
        with context.session() as session:
            dropped = prune_ledger(session.store, context.operator(), timedelta(days=keep))
    click.echo(f"{dropped} entries were dropped")


def _entries(context: Context, **asked: Any) -> list[dict[str, Any]]:
    service = context.service()
    if service is not None:
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        found: list[dict[str, Any]] = service.get(f"/api/v1/ledger?{query}")["entries"]
        return found
    link = asked.pop("link", None)
    with context.session() as session:
        return [ledger_view(entry) for entry in session.store.ledger(link, **asked)]


def _proof(context: Context, head: str | None) -> dict[str, Any]:
    service = context.service()
    if service is not None:
        query = f"?{urlencode({'head': head})}" if head else ""
        with working("the service is at it"):
            proof: dict[str, Any] = service.get(f"/api/v1/ledger/proof{query}")
        return proof
    with context.session() as session, working("going through the ledger"):
        return proof_view(session.store.verify_ledger(head))


def _tell(proof: dict[str, Any], head: str | None) -> None:
    for one in proof["breaks"]:
        click.echo(f"entry {one['id']}: {one['what']}")
    if proof["unfound"]:
        click.echo(f"the head {head} is not in the chain: it was computed anew, or the state is older than that head")
    if proof["whole"]:
        click.echo(f"the ledger is whole: {proof['entries']} entries")
    else:
        click.echo("the ledger is NOT what was written: compare it with a backup of the state")
    if proof["forgotten"]:
        click.echo(f"  {proof['forgotten']} entries hold no values any more, since their items became private")
    if proof["older"]:
        click.echo(f"  {proof['older']} entries are from before the chain was introduced: nothing is proved about them")
    if proof["pruned"]:
        click.echo(f"  {proof['pruned']} entries were dropped by `exsync ledger prune`")
    click.echo(f"  head {proof['head'] or '(empty)'}")


def _cell(value: Any) -> str:
    return "–" if value is None else str(value)
