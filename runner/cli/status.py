"""``exsync status``: where the service and every link stand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from runner.cli.context import Context, SystemClock, pass_context
from runner.cli.output import FORMATS, emit, output_option, table
from runner.service.newcomers import unlinked_view
from runner.service.progressing import standing_view

HEADERS = (
    "LINK",
    "CONDITION",
    "PAIRS",
    "DETACHED",
    "WAITING",
    "HELD",
    "SET ASIDE",
    "UNSETTLED",
    "TOLD OF",
    "LAST PASS (UTC)",
    "PROVEN EQUAL (UTC)",
    "REASON",
)
MOST = 20
"""Rows of lists without a link that are told one by one."""
_FIGURES = ("active", "detached", "marks", "open_conflicts", "quarantined", "open_intents")


@click.command()
@output_option(*FORMATS)
@pass_context
def status(context: Context, output: str) -> None:
    """Where the service, its targets and every link of the state and of the configuration stand."""
    service = context.service()
    if service is not None:
        told = service.get("/api/v1/status")
    else:
        with context.session() as session:
            told = standing_view(session.store, session.plan, SystemClock().now())
            told["unlinked"] = unlinked_view(session.unlinked)
    if output != "table":
        emit(told, output)
        return
    if "service" in told:
        _show_service(told)
    unlinked = told["unlinked"]
    for row in unlinked[:MOST]:
        click.echo(f"{row['rule']}: {row['row']} gives no link to {row['target']}: {row['reason']}", err=True)
    if len(unlinked) > MOST:
        click.echo(f"and {len(unlinked) - MOST} more rows like these: `exsync status -o json` lists all", err=True)
    for one in told["suspensions"]:
        what = " ".join(filter(None, (one["scope"], one["name"])))
        why = f": {one['reason']}" if one["reason"] else ""
        click.echo(f"suspended: {what}, by {one['by']} since {_moment(one['since'])} UTC{why}")
    table(HEADERS, [_row(link) for link in told["links"]], "No links are configured.")


def _show_service(told: dict[str, Any]) -> None:
    service, standing = told["service"], told["service"]["configuration"]
    hours, seconds = divmod(service["uptime_seconds"], 3600)
    click.echo(
        f"service: up {hours} h {seconds // 60} min, generation {service['generation']}, "
        f"{service['passes_running']} pass(es) running, CRM {service['crm']}"
    )
    if standing.get("outcome") not in (None, "applied"):
        click.echo(
            f"configuration {standing['outcome']} ({standing['reason']}) at {_moment(standing['at'])} UTC: "
            f"generation {service['generation']} stays in use",
            err=True,
        )
        if standing["trouble"]:
            click.echo(f"  {standing['trouble']}", err=True)
        for finding in standing["findings"]:
            click.echo(f"  {finding['at']}: {finding['severity']}[{finding['code']}]: {finding['message']}", err=True)
    for problem in told["lists"]:
        click.echo(f"list of users not followed: {problem}", err=True)
    for one in told["failed"]:
        again = f"`exsync queue retry {one['message']}` tries again"
        click.echo(f"{one['link']} could not begin in {one['attempts']} attempt(s): {one['reason']}; {again}", err=True)
    for target in told["targets"]:
        if target["circuit"] != "closed":
            probed = f", probed at {_moment(target['probed_at'])} UTC" if target["probed_at"] else ""
            click.echo(f"target {target['name']}: {target['circuit']}{probed}: {target['reason']}", err=True)
        elif not target["enabled"] or target["paused"]:
            click.echo(f"target {target['name']}: {'paused' if target['enabled'] else 'disabled'} in YAML")


def _row(link: dict[str, Any]) -> tuple[object, ...]:
    if "active" not in link:
        return (link["name"], link["condition"], 0, 0, 0, 0, 0, 0, _told_of(link), "never", "never", "has not run yet")
    last, proven = (_moment(link[name]) if link.get(name) else "never" for name in ("last_pass", "proven"))
    figures = (link[name] for name in _FIGURES)
    reasons = (link.get(name) or {} for name in ("progress", "subscription"))
    progress, subscription = (one.get(word) for one, word in zip(reasons, ("told", "reason"), strict=True))
    reason = link["reason"] or progress or subscription
    return (link["name"], link["condition"], *figures, _told_of(link), last, proven, reason)


def _told_of(link: dict[str, Any]) -> str:
    """Whether changes on the server are told of, and when it was last heard of; empty without a service."""
    if "subscription" not in link:
        return ""
    subscription = link["subscription"]
    if subscription is None:
        return "polled"
    renewed = subscription["last_renewed"]
    return f"{subscription['state']} {datetime.fromisoformat(renewed):%H:%M:%S}" if renewed else subscription["state"]


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}"
