"""``exsync run``: passes until stopped, or one."""

from __future__ import annotations

import json
import signal
import threading
from datetime import UTC, datetime
from types import FrameType

import click

from runner.cli import completing
from runner.cli.context import Context, Session, SystemRng, pass_context
from runner.cli.progress import READING, progress
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import exit_code
from runner.model.errors import StateError, Transient, Unreachable


@click.command()
@click.argument("links", nargs=-1, shell_complete=completing.links)
@click.option("--once", is_flag=True, help="One pass over every link, then exit.")
@click.option("--interval", type=click.IntRange(min=1), default=60, show_default=True, help="Seconds between passes.")
@click.option("-o", "--output", type=click.Choice(("text", "json")), default="text", show_default=True)
@pass_context
def run(context: Context, links: tuple[str, ...], once: bool, interval: int, output: str) -> int:
    """Run passes over LINKS (none: all) until stopped; with --once, one pass. One line for each link that did anything."""
    with context.session() as session, progress(READING) as shown:
        if once:
            return exit_code(_one(session, links, Orders(SystemRng().token(), progress=shown), output))
        stop = threading.Event()

        def stopped(number: int, frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, stopped)
        signal.signal(signal.SIGINT, stopped)
        while not stop.is_set():
            _tolerant(session, links, Orders(SystemRng().token()), output)
            stop.wait(interval)
    return 0


def _tolerant(session: Session, links: tuple[str, ...], orders: Orders, output: str) -> None:
    """One round of the loop: what may pass by itself is reported and tried again in the next round."""
    try:
        _one(session, links, orders, output)
    except StateError:
        raise
    except (Transient, Unreachable) as error:
        click.echo(f"{datetime.now(UTC):%H:%M:%S} error[{error.code}]: {error}", err=True)


def _one(session: Session, links: tuple[str, ...], orders: Orders, output: str) -> list[PassReport]:
    reports = session.runner.run(session.links(links), orders)
    for report in reports:
        if output == "json":
            click.echo(json.dumps(_plain(report, orders.run), ensure_ascii=False))
        elif report.error or report.trips or report.skipped or any(report.counts.values()):
            click.echo(_line(report), err=bool(report.error))
    if output == "text" and not any(report.writes for report in reports):
        click.echo(f"{datetime.now(UTC):%H:%M:%S} {len(reports)} link(s), nothing written")
    return reports


def _line(report: PassReport) -> str:
    counts = ", ".join(f"{name} {number}" for name, number in sorted(report.counts.items()) if number)
    told = [f"{datetime.now(UTC):%H:%M:%S} {report.link}: {counts or 'nothing written'}"]
    told += [f"  guard {trip}\n  = what to do: {trip.remedy}" for trip in report.trips]
    if report.skipped:
        told.append(f"  skipped: {report.skipped}")
    if report.error:
        told.append(f"  error[{report.error.code}]: {report.error}")
        told += [f"  = what to do: {report.error.remedy}"] if report.error.remedy else []
    return "\n".join(told)


def _plain(report: PassReport, run: str) -> dict[str, object]:
    return {
        "run": run,
        "link": report.link,
        "counts": {name: number for name, number in sorted(report.counts.items()) if number},
        "seconds": round(report.seconds, 3),
        "guards": [str(trip) for trip in report.trips],
        "skipped": report.skipped,
        "error": str(report.error) if report.error else None,
        "exit_code": report.exit_code,
    }
