"""``exsync test``: the mapping tests that lie beside the mappings, and the end-to-end cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.cases.found import case_files, is_case
from runner.cli.diagnostics import report
from runner.cli.junit import junit
from runner.cli.mapping_cases import Difference
from runner.cli.mapping_tests import run_tests, test_files
from runner.cli.suites import Outcome, Suite
from runner.config.files import MAPPINGS, TESTS, is_test
from runner.model.errors import UsageError

if TYPE_CHECKING:
    from runner.cli.cases.files import Prepared

INVALID = 78
FAILED = 1


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--junit", "report_file", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML there.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Form of the results.",
)
@click.pass_context
def test(ctx: click.Context, paths: tuple[Path, ...], report_file: Path | None, output: str) -> None:
    """Run the tests of mappings, and play the end-to-end cases. Asks none of your servers and databases, reads no clock.

    PATHS are configuration roots, mapping tests (mappings/NAME.test.yaml) or case files (tests/NAME.cases.yaml), whose
    servers are sandboxes on loopback. Exit codes: 0 all cases hold, 1 a case does not, 78 a test file or what it tests is
    invalid (then nothing is run).
    """
    selected = _selected(paths or (ctx.obj.root,))
    for root, _ in selected:
        _demand_tests(root)
    outcomes = [(root, run_tests(root, only)) for root, only in selected]
    prepared = [(root, _prepared(root, only)) for root, only in selected if case_files(root)]
    found = [*outcomes, *((root, each.findings) for root, each in prepared)]
    for root, outcome in found:
        report(outcome.diagnostics, outcome.texts, locate=_locate(root), err=output == "json")
    if any(outcome.invalid for _, outcome in found):
        ctx.exit(INVALID)
    outcomes += [(root, each.play()) for root, each in prepared]
    suites = [suite for _, outcome in outcomes for suite in outcome.suites]
    if report_file is not None:
        _write(report_file, junit(suites, sentence))
    if output == "json":
        click.echo(json.dumps(_data(suites), indent=2, ensure_ascii=False))
    else:
        _print(outcomes, suites)
    ctx.exit(FAILED if any(suite.failed for suite in suites) else 0)


def _selected(paths: Sequence[Path]) -> list[tuple[Path, frozenset[str] | None]]:
    """Each root with the test files that were asked for there (None: all)."""
    whole: dict[Path, None] = {}
    single: dict[Path, set[str]] = {}
    for path in paths:
        if path.is_dir():
            whole[path] = None
        elif not path.exists():
            raise UsageError(f"{path}: no such file or directory", remedy="name a configuration root or a test file")
        elif not _is_tests(path):
            remedy = f"tests lie beside their mapping, {MAPPINGS}/NAME.test.yaml, and cases in {TESTS}/NAME.cases.yaml"
            raise UsageError(f"{path} is neither a mapping test nor a case file", remedy=remedy)
        else:
            root = path.parent.parent if len(path.parts) > 1 else path.absolute().parent.parent
            single.setdefault(root, set()).add(f"{path.absolute().parent.name}/{path.name}")
    selected: list[tuple[Path, frozenset[str] | None]] = [(root, None) for root in whole]
    return selected + [(root, frozenset(names)) for root, names in single.items() if root not in whole]


def _prepared(root: Path, only: frozenset[str] | None) -> Prepared:
    from runner.cli.cases.files import prepare

    return prepare(root, only)


def _is_tests(path: Path) -> bool:
    directory = path.absolute().parent.name
    return (directory == MAPPINGS and is_test(path.name)) or (directory == TESTS and is_case(path.name))


def _demand_tests(root: Path) -> None:
    if not test_files(root) and not case_files(root):
        raise UsageError(
            f"there are no mapping tests below {root}, and no cases",
            remedy=f"write {MAPPINGS}/NAME.test.yaml (`exsync schema mapping-test` prints what belongs in it)"
            f" or {TESTS}/NAME.cases.yaml (`exsync schema cases`)",
        )


def _locate(root: Path) -> Any:
    return lambda file: str(root / file)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror or type(error).__name__}",
            remedy="name a file in a directory that exists and may be written",
        ) from None


def sentence(difference: Difference) -> str:
    """One difference in a line."""
    if difference.note and difference.expected is None and difference.got is None:
        return f"{difference.what}: {difference.note}"
    note = f" ({difference.note})" if difference.note else ""
    return f"{difference.what}: expected {_shown(difference.expected)}, got {_shown(difference.got)}{note}"


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _print(outcomes: Sequence[tuple[Path, Outcome]], suites: Sequence[Suite]) -> None:
    for root, outcome in outcomes:
        for suite in outcome.suites:
            for case in suite.cases:
                if case.differences:
                    click.echo(f"{root / suite.file}:{case.span.line}:{case.span.column}: failed: {case.name}")
                    for difference in case.differences:
                        place = f"{root / str(difference.span)}: " if difference.span else ""
                        click.echo(f"    {place}{sentence(difference)}")
        for name in outcome.untested:
            click.echo(f"the mapping {name!r} has no tests")
    cases, failed = sum(len(suite.cases) for suite in suites), sum(suite.failed for suite in suites)
    click.echo(f"{cases} case(s) in {len(suites)} file(s): {f'{failed} failed' if failed else 'all hold'}")


def _data(suites: Sequence[Suite]) -> dict[str, Any]:
    """The results as plain data."""
    return {
        "cases": sum(len(suite.cases) for suite in suites),
        "failed": sum(suite.failed for suite in suites),
        "suites": [
            {
                "file": suite.file,
                "mapping": suite.mapping,
                "cases": [
                    {
                        "name": case.name,
                        "line": case.span.line,
                        "column": case.span.column,
                        "holds": not case.differences,
                        "differences": [_difference(each) for each in case.differences],
                    }
                    for case in suite.cases
                ],
            }
            for suite in suites
        ],
    }


def _difference(one: Difference) -> dict[str, Any]:
    told = {"what": one.what, "expected": one.expected, "got": one.got, "note": one.note}
    return told | ({"line": one.span.line, "column": one.span.column} if one.span else {})
