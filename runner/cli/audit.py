"""``exsync audit``: both sides compared, link by link (B-100)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from runner.cli import completing
from runner.cli.context import Context, SystemRng, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.cli.progress import READING, progress, working
from runner.cli.remote import Remote
from runner.engine.passes import Orders
from runner.model.errands import Audit
from runner.model.printable import printable
from runner.reconcile.rendering import shortened
from runner.service.auditing import DIFFERENCES, audit_answer

PIECE = 10
"""Seconds of its rate that an audit in the service takes at a time."""


@click.command()
@click.argument("links", nargs=-1, shell_complete=completing.links)
@click.option("--rate", type=click.IntRange(min=1), metavar="ITEMS", help="Look at no more items a minute than these.")
@click.option("--anew", is_flag=True, help="Begin again instead of going on where an interrupted audit stopped.")
@click.option("--repair", is_flag=True, help="Mark what is found, so that the next pass puts it right.")
@output_option(*FORMATS)
@pass_context
def audit(context: Context, links: tuple[str, ...], rate: int | None, anew: bool, repair: bool, output: str) -> int:
    """Compare both sides of LINKS (none: all) item by item, and say where they do not agree. Exit 2 when anything is found.

    Nothing is written to either side. An audit that was interrupted goes on where it stopped. What waits for a pass or a
    person is no finding. With --repair the next pass decides about what was found, under the ordinary rules and guards:
    `exsync plan` shows it before.
    """
    errand = Audit(rate=rate, anew=anew, repair=repair)
    service = context.service()
    if service is not None:
        asked = {"links": list(links), "anew": anew, "repair": repair}
        told = paced(service, asked, rate, _waiting) if rate else service.post("/api/v1/audit", asked)
    else:
        with context.session() as session, progress(READING) as bar:
            orders = Orders(SystemRng().token(), progress=bar, pause=time.sleep, errand=errand)
            told = audit_answer(session.store, session.runner.run(session.links(links), orders))
    if output != "table":
        emit(told, output)
        return int(told["exit_code"])
    _show(told["links"])
    if repair and any(link["marked"] for link in told["links"]):
        click.echo("Marked: `exsync plan` shows what the next pass does about it, `exsync apply` carries it out.")
    return int(told["exit_code"])


def paced(service: Remote, asked: dict[str, Any], rate: int, pause: Callable[[float], None]) -> dict[str, Any]:
    """An audit in the service, a few seconds' worth of each link at a time: between two pieces the links' passes go on."""
    seen: dict[str, dict[str, Any]] = {}
    failed = 0
    left = asked["links"]
    while True:
        told = service.post("/api/v1/audit", {**asked, "links": left, "most": max(1, rate * PIECE // 60)})
        failed = failed or int(told["exit_code"]) * (int(told["exit_code"]) != DIFFERENCES)
        before = sum(_looked(seen.get(one["link"])) for one in told["links"])
        seen.update({one["link"]: one for one in told["links"]})
        left = [one["link"] for one in told["links"] if not (one["error"] or one["skipped"] or one["finished"])]
        if not left:
            differing = DIFFERENCES if any(one["found"] for one in seen.values()) else 0
            return {"links": list(seen.values()), "exit_code": failed or differing}
        pause(60 * max(0, sum(map(_looked, told["links"])) - before) / rate)
        asked = {**asked, "anew": False}


def _waiting(seconds: float) -> None:
    """The time between two pieces."""
    with working("waiting, so as to go no faster than the rate"):
        time.sleep(seconds)


def _looked(link: dict[str, Any] | None) -> int:
    return int(link["counts"].get("looked", 0)) if link else 0


def _show(links: list[dict[str, Any]]) -> None:
    rows = []
    for link in links:
        counts = link["counts"]
        proven = f"{datetime.fromisoformat(link['proven']):%Y-%m-%d %H:%M:%S}" if link.get("proven") else "never"
        state = (
            link["error"] or link["skipped"] or ("done" if link.get("finished") else f"stopped at {link.get('phase')}")
        )
        figures = [counts.get(name, 0) for name in ("looked", "equal", "agreed", "waiting")]
        rows.append((link["link"], *figures, len(link["found"]), proven, state))
    headers = ("LINK", "LOOKED AT", "EQUAL", "AS AGREED", "WAITING", "FOUND", "PROVEN EQUAL (UTC)", "STATE")
    table(headers, rows, "No links are configured.")
    for link in links:
        for one in link["found"]:
            keys = [f"{side} {shortened(one[f'{side}_key'], 40)}" for side in ("crm", "target") if one[f"{side}_key"]]
            click.echo(f"  {link['link']}: {one['finding']}: {', '.join(keys)}: {printable(one['detail'])}")
