"""A review as Markdown: tables, with a bar of blocks for each row that adds up."""

from __future__ import annotations

from collections.abc import Iterator

from runner.model.printable import printable
from runner.service.review import Review, Section, TargetReview
from runner.web.review.figures import figures

MOST = 15
"""Rows of a table."""
_WIDE = 20
_SPECIAL = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_{}[]<>()#+!|~@"})


def markdown(review: Review) -> str:
    """The whole document."""
    lines = [f"# exsync, {review.since[:10]} to {review.until[:10]} (UTC)", ""]
    if not review.targets:
        lines += ["No target is configured.", ""]
    for target in review.targets:
        lines += _target(target)
    return "\n".join(lines)


def _target(one: TargetReview) -> Iterator[str]:
    yield f"## {_text(one.target)}"
    yield ""
    told = figures(one)
    yield "| " + " | ".join(f"**{each.name}**" if each.bad else each.name for each in told) + " |"
    yield "|" + "--:|" * len(told)
    yield "| " + " | ".join(f"**{each.text}**" if each.bad else each.text for each in told) + " |"
    yield ""
    for section in one.sections:
        if section.answer.rows:
            yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    answer, unit = section.answer, f" ({section.unit})" if section.unit else ""
    rows = answer.rows if section.timed else answer.rows[:MOST]
    bars = section.stacked
    top = max((answer.total(row) for row in rows), default=0)
    columns = [_text(column) or "(none)" for column in answer.columns]
    yield f"### {section.title}{unit}"
    yield ""
    yield "| " + " | ".join([section.row, *columns, *([" "] if bars else [])]) + " |"
    yield "|---|" + "--:|" * len(columns) + ("---|" if bars else "")
    for row in rows:
        cells = [_figure(answer.cells.get((row, column))) for column in answer.columns]
        bar = ["█" * round(answer.total(row) / top * _WIDE) if top else ""] if bars else []
        yield "| " + " | ".join([_text(row) or "(none)", *cells, *bar]) + " |"
    left = len(answer.rows) - len(rows)
    yield ""
    if left or answer.more:
        yield f"… and {left} more." if left and not answer.more else "… and more."
        yield ""


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value.is_integer() else f"{value:.1f}"


def _text(raw: str) -> str:
    return printable(raw).translate(_SPECIAL)
