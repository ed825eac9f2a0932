"""``exsync conflicts list|show|resolve``: the conflict ledger (B-62)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.cli.stated import stated_values
from runner.engine.resolve import find_conflict, resolve
from runner.model.errors import UsageError
from runner.model.record import SCHEMAS, Fields
from runner.model.state import Conflict
from runner.model.terms import Side


@click.group()
def conflicts() -> None:
    """List, show and resolve conflicts."""


@conflicts.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only those that wait for a decision.")
@output_option(*FORMATS)
@pass_context
def list_(context: Context, open_only: bool, output: str) -> None:
    """Every recorded conflict, newest first."""
    with context.session() as session:
        found = session.store.conflicts(open_only=open_only)
    if output != "table":
        emit([_plain(entry) for entry in found], output)
        return
    rows = [
        (
            entry.id[:8],
            f"{entry.at:%Y-%m-%d %H:%M}",
            entry.link,
            entry.field or "edit/delete",
            _state(entry),
            entry.rule,
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
    with context.session() as session:
        entry = find_conflict(session.store, conflict_id)
    if output != "table":
        emit(_plain(entry), output)
        return
    click.echo(f"conflict {entry.id}\n  link    {entry.link}\n  field   {entry.field or 'edit against delete'}")
    click.echo(f"  CRM     {entry.crm_key}  target  {entry.target_key}")
    click.echo(f"  found   {entry.at:%Y-%m-%d %H:%M:%S} UTC in run {entry.run}")
    click.echo(f"  policy  {entry.policy} ({entry.rule})\n  state   {_state(entry)}")
    names = sorted({name for values in (entry.base, entry.crm, entry.target) for name in values or {}})
    rows = [(name, *(_cell(values, name) for values in (entry.base, entry.crm, entry.target))) for name in names]
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
    if bool(values) != (take == "value"):
        raise UsageError("--value goes with --take value, and only with it", remedy="add --value title='Board'")
    with context.session() as session:
        wanted = None
        if values:
            conflict = find_conflict(session.store, conflict_id)
            link = session.plan.links.get(conflict.link)
            if link is None:
                raise UsageError(f"{conflict.link} is not configured any more", remedy="take a side instead of a value")
            wanted = stated_values(values, conflict, SCHEMAS[link.entity])
        entry = resolve(session.store, conflict_id, take, wanted, datetime.now(UTC))
    click.echo(f"conflict {entry.id[:8]}: {take} is noted; `exsync apply {entry.link}` carries it out now")


def _state(entry: Conflict) -> str:
    if entry.resolved_at:
        return f"resolved: {entry.resolution}"
    if entry.winner is None:
        return "waits for a decision"
    return "CRM wins" if entry.winner is Side.CRM else "target wins"


def _cell(values: Fields | None, name: str) -> str:
    value = (values or {}).get(name)
    return "–" if value is None else str(value)


def _plain(entry: Conflict) -> dict[str, Any]:
    return {
        "id": entry.id,
        "link": entry.link,
        "crm_key": entry.crm_key,
        "target_key": entry.target_key,
        "field": entry.field,
        "base": dict(entry.base) if entry.base else None,
        "crm": dict(entry.crm) if entry.crm else None,
        "target": dict(entry.target) if entry.target else None,
        "policy": entry.policy,
        "winner": entry.winner.value if entry.winner else None,
        "rule": entry.rule,
        "run": entry.run,
        "at": entry.at.isoformat(),
        "resolved_at": entry.resolved_at.isoformat() if entry.resolved_at else None,
        "resolution": entry.resolution,
    }
