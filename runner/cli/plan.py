"""``exsync plan``: what the next pass would do, also under a change of the configuration (B-100)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from runner.cli import completing
from runner.cli.base import base_of
from runner.cli.comparison import Comparison, compare
from runner.cli.context import Context, Session, SystemClock, SystemRng, pass_context
from runner.cli.plan_file import plan_file
from runner.cli.progress import progress
from runner.config import Loaded, load
from runner.engine.passes import Orders
from runner.engine.report import PassReport
from runner.engine.runs import Runner, exit_code
from runner.engine.selection import select_links
from runner.model.errors import ConfigurationInvalid, UsageError
from runner.reconcile.causing import caused
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.masking import masked
from runner.reconcile.page import page
from runner.reconcile.rendering import as_json, markdown, summary, text


@dataclass(frozen=True, slots=True)
class _Asked:
    """The command's words."""

    links: tuple[str, ...]
    output: str
    personal: bool
    offline: bool
    base: str | None
    out: Path | None


@click.command()
@click.argument("links", nargs=-1, shell_complete=completing.links)
@click.option(
    "-o", "--output", type=click.Choice(("text", "json", "markdown", "html")), default="text", show_default=True
)
@click.option("--base", metavar="DIR|REF", help="Compare with the configuration in DIR, or of a git revision.")
@click.option(
    "--offline", is_flag=True, help="With --base: only what the files tell; no server and no state is needed."
)
@click.option("--personal", is_flag=True, help="With --base and in HTML: show titles and personal values, too.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the plan, for `apply --plan`.")
@click.option(
    "--exit-code", "differences", is_flag=True, help="Exit 2 when anything is left to do, or held with its mail."
)
@pass_context
def plan(
    context: Context,
    links: tuple[str, ...],
    output: str,
    base: str | None,
    offline: bool,
    personal: bool,
    out: Path | None,
    differences: bool,
) -> int:
    """Show what the next pass would do. Writes nothing: not to the CRM, not to a target, not to the state.

    LINKS are names or parts of names (target, user, folder); none means all. With --base: what the next pass would do
    under either configuration, and what the change brings about; titles and personal values are masked.
    """
    asked = _Asked(links, output, personal, offline, base, out)
    if offline and base is None:
        raise UsageError("--offline goes with --base", remedy="name what to compare with: --base origin/main")
    if base is not None:
        if out is not None:
            raise UsageError(
                "--out writes a plan of the configuration at hand; --base only compares",
                remedy="run `exsync plan --out` by itself",
            )
        return _compared(context, asked, base, differences)
    service = context.service()
    if service is not None:
        told = service.post("/api/v1/plan", {"links": list(links)})
        if out is not None:
            watermarks = told["watermarks"]
            plan_file(told["configuration"], watermarks, told["prints"], SystemClock().now()).write(out)
        click.echo(told["html" if output == "html" and not personal else output], nl=False)
        return int(told["exit_code"]) or (2 if differences and told["different"] else 0)
    with context.session() as session:
        reports = _rehearsed(session, session.runner, links)
        if out is not None:
            watermarks = {report.link: session.store.link(report.link).target_watermark or "" for report in reports}
            prints = {report.link: report.prints or {} for report in reports}
            plan_file(session.plan.digest, watermarks, prints, SystemClock().now()).write(out)
    changes = ChangeSet(tuple(report.as_changes() for report in reports))
    hidden = masked(changes) if output == "html" and not personal else changes
    click.echo({"text": text, "json": as_json, "markdown": markdown, "html": page}[output](hidden), nl=False)
    return exit_code(reports) or (2 if differences and changes.outstanding else 0)


def _rehearsed(session: Session, runner: Runner, links: tuple[str, ...]) -> list[PassReport]:
    with progress() as shown:
        orders = Orders(SystemRng().token(), rehearse=True, progress=shown)
        return runner.run(select_links(runner.plan, links), orders)


# -- two configurations --------------------------------------------------------------------------------------------------


