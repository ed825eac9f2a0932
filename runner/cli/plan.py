"""``exsync plan``: what the next pass would do, also under a change of the configuration (B-100)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from runner.cli import completing
from runner.cli.change import Asked, compared
from runner.cli.context import Context, SystemClock, pass_context
from runner.cli.plan_file import LOOKED, plan_file
from runner.cli.rehearsing import rehearsed
from runner.engine.runs import exit_code
from runner.model.errors import UsageError
from runner.reconcile.changeset import ChangeSet
from runner.reconcile.masking import masked
from runner.reconcile.page import page
from runner.reconcile.rendering import as_json, markdown, text


@click.command()
@click.argument("links", nargs=-1, shell_complete=completing.links)
@click.option(
    "-o", "--output", type=click.Choice(("text", "json", "markdown", "html")), default="text", show_default=True
)
@click.option("--base", metavar="DIR|REF", help="Compare with the configuration in DIR, or of a git revision.")
@click.option(
    "--offline", is_flag=True, help="With --base: only what the files tell; no server and no state is needed."
)
@click.option(
    "--personal", is_flag=True, help="With --base, in Markdown and in HTML: show titles and personal values, too."
)
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
    under either configuration, and what the change brings about. Titles and personal values are masked there, and in
    what is made to be passed on: Markdown and HTML.
    """
    if offline and base is None:
        raise UsageError("--offline goes with --base", remedy="name what to compare with: --base origin/main")
    if base is not None:
        if out is not None:
            raise UsageError(
                "--out writes a plan of the configuration at hand; --base only compares",
                remedy="run `exsync plan --out` by itself",
            )
        return compared(context, Asked(base, links, output, personal, offline, differences))
    service = context.service()
    if service is not None:
        told = service.post("/api/v1/plan", {"links": list(links), "personal": personal})
        click.echo(told[output], nl=False)
        if out is not None:
            _write(out, int(told["exit_code"]), told["configuration"], told["watermarks"], told["prints"])
        return int(told["exit_code"]) or (2 if differences and told["different"] else 0)
    with context.session() as session:
        reports = rehearsed(session.runner, links)
        watermarks = {report.link: session.store.link(report.link).target_watermark or "" for report in reports}
        digest = session.plan.digest
    changes = ChangeSet(tuple(report.as_changes() for report in reports))
    hidden = masked(changes) if output in ("markdown", "html") and not personal else changes
    click.echo({"text": text, "json": as_json, "markdown": markdown, "html": page}[output](hidden), nl=False)
    if out is not None:
        _write(out, exit_code(reports), digest, watermarks, {report.link: report.prints or {} for report in reports})
    return exit_code(reports) or (2 if differences and changes.outstanding else 0)


def _write(
    out: Path, code: int, configuration: str, watermarks: Mapping[str, str], prints: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the plan down, unless a link could not be looked at: nobody can approve what he has not seen."""
    if code not in LOOKED:
        click.echo(f"error: {out} is not written: not every link could be looked at", err=True)
        return
    plan_file(configuration, watermarks, prints, SystemClock().now()).write(out)
