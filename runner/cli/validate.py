"""``exsync validate``: every finding of the configuration at once, with file, line and column."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runner.cli.diagnostics import FORMATS, Locate, as_data, report, summary
from runner.config import Loaded, load, load_file
from runner.config.files import MAPPINGS, TARGETS, is_test
from runner.model.diagnostics import Diagnostic, Severity
from runner.model.errors import UsageError

INVALID = 78
WARNINGS = 3


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of the findings."
)
@click.option("--strict", is_flag=True, help="Exit with 3 when there are warnings.")
@click.pass_context
def validate(ctx: click.Context, paths: tuple[Path, ...], output: str, strict: bool) -> None:
    """Check the YAML files: every finding at once, with file, line and column.

    PATHS are configuration roots or single files (a file is checked together with its neighbours, and only its own
    findings are shown). Exit codes: 0 valid, 78 errors, 3 warnings with --strict.
    """
    checks = [_Check(path) for path in paths or (ctx.obj.root,)]
    found = [diagnostic for check in checks for diagnostic in check.diagnostics]
    if output == "json":
        # One list over all paths, each finding under the path that its reader can open.
        click.echo(_json(checks))
    else:
        for check in checks:
            report(check.diagnostics, check.loaded.texts, output=output, locate=check.locate, err=False)
    if output == "text":
        _conclude(checks, found)
    if any(each.severity is Severity.ERROR for each in found):
        ctx.exit(INVALID)
    ctx.exit(WARNINGS if strict and found else 0)


class _Check:
    """What became of one of the paths."""

    def __init__(self, path: Path) -> None:
        self.root, self.only = _root_of(path)
        self.alone = self.root is None
        self.loaded: Loaded = load(self.root) if self.root is not None else load_file(path)
        self.diagnostics: list[Diagnostic] = [
            each for each in self.loaded.diagnostics if self.only is None or each.span.file.startswith(self.only)
        ]

    @property
    def locate(self) -> Locate:
        """Paths as seen from the working directory."""
        root = self.root
        return (lambda file: file) if root is None else (lambda file: str(root / file))


def _root_of(path: Path) -> tuple[Path | None, str | None]:
    """The root that a path belongs to (None: a file that belongs to none), and what of it was asked for."""
    if path.is_dir():
        real = path.absolute()
        if real.name not in (TARGETS, MAPPINGS) or (path / TARGETS).is_dir():
            return path, None
        return (path.parent if path.name == real.name else real.parent), f"{real.name}/"
    if not path.exists():
        raise UsageError(f"{path}: no such file or directory", remedy="name a configuration root or a YAML file")
    parent = path.absolute().parent
    if parent.name in (TARGETS, MAPPINGS) and not is_test(path.name):
        return (path.parent.parent if len(path.parts) > 1 else parent.parent), f"{parent.name}/{path.name}"
    return None, None


def _json(checks: list[_Check]) -> str:
    return json.dumps(
        [as_data(each, check.locate) for check in checks for each in check.diagnostics], indent=2, ensure_ascii=False
    )


def _conclude(checks: list[_Check], found: list[Diagnostic]) -> None:
    if found:
        click.echo(f"{summary(found)} in {len({each.span.file for each in found})} file(s)")
    for check in checks:
        if check.loaded.plan is not None and not check.diagnostics:
            plan = check.loaded.plan
            click.echo(f"valid: {len(plan.targets)} target(s), {len(plan.links)} link(s), digest {plan.digest[:12]}")
        elif not check.diagnostics:
            click.echo("valid as far as one file can tell" if check.alone else "nothing found in what was asked for")
