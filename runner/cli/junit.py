"""Tests as JUnit XML, for the test reports of CI servers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lxml import etree

from runner.cli.mapping_cases import Difference
from runner.cli.suites import Suite
from runner.mapping.canonical import text


def junit(suites: Iterable[Suite], describe: Callable[[Difference], str]) -> bytes:
    """One ``testsuite`` per file, one ``testcase`` per case; no times, so that equal results give equal bytes.

    ``describe`` says one difference in a line.
    """
    suites = list(suites)
    total = sum(len(suite.cases) for suite in suites)
    root = etree.Element("testsuites", tests=str(total), failures=str(sum(suite.failed for suite in suites)))
    for suite in suites:
        part = etree.SubElement(
            root, "testsuite", name=suite.file, tests=str(len(suite.cases)), failures=str(suite.failed), errors="0"
        )
        for case in suite.cases:
            one = etree.SubElement(
                part,
                "testcase",
                classname=suite.mapping or suite.file.rpartition("/")[2].partition(".")[0],
                name=_plain(case.name),
                file=suite.file,
                line=str(case.span.line),
            )
            if case.differences:
                told = [(difference.span, _plain(describe(difference))) for difference in case.differences]
                lines = [f"{span}: {line}" if span else line for span, line in told]
                etree.SubElement(one, "failure", message=lines[0]).text = "\n".join([str(case.span), *lines])
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)


def _plain(words: str) -> str:
    """Without what XML cannot carry."""
    return text(words) or ""
