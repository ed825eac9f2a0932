"""Charts as values that a template draws as SVG: geometry only, colours are the style sheet's (no inline style, E11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from runner.model.cubes import Answer

NOTHING = "(none)"
"""What stands for a name that is not there: a directory's links have no user."""
WIDTH, HEIGHT = 960, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 30
_WIDEST = 56
"""A bar alone is no wall."""
SERIES = 8
"""Colours of the style sheet; further series share the last one."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle. ``series`` picks the colour; ``told`` is its tooltip."""

    x: float
    y: float
    width: float
    height: float
    series: int
    told: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series as the points of a polyline, and its points for tooltips."""

    points: str
    series: int
    dots: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark of an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that is drawn. ``legend`` has (series, name)."""

    width: int
    height: int
    bars: tuple[Bar, ...] = ()
    lines: tuple[Line, ...] = ()
    across: tuple[Tick, ...] = ()
    up: tuple[Tick, ...] = ()
    legend: tuple[tuple[int, str], ...] = ()
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    bottom: int = HEIGHT - _BOTTOM


def over_time(answer: Answer, unit: str, *, stacked: bool, steps: int = 9) -> Chart:
    """Rows are steps of time: stacked bars where sums mean something, lines elsewhere. ``steps``: how many are named."""
    if not answer.rows:
        return Chart(WIDTH, HEIGHT)
    values = [[answer.cells.get((row, column), 0.0) for column in answer.columns] for row in answer.rows]
    top = max((sum(row) if stacked else max(row, default=0) for row in values), default=0)
    ticks, ceiling = _ticks(top)
    inner, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    step = inner / len(answer.rows)

    def up(value: float) -> float:
        return round(_TOP + tall * (1 - value / ceiling), 2)

    bars: list[Bar] = []
    lines: list[Line] = []
    if stacked:
        for place, (label, row) in enumerate(zip(answer.rows, values, strict=True)):
            base = 0.0
            for series, (column, value) in enumerate(zip(answer.columns, row, strict=True)):
                if value:
                    told = f"{label} · {column}: {_figure(value)}{unit}"
                    width = round(min(step * 0.76, _WIDEST), 2)
                    x = round(_LEFT + (place + 0.5) * step - width / 2, 2)
                    bars.append(
                        Bar(x, up(base + value), width, round(up(base) - up(base + value), 2), _series(series), told)
                    )
                    base += value
    else:
        for series, column in enumerate(answer.columns):
            dots = tuple(
                (
                    round(_LEFT + (place + 0.5) * step, 2),
                    up(row[series]),
                    f"{label} · {column}: {_figure(row[series])}{unit}",
                )
                for place, (label, row) in enumerate(zip(answer.rows, values, strict=True))
                if (label, column) in answer.cells
            )
            lines.append(Line(" ".join(f"{x},{y}" for x, y, _ in dots), _series(series), dots))
    every = max(1, ceil(len(answer.rows) / steps))
    across = [Tick(round(_LEFT + (n + 0.5) * step, 2), row) for n, row in enumerate(answer.rows) if n % every == 0]
    legend = (
        tuple((_series(number), column) for number, column in enumerate(answer.columns))
        if len(answer.columns) > 1
        else ()
    )
    marks = tuple(Tick(up(value), _figure(value) + unit) for value in ticks)
    return Chart(WIDTH, HEIGHT, tuple(bars), tuple(lines), tuple(across), marks, legend)


def by_size(answer: Answer, unit: str, *, stacked: bool, most: int = 15) -> Sequence[tuple[str, str, Sequence[Bar]]]:
    """Rows are names: horizontal bars, each with its label, its figure and its segments, 0 to 100 wide. What does not add up
    has a bar for each cell."""
    if not stacked and len(answer.columns) > 1:
        return _one_by_one(answer, unit, most)
    rows = answer.rows[:most]
    top = max((answer.total(row) for row in rows), default=0) or 1
    found = []
    for row in rows:
        x, segments = 0.0, []
        for series, column in enumerate(answer.columns):
            value = answer.cells.get((row, column), 0.0)
            if value:
                width = round(value / top * 100, 3)
                segments.append(
                    Bar(
                        x,
                        0,
                        width,
                        10,
                        _series(series),
                        f"{row or NOTHING} · {column or NOTHING}: {_figure(value)}{unit}",
                    )
                )
                x += width
        found.append((row, _figure(answer.total(row)) + unit, segments))
    return found


def _one_by_one(answer: Answer, unit: str, most: int) -> Sequence[tuple[str, str, Sequence[Bar]]]:
    cells = sorted(answer.cells.items(), key=lambda cell: (-cell[1], cell[0]))[:most]
    top = cells[0][1] if cells and cells[0][1] else 1
    told = []
    for (row, column), value in cells:
        figure = _figure(value) + unit
        series = _series(answer.columns.index(column)) if column in answer.columns else 0
        told.append(
            (
                f"{row or NOTHING} · {column or NOTHING}",
                figure,
                [Bar(0, 0, round(value / top * 100, 3), 10, series, figure)],
            )
        )
    return told


def _series(number: int) -> int:
    return min(number, SERIES - 1)


def _ticks(top: float) -> tuple[Sequence[float], float]:
    if top <= 0:
        return (0, 1), 1
    step = 10 ** floor(log10(top))
    for part in (0.1, 0.2, 0.25, 0.5, 1):
        if top / (step * part) <= 5:
            step *= part
            break
    if top >= 1:
        step = max(step, 1) if top >= 4 else step
    count = ceil(top / step)
    return [step * n for n in range(count + 1)], step * count


def _figure(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g}{unit}"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"
