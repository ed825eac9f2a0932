"""Cubes as values: what can be counted over the history, by what, and what a cube of the YAML asks for (B-92).

=============  =================================================================  ====================================
facts          one of them is                                                     kept in
=============  =================================================================  ====================================
``changes``    one write to one side                                              the ledger
``passes``     one pass that had an effect or failed                              runs
``conflicts``  one field changed on both sides                                    the conflict ledger
``aside``      one item that is in quarantine                                     quarantine
``mails``      one mail to attendees, sent, held or dropped                       mail
``queue``      one minute of one target's queue (B-22)                            the queue's samples
=============  =================================================================  ====================================

How each name is computed stands with the store (``runner.store.cubing``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class Grain(StrEnum):
    """How long the steps of time are."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def finer(self) -> Grain | None:
        """The next finer one, for drilling down."""
        grains = list(Grain)
        place = grains.index(self)
        return grains[place - 1] if place else None

    @property
    def coarser(self) -> Grain | None:
        """The next coarser one, for rolling up."""
        grains = list(Grain)
        place = grains.index(self)
        return grains[place + 1] if place + 1 < len(grains) else None


@dataclass(frozen=True, slots=True)
class Measure:
    """One number over facts. ``unit`` is ``""`` (a count), ``s`` or ``h``."""

    name: str
    doc: str
    unit: str = ""
    adds_up: bool = True
    """Whether a sum over rows means anything (a percentile's does not)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One kind of fact: its measures, and by what it can be told apart."""

    name: str
    title: str
    measures: Mapping[str, Measure]
    dimensions: tuple[str, ...]


_OF_LINK = ("target", "user", "folder", "link")


def _facts(name: str, title: str, dimensions: tuple[str, ...], *measures: Measure) -> Facts:
    return Facts(name, title, MappingProxyType({measure.name: measure for measure in measures}), dimensions)


_COUNT = Measure("count", "how many")
FACTS: Mapping[str, Facts] = MappingProxyType(
    {
        facts.name: facts
        for facts in (
            _facts(
                "changes",
                "Changes",
                (*_OF_LINK, "direction", "operation", "reason", "rule", "run"),
                _COUNT,
                Measure("items", "distinct items, within two per cent", adds_up=False),
            ),
            _facts(
                "passes",
                "Passes",
                (*_OF_LINK, "outcome", "code"),
                _COUNT,
                Measure("failed", "how many failed"),
                Measure("seconds_p50", "duration, median", "s", adds_up=False),
                Measure("seconds_p95", "duration, 95th percentile", "s", adds_up=False),
                Measure("seconds_max", "duration, longest", "s", adds_up=False),
                Measure("delay_p50", "from the first wish to the end of the pass, median", "s", adds_up=False),
                Measure("delay_p95", "from the first wish to the end of the pass, 95th percentile", "s", adds_up=False),
                Measure("delay_max", "from the first wish to the end of the pass, longest", "s", adds_up=False),
            ),
            _facts(
                "conflicts",
                "Conflicts",
                (*_OF_LINK, "field", "policy", "winner", "standing"),
                _COUNT,
                Measure("open", "how many wait for a decision"),
                Measure("hours_to_settle", "from found to settled by an operator, mean", "h", adds_up=False),
            ),
            _facts("aside", "Items set aside", (*_OF_LINK, "side", "code"), _COUNT),
            _facts(
                "mails",
                "Mail to attendees",
                (*_OF_LINK, "kind", "status"),
                _COUNT,
                Measure("addressees", "how many people"),
            ),
            _facts(
                "queue",
                "Queue",
                ("target",),
                Measure("sent", "wishes put"),
                Measure("received", "messages taken"),
                Measure("backlog_max", "most messages waiting", adds_up=False),
                Measure("blocked_max", "most messages blocked", adds_up=False),
                Measure("oldest_max", "age of the oldest message that may run, highest", "s", adds_up=False),
                Measure("held_mean", "time that a message was held, mean", "s", adds_up=False),
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Cube:
    """One cube: its facts, the measures and dimensions that it offers, its grain, and what it is limited to.

    ``where`` gives, by dimension, the values that take part.
    """

    name: str
    title: str
    of: str
    measures: tuple[str, ...]
    dimensions: tuple[str, ...]
    grain: Grain = Grain.DAY
    where: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    rule: str = "built-in"

    @property
    def facts(self) -> Facts:
        """What it counts."""
        return FACTS[self.of]


BUILT_IN: tuple[Cube, ...] = (
    Cube(
        "changes",
        "Changes",
        "changes",
        ("count", "items"),
        ("operation", "direction", "folder", "target", "user", "link", "reason", "rule", "run"),
    ),
    Cube(
        "latency",
        "Latency",
        "passes",
        ("delay_p50", "delay_p95", "delay_max", "seconds_p50", "seconds_p95", "seconds_max", "count"),
        ("target", "folder", "user", "link"),
        where=MappingProxyType({"outcome": ("done",)}),
    ),
    Cube(
        "errors",
        "Errors",
        "passes",
        ("count",),
        ("code", "target", "folder", "user", "link"),
        where=MappingProxyType({"outcome": ("failed", "stopped")}),
    ),
    Cube("aside", "Items set aside", "aside", ("count",), ("code", "side", "target", "folder", "user", "link")),
    Cube(
        "conflicts",
        "Conflicts",
        "conflicts",
        ("count", "open", "hours_to_settle"),
        ("field", "policy", "standing", "winner", "target", "folder", "user", "link"),
    ),
    Cube("mails", "Mail", "mails", ("addressees", "count"), ("status", "kind", "target", "user", "link")),
    Cube(
        "queue",
        "Queue",
        "queue",
        ("held_mean", "oldest_max", "backlog_max", "blocked_max", "sent", "received"),
        ("target",),
        Grain.HOUR,
    ),
)
"""The cubes that are there without any YAML."""

TIME = "time"
"""The name of the time axis among dimensions."""


@dataclass(frozen=True, slots=True)
class Question:
    """One look at a cube: which measure, by which dimensions, from when to when, and which slice of it.

    ``rows`` and ``columns`` are dimensions or :data:`TIME`; no columns: one column with the measure.
    """

    cube: Cube
    measure: str
    rows: str
    columns: str | None
    grain: Grain
    since: datetime
    until: datetime
    slices: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """A pivot table: ``cells[row, column]``; rows and columns in the order in which they are shown.

    ``more`` says that there are more rows than were asked for.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], float]
    seconds: float = 0.0
    more: bool = False

    def total(self, row: str) -> float:
        """The sum over a row."""
        return sum(self.cells.get((row, column), 0) for column in self.columns)