def _compared(context: Context, asked: _Asked, base: str, differences: bool) -> int:
    after = _sound(load(context.root))
    with base_of(context.root, base) as before:
        comparison = compare(_sound(before), after)
        online = not asked.offline and bool(comparison.links)
        old, new = _both(context, asked, before, comparison) if online else (ChangeSet(), ChangeSet())
    brought = caused(old, new)
    if not asked.personal:
        old, new, brought = masked(old), masked(new), masked(brought)
    click.echo(_RENDERINGS[asked.output](comparison, old, new, brought, online), nl=False)
    failed = any(link.error for link in new.links)
    return 1 if failed else 2 if differences and (brought.outstanding or comparison.changed or comparison.added) else 0


def _sound(loaded: Loaded) -> Loaded:
    if loaded.plan is None:
        raise ConfigurationInvalid(loaded.diagnostics, loaded.texts)
    return loaded


def _both(context: Context, asked: _Asked, before: Loaded, comparison: Comparison) -> tuple[ChangeSet, ChangeSet]:
    """What the next pass would do under the old and under the new configuration, on the links that are concerned."""
    if context.service() is not None:
        raise UsageError(
            "a service has the state: what its next pass would do under another configuration cannot be shown here",
            remedy="add --offline for what the files tell, or run this on a copy of the state (--state)",
        )
    if before.plan is None:
        return ChangeSet(), ChangeSet()
    with context.session() as session:
        runner = session.runner
        chosen = [link for link in select_links(session.plan, asked.links) if link.name in comparison.links]
        names = tuple(link.name for link in chosen)
        new = _rehearsed(session, runner, names) if names else []
        older = tuple(name for name in names if name in before.plan.links)
        earlier = Runner(before.plan, session.store, runner.crm, runner.targets, runner.clock, runner.rng)
        old = _rehearsed(session, earlier, older) if older else []
    sets = [ChangeSet(tuple(report.as_changes() for report in reports)) for reports in (old, new)]
    return sets[0], sets[1]


def _as_text(comparison: Comparison, old: ChangeSet, new: ChangeSet, brought: ChangeSet, online: bool) -> str:
    lines = [*comparison.lines(), ""]
    if online:
        lines += [
            f"Next pass before: {summary(old)}",
            f"Next pass after:  {summary(new)}",
            "",
            "Brought about by it:",
            "",
        ]
        return "\n".join(lines) + text(brought)
    return "\n".join(lines)


def _as_markdown(comparison: Comparison, old: ChangeSet, new: ChangeSet, brought: ChangeSet, online: bool) -> str:
    fence = "```"
    head = [
        "### exsync: what this change of the configuration does",
        "",
        f"{fence}diff",
        *comparison.lines(),
        fence,
        "",
    ]
    if not online:
        return "\n".join(head)
    table = ["| the next pass | |", "|---|---|", f"| before | {summary(old)} |", f"| after | {summary(new)} |", ""]
    return "\n".join([*head, *table, "Brought about by it:", "", ""]) + markdown(brought)


def _as_json(comparison: Comparison, old: ChangeSet, new: ChangeSet, brought: ChangeSet, online: bool) -> str:
    told: dict[str, Any] = {"configuration": comparison.as_dict(), "online": online}
    if online:
        told |= {"before": old.as_dict(), "after": new.as_dict(), "caused": brought.as_dict()}
    return json.dumps(told, ensure_ascii=False, indent=2, default=str) + "\n"


def _as_html(comparison: Comparison, old: ChangeSet, new: ChangeSet, brought: ChangeSet, online: bool) -> str:
    notes = [*comparison.lines()]
    if online:
        notes += ["", f"Next pass before: {summary(old)}", f"Next pass after:  {summary(new)}"]
    return page(brought, "What this change of the configuration does", notes)


_RENDERINGS = {"text": _as_text, "markdown": _as_markdown, "json": _as_json, "html": _as_html}
