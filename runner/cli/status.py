"""``exsync status``: where every link stands."""

from __future__ import annotations

from dataclasses import asdict

import click

from runner.cli.context import Context, pass_context
from runner.cli.output import FORMATS, emit, output_option, table

HEADERS = (
    "LINK", "CONDITION", "PAIRS", "DETACHED", "WAITING", "HELD", "SET ASIDE", "UNSETTLED", "LAST PASS (UTC)", "REASON"
)  # fmt: skip


@click.command()
@output_option(*FORMATS)
@pass_context
def status(context: Context, output: str) -> None:
    """Where every link of the state and of the configuration stands."""
    with context.session() as session:
        known = {entry.name: entry for entry in session.store.overview()}
        planned = session.plan.links
        runs = session.store.runs(10)
    fresh = [name for name in planned if name not in known]
    if output != "table":
        links = [{**asdict(entry), "configured": entry.name in planned} for entry in known.values()]
        links += [{"name": name, "condition": "new", "configured": True} for name in fresh]
        emit({"links": links, "runs": [asdict(entry) for entry in runs]}, output)
        return
    rows: list[tuple[object, ...]] = [
        (
            entry.name,
            entry.condition,
            entry.active,
            entry.detached,
            entry.marks,
            entry.open_conflicts,
            entry.quarantined,
            entry.open_intents,
            f"{entry.last_pass:%Y-%m-%d %H:%M:%S}" if entry.last_pass else "never",
            entry.reason,
        )
        for entry in known.values()
    ]
    rows += [(name, "new", 0, 0, 0, 0, 0, 0, "never", "has not run yet") for name in fresh]
    headers = (
        "LINK",
        "CONDITION",
        "PAIRS",
        "DETACHED",
        "WAITING",
        "HELD",
        "SET ASIDE",
        "UNSETTLED",
        "LAST PASS (UTC)",
        "REASON",
    )
    table(headers, rows, "No links are configured.")
