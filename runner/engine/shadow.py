"""A target's candidate beside the live configuration: what it would make of every mark that a pass works off (B-100).

The very steps that a pass takes are taken once more with the candidate's settings: gather, look, decide; and there it ends.
Nothing is written, nothing of it is committed, and a fault of it costs the live pass nothing. What is counted are changes
that only one of both would make, values and all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from runner.config.plan import LinkPlan
from runner.engine.decide import Verdicts, decide
from runner.engine.gather import gather
from runner.engine.meetings import look
from runner.engine.parts import Parts, ref_of
from runner.engine.report import PassReport, label_of
from runner.model.errors import ExsyncError, StateError
from runner.model.items import LinkRef
from runner.model.state import Mark
from runner.reconcile.fingerprint import fingerprint
from runner.reconcile.ordering import Planned

MORE, LESS, FAILED = "candidate.more", "candidate.less", "candidate.failed"
"""Counts of a pass: changes that only the candidate would make, that only the live configuration made, and steps that could
not be compared or whose items the candidate cannot carry."""


@dataclass(slots=True)
class Shadow:
    """One link by its candidate, for the length of one pass."""

    parts: Parts
    link: LinkPlan
    ref: LinkRef
    _seen: dict[str, set[str]] = field(default_factory=lambda: {MORE: set(), LESS: set()})

    def beside(self, marks: Sequence[Mark], verdicts: Verdicts, report: PassReport) -> None:
        """What the candidate would make of these marks, of which the live configuration made these verdicts. Raises
        ``StateError`` only."""
        try:
            gathered = gather(self.parts, self.ref, marks)
            meetings = look(self.parts, self.link, self.ref, gathered.subjects)
            tried = decide(self.link, gathered.subjects, self.parts.clock.now(), {}, meetings)
        except StateError:
            raise
        except ExsyncError:
            report.counts[FAILED] += 1
            return
        report.counts[FAILED] += max(0, len(tried.failures) - len(verdicts.failures))
        ours, theirs = set(self._prints(tried)), set(self._prints(verdicts))
        for name, found in ((MORE, ours - theirs), (LESS, theirs - ours)):
            report.counts[name] += len(found - self._seen[name])
            self._seen[name] |= found

    def _prints(self, verdicts: Verdicts) -> Iterator[str]:
        for item in verdicts.decided:
            for change in item.decision.changes:
                yield fingerprint(self.link.name, Planned(label_of(item), change))


def shadow_of(parts: Parts, link: LinkPlan | None, owner: str | None) -> Shadow | None:
    """The shadow by which a pass of the link is accompanied; None when there is none."""
    return None if link is None else Shadow(parts, link, ref_of(link, owner))
