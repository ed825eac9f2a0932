"""What happened on each target in a span of days, counted: the matter of ``exsync report`` (B-92).

Everything comes from cubes over the history and from ``status``, asked for by name, so that it is the same with and without
a service. How it is shown is others' work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.model.cubes import FACTS, TIME, Answer
from runner.service.views import Data

Ask = Callable[[str, Mapping[str, str]], Data]
"""A cube and what is asked of it (``runner.service.looking.question_of``) → ``cube_view``'s answer."""


@dataclass(frozen=True, slots=True)
class Section:
    """One question of a review, as asked of one target. ``stacked``: its cells add up."""

    name: str
    title: str
    row: str
    """What a row is, for the head of its column."""
    answer: Answer
    unit: str
    timed: bool
    stacked: bool
    split: bool
    """Whether its columns are parts that have names."""

    @property
    def total(self) -> float:
        """The sum of all cells, where that means anything."""
        return sum(self.answer.cells.values())


@dataclass(frozen=True, slots=True)
class TargetReview:
    """One target. ``standings`` counts its links by condition, ``waiting`` their marks; ``proven`` is when the link that was
    proven equal longest ago was so (ISO text; None: one never was)."""

    target: str
    links: int
    standings: Mapping[str, int]
    waiting: int
    proven: str | None
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section:
        """A section by its name."""
        return next(each for each in self.sections if each.name == name)


@dataclass(frozen=True, slots=True)
class Review:
    """A span, ``since`` and ``until`` as ISO text (UTC), and every target in it."""

    since: str
    until: str
    targets: tuple[TargetReview, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    title: str
    cube: str
    rows: str
    columns: str = ""
    measure: str = "count"
    of: str = ""
    """The facts that the cube counts, where its name is another."""


QUESTIONS = (
    _Question("days", "Changes by day", "changes", TIME, "operation"),
    _Question("ways", "Changes by direction", "changes", "direction", "operation"),
    _Question("delay", "From the wish to the end of the pass, 95 of 100", "latency", TIME, "", "delay_p95", "passes"),
    _Question("errors", "Passes that failed or were stopped", "errors", "code", "", "count", "passes"),
    _Question("conflicts", "Conflicts", "conflicts", "field", "standing"),
    _Question("aside", "Items that were set aside and still are", "aside", "code", "side"),
    _Question("mails", "Mail to attendees", "mails", "kind", "status", "addressees"),
    _Question("links", "The busiest links", "changes", "link", "operation"),
)
"""What is asked of each target."""


def review(
    ask: Ask, status: Data, targets: Sequence[str], last: str, told: Callable[[int, int], None] = lambda done, due: None
) -> Review:
    """Ask everything. ``last`` is one of ``looking.LAST``; ``told`` hears how many of how many questions are answered."""
    due, done = len(targets) * len(QUESTIONS), 0
    span = ("", "")
    found: list[TargetReview] = []
    for target in targets:
        sections = []
        for question in QUESTIONS:
            asked = {"rows": question.rows, "columns": question.columns, "measure": question.measure}
            answer = ask(question.cube, {**asked, "grain": "day", "last": last, "is.target": target})
            span = (answer["since"], answer["until"])
            sections.append(_section(question, answer))
            done += 1
            told(done, due)
        found.append(_standing(target, status, tuple(sections)))
    return Review(*span, tuple(found))


def _section(question: _Question, told: Data) -> Section:
    cells = {(cell["row"], cell["column"]): float(cell["value"]) for cell in told["cells"]}
    measure = FACTS[question.of or question.cube].measures[question.measure]
    return Section(
        name=question.name,
        title=question.title,
        row="day" if question.rows == TIME else question.rows,
        answer=Answer(tuple(told["rows"]), tuple(told["columns"]), cells, more=bool(told["more"])),
        unit=measure.unit,
        timed=question.rows == TIME,
        stacked=measure.adds_up,
        split=bool(question.columns),
    )


def _standing(target: str, status: Data, sections: tuple[Section, ...]) -> TargetReview:
    links = [link for link in status["links"] if link["name"].startswith(f"{target}/") and link["configured"]]
    proofs = [link.get("proven") for link in links]
    return TargetReview(
        target=target,
        links=len(links),
        standings=Counter(link["condition"] for link in links),
        waiting=sum(link.get("marks", 0) for link in links),
        proven=min(filter(None, proofs)) if proofs and all(proofs) else None,
        sections=sections,
    )
