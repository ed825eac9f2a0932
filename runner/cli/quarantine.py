"""``exsync quarantine list``: items that were set aside, with the reason (B-23)."""

from __future__ import annotations

import click

from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table


@click.group()
def quarantine() -> None:
    """List the items that were set aside, with the reason."""


@quarantine.command("list")
@output_option(*FORMATS)
@pass_context
def list_(context: Context, output: str) -> None:
    """Every item in quarantine. Each is tried again when it changes on either side, and at its next try."""
    with context.session() as session:
        found = session.store.quarantined()
    if output != "table":
        emit(
            [
                {
                    "link": entry.link,
                    "side": entry.side.value,
                    "key": entry.key,
                    "code": entry.code,
                    "reason": entry.reason,
                    "first_at": entry.first_at.isoformat(),
                    "last_at": entry.last_at.isoformat(),
                    "tries": entry.tries,
                    "next_try": entry.next_try.isoformat() if entry.next_try else None,
                }
                for entry in found
            ],
            output,
        )
        return
    rows = [(entry.link, entry.side, _short(entry.key), entry.code, entry.tries, entry.reason) for entry in found]
    table(("LINK", "SIDE", "KEY", "CODE", "TRIES", "REASON"), rows, "Nothing is in quarantine.")


def _short(key: str) -> str:
    return key if len(key) <= 16 else f"…{key[-14:]}"
