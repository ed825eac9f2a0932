"""``candidate:`` of a target: a change of its ``defaults`` that is tried before it holds for everybody.

Users in its rings run by it; the links of all others are its *shadows*: what they would do by it is rehearsed and compared,
and nothing of it is written. Who is in a ring depends on the target's and the user's names alone, so a wider ring has
everybody that a narrower one had, on every machine and at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from runner.config.documents import Document
from runner.config.findings import Findings
from runner.model.terms import Folder

_POINTS = 10_000
"""Hundredths of a percent."""


@dataclass(frozen=True, slots=True)
class Ring:
    """One step of widening: these users, and so many hundredths of a percent of all."""

    users: frozenset[str] = frozenset()
    points: int = 0

    def has(self, target: str, user: str) -> bool:
        """Whether a user is in it."""
        if user in self.users:
            return True
        drawn = hashlib.sha256(f"{target}/{user}".encode()).digest()[:8]
        return int.from_bytes(drawn) % _POINTS < self.points


@dataclass(frozen=True, slots=True)
class CandidatePlan:
    """One target's candidate. ``ring`` of its rings are live, counted from the first; with 0 nobody runs by it yet.
    ``max_errors``: more items set aside, or links that fail, in one pass stop it."""

    target: str
    rule: str
    rings: tuple[Ring, ...] = ()
    ring: int = 0
    max_errors: int = 0

    def reaches(self, user: str) -> bool:
        """Whether a user runs by it."""
        return any(ring.has(self.target, user) for ring in self.rings[: self.ring])


def compile_candidate(document: Document) -> CandidatePlan | None:
    """What a sound document says of its candidate; None when it has none."""
    given = document.data.get("candidate")
    if not isinstance(given, dict) or document.name is None:
        return None
    rings = tuple(
        Ring(
            frozenset(user.lower() for user in ring.get("users", ())),
            _POINTS if ring.get("all") else round(float(ring.get("percent", 0)) * 100),
        )
        for ring in given.get("rings", ())
    )
    rule = document.rule("candidate")
    return CandidatePlan(document.name, rule, rings, int(given.get("ring", 0)), int(given.get("max_errors", 0)))


def check_candidate(document: Document, linked: Iterable[str], folders: Iterable[Folder], findings: Findings) -> None:
    """What the schema cannot say: the ring exists, its users have links, and so do its folders. ``linked`` are the users that
    links name, none of them when links come from a list."""
    given = document.data.get("candidate")
    if not isinstance(given, dict):
        return
    rings = given.get("rings")
    count = len(rings) if isinstance(rings, list) else 0
    ring = given.get("ring", 0)
    if isinstance(ring, int) and ring > count:
        findings.error(
            "unknown-ring",
            f"ring {ring} is live, and there {'is' if count == 1 else 'are'} {count}",
            document.span("candidate", "ring"),
            hint=f"write a number from 0 (nobody) to {count}, or add rings",
            pointer="/candidate/ring",
        )
    known = set(linked)
    for number, one in enumerate(rings if isinstance(rings, list) else ()):
        users = one.get("users") if isinstance(one, dict) else None
        for place, user in enumerate(users if isinstance(users, list) and known else ()):
            if isinstance(user, str) and user.lower() not in known:
                findings.error(
                    "unknown-user",
                    f"{user} has no link on this target",
                    document.span("candidate", "rings", number, "users", place),
                    hint="name a user of links:",
                    pointer=f"/candidate/rings/{number}/users/{place}",
                )
    stated = document.get("candidate", "defaults", "folders")
    present = {folder.value for folder in folders}
    for name in stated if isinstance(stated, dict) else ():
        if name not in present:
            findings.error(
                "candidate-without-links",
                f"no link has {name}: a candidate changes what links do and adds none",
                document.source.key_span(("candidate", "defaults", "folders", name)),
                hint=f"add folders.{name} to defaults or to a link first",
                pointer=f"/candidate/defaults/folders/{name}",
            )
