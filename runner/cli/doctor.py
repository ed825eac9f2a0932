"""``exsync doctor``: what an installation needs, checked (B-100)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import click

from runner.cli import completing
from runner.cli.context import Context, pass_context
from runner.cli.examination import Asked, Examined, examine
from runner.cli.output import output_option
from runner.cli.progress import progress
from runner.engine.runs import gravest
from runner.model.checkup import Diagnosis, Level
from runner.model.errors import UsageError
from runner.model.printable import printable

_SHOWN = {Level.OK: "ok", Level.WARNING: "warning", Level.FAILURE: "FAILURE"}


@click.command()
@click.argument("targets", nargs=-1, shell_complete=completing.systems)
@click.option(
    "--outside",
    "named",
    multiple=True,
    metavar="[TARGET=]ADDRESS",
    help="A mailbox that is not synchronised: the account must be refused it. May be given again for each target.",
)
@click.option("--all", "every", is_flag=True, help="Try every linked mailbox; five of each target otherwise.")
@click.option(
    "--push-tls-cert",
    type=click.Path(dir_okay=False),
    help="The certificate (PEM) that `exsync serve` is given by the same name.",
)
@click.option("--push-tls-key", type=click.Path(dir_okay=False), help="Its key, where `serve` is given one.")
@click.option("--strict", is_flag=True, help="Exit 3 when there are warnings and no failures.")
@output_option("text", "json")
@pass_context
def doctor(
    context: Context,
    targets: tuple[str, ...],
    named: tuple[str, ...],
    every: bool,
    push_tls_cert: str | None,
    push_tls_key: str | None,
    strict: bool,
    output: str,
) -> int:
    """Check what this installation needs, and say what to do. TARGETS (none: everything) are targets or the CRM by name.

    Looked at are the state's directory and the secret files; of each server the certificate, the clock, the log-on, the
    version and what the account may do; in the CRM grants, tables and triggers. Nothing is written anywhere, and a service
    may run meanwhile. The exit code is that of the gravest failure.
    """
    if push_tls_key is not None and push_tls_cert is None:
        raise click.UsageError("--push-tls-key goes with --push-tls-cert")
    push = (push_tls_cert, push_tls_key) if push_tls_cert is not None else None
    found: list[Diagnosis] = []
    with progress() as bar:
        examined = Examined(context, context.plan(), Asked(targets, _outside(named), every, push), bar)
        for diagnosis in examine(examined):
            if output == "text":
                for line in _lines(diagnosis, found[-1].subject if found else None):
                    click.echo(line)
            found.append(diagnosis)
    if output == "text":
        click.echo(f"\n{_summary(found)}")
    else:
        click.echo(json.dumps(_plain(found), indent=2, ensure_ascii=False))
    return gravest(one.exit_code for one in found) or (3 if strict and _count(found, Level.WARNING) else 0)


def _outside(named: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in named:
        target, _, address = one.rpartition("=")
        if "@" not in address:
            raise UsageError(f"--outside {one}: no address", remedy="write ADDRESS, or TARGET=ADDRESS")
        found[target] = address.lower()
    return found


def _lines(diagnosis: Diagnosis, before: str | None) -> Iterator[str]:
    if diagnosis.subject != before:
        yield printable(diagnosis.subject)
    yield f"  {_SHOWN[diagnosis.level]:<8} {diagnosis.check}: {'; '.join(map(printable, diagnosis.message.splitlines()))}"
    if diagnosis.remedy:
        yield f"           = what to do: {printable(diagnosis.remedy)}"


def _summary(found: list[Diagnosis]) -> str:
    words = {Level.OK: "as they should be", Level.WARNING: "to look at", Level.FAILURE: "to mend"}
    return f"{len(found)} checks: " + ", ".join(f"{_count(found, level)} {word}" for level, word in words.items())


def _count(found: list[Diagnosis], level: Level) -> int:
    return sum(one.level is level for one in found)


def _plain(found: list[Diagnosis]) -> dict[str, Any]:
    return {"checks": [asdict(one) for one in found], "counts": {level.value: _count(found, level) for level in Level}}
