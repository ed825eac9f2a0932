"""``exsync report``: what happened on each target in the last days, summed up (B-92)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import click

from runner.cli import completing
from runner.cli.context import Context, SystemClock, pass_context
from runner.cli.progress import progress
from runner.config.plan import SyncPlan
from runner.model.cubes import BUILT_IN
from runner.model.errors import UsageError
from runner.service.looking import LAST, cube_view, question_of
from runner.service.review import Review, review
from runner.service.views import Data, status_view
from runner.store.cubing import Cubes
from runner.web.review import html, markdown

_CUBES = {cube.name: cube for cube in BUILT_IN}


@click.command()
@click.argument("targets", nargs=-1, shell_complete=completing.targets)
@click.option("--last", type=click.Choice(list(LAST)), default="7d", show_default=True, help="How far back.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(("markdown", "html")),
    default="markdown",
    show_default=True,
    help="Output format.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it into this file instead.")
@pass_context
def report(context: Context, targets: tuple[str, ...], last: str, output: str, out: Path | None) -> None:
    """Sum up what happened on TARGETS (none: all): changes, delays, failures, conflicts, what was set aside, mail.

    Names of links are in it, titles and values of items are not. For a weekly mail, let cron or a systemd timer write it with
    -o html: one page with charts, without scripts, and nothing in it is loaded from anywhere.
    """
    with progress() as bar:

        def told(done: int, due: int) -> None:
            if bar is not None:
                bar("report", done, due)

        service = context.service()
        if service is not None:
            names = _chosen(context.plan(), targets)
            remote = service

            def ask(cube: str, asked: Mapping[str, str]) -> Data:
                answer: Data = remote.get(f"/api/v1/cubes/{quote(cube)}?{urlencode(asked)}")
                return answer

            found = review(ask, service.get("/api/v1/status"), names, last, told)
        else:
            with context.session() as session:
                engine, now = Cubes(session.store), SystemClock().now()

                def count(cube: str, asked: Mapping[str, str]) -> Data:
                    return cube_view(engine, question_of(_CUBES, cube, asked, now))

                names = _chosen(session.plan, targets)
                found = review(count, status_view(session.store, session.plan), names, last, told)
    _give(found, output, out)


def _chosen(plan: SyncPlan, targets: tuple[str, ...]) -> list[str]:
    for name in targets:
        if name not in plan.targets:
            raise UsageError(f"no target is called {name!r}", remedy=f"there are {', '.join(plan.targets)}")
    return [name for name in plan.targets if not targets or name in targets]


def _give(found: Review, output: str, out: Path | None) -> None:
    text = html(found) if output == "html" else markdown(found)
    if out is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}", remedy="name another file") from None
    click.echo(str(out))
