"""``exsync conflicts list|show|resolve``: the conflict ledger (B-62)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import click

from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.engine.resolve import find_conflict
from runner.model.terms import Side
from runner.service.acts import settle_conflict
from runner.service.views import conflict_view


@click.group()
def conflicts() -> None:
    """List, show and resolve conflicts."""


@conflicts.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only those that wait for a decision.")
@output_option(*FORMATS)
@pass_context
def list_(context: Context, open_only: bool, output: str) -> None:
    """Every recorded conflict, newest first."""
    service = context.service()
    if service is not None:
        found = service.get(f"/api/v1/conflicts{'?open=1' if open_only else ''}")["conflicts"]
    else:
        with context.session() as session:
            found = [conflict_view(entry) for entry in session.store.conflicts(open_only=open_only)]
    if output != "table":
        emit(found, output)
        return
    rows = [
        (
            entry["id"][:8],
            f"{datetime.fromisoformat(entry['at']):%Y-%m-%d %H:%M}",
            entry["link"],
            entry["field"] or "edit/delete",
            _state(entry),
            entry["rule"],
        )
        for entry in found
    ]
    table(("ID", "WHEN (UTC)", "LINK", "FIELD", "DECISION", "RULE"), rows, "No conflicts are recorded.")


@conflicts.command()
@click.argument("conflict_id", metavar="ID")
@output_option(*FORMATS)
@pass_context
def show(context: Context, conflict_id: str, output: str) -> None:
    """One conflict with its base and both values."""
    service = context.service()
    if service is not None:
        entry = service.get(f"/api/v1/conflicts/{quote(conflict_id, safe='')}")
    else:
        with context.session() as session:
            entry = conflict_view(find_conflict(session.store, conflict_id))
    if output != "table":
        emit(entry, output)
        return
    click.echo(
        f"conflict {entry['id']}\n  link    {entry['link']}\n  field   {entry['field'] or 'edit against delete'}"
    )
    click.echo(f"  CRM     {entry['crm_key']}  target  {entry['target_key']}")
    click.echo(f"  found   {datetime.fromisoformat(entry['at']):%Y-%m-%d %H:%M:%S} UTC in run {entry['run']}")
    click.echo(f"  policy  {entry['policy']} ({entry['rule']})\n  state   {_state(entry)}")
    sides = (entry["base"], entry["crm"], entry["target"])
    names = sorted({name for values in sides for name in values or {}})
    rows = [(name, *(_cell(values, name) for values in sides)) for name in names]
    table(("FIELD", "BASE", "CRM", "TARGET"), rows, "")


@conflicts.command("resolve")
@click.argument("conflict_id", metavar="ID")
@click.option(
    "--take",
    type=click.Choice(("crm", "target", "value", "restore")),
    required=True,
    help="crm, target: that side's value; value: the one of --value; restore: the value that lost.",
)
@click.option(
    "--value",
    "values",
    multiple=True,
    metavar="FIELD=VALUE",
    help="With --take value: a record field's value; keywords joined by commas, nothing for an empty field.",
)
@pass_context
def resolve_(context: Context, conflict_id: str, take: str, values: tuple[str, ...]) -> None:
    """Decide a conflict. The next pass writes it like any other change, with the same precondition."""
    service = context.service()
    if service is not None:
        asked = {"take": take, "values": list(values)}
        entry = service.post(f"/api/v1/conflicts/{quote(conflict_id, safe='')}/resolve", asked)
        click.echo(f"conflict {entry['id'][:8]}: {take} is noted; the service carries it out now")
        return
    with context.session() as session:
        noted = settle_conflict(session.store, session.plan, context.operator(), conflict_id, take, values)
    click.echo(f"conflict {noted.id[:8]}: {take} is noted; `exsync apply {noted.link}` carries it out now")


def _state(entry: dict[str, Any]) -> str:
    if entry["resolved_at"]:
        return f"resolved: {entry['resolution']}"
    if entry["winner"] is None:
        return "waits for a decision"
    return "CRM wins" if entry["winner"] == Side.CRM else "target wins"


def _cell(values: dict[str, Any] | None, name: str) -> str:
    value = (values or {}).get(name)
    return "–" if value is None else str(value)
