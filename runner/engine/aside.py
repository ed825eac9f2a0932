"""What becomes of the items that failed in a pass, and what is said of those that take part all the same (B-23, B-45)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from runner.engine.report import PassReport
from runner.engine.subject import Failure
from runner.model.errors import ContainerGone, Invalid, OutcomeUnknown, Throttled
from runner.model.ports import Store
from runner.model.state import Mark, Quarantined
from runner.model.terms import Side


class Aside:
    """One link's quarantine during one pass; true while anything is in it."""

    def __init__(self, store: Store, report: PassReport) -> None:
        self.store, self.report, self.link = store, report, report.link

    def __bool__(self) -> bool:
        return bool(self.store.quarantined(self.link))

    def _known(self) -> dict[tuple[Side, str], Quarantined]:
        return {(entry.side, entry.key): entry for entry in self.store.quarantined(self.link)}

    def put(
        self, failures: Sequence[Failure], by_seq: Mapping[int, Mark], now: datetime
    ) -> tuple[list[Mark], tuple[Quarantined, ...]]:
        """Failed items: in passing ones stay dirty, invalid ones go to quarantine and are tried again later (B-23)."""
        late: list[Mark] = []
        quarantined: list[Quarantined] = []
        known = self._known() if failures else {}
        for failure in failures:
            self.report.failures.append(failure)
            marks = [by_seq[seq] for seq in failure.marks if seq in by_seq]
            error = failure.error
            if not isinstance(error, Invalid | ContainerGone):
                due = now + timedelta(seconds=error.after) if isinstance(error, Throttled) else None
                late += [replace(mark, due=due, tries=mark.tries + 1, seq=0) for mark in marks]
                self.report.counts["unknown" if isinstance(error, OutcomeUnknown) else "deferred"] += 1
                continue
            before = known.get((failure.side, failure.key))
            tries = before.tries + 1 if before else 1
            next_try = now + timedelta(hours=min(2**tries, 168))
            late += [replace(mark, due=next_try, tries=tries, seq=0) for mark in marks]
            first = before.first_at if before else now
            quarantined.append(
                Quarantined(self.link, failure.side, failure.key, error.code, str(error), first, now, tries, next_try)
            )
            self.report.counts["quarantined"] += 1
        return late, tuple(quarantined)

    def told(self, noted: Sequence[Failure], now: datetime) -> Iterable[Quarantined]:
        """What is listed of items that take part: it goes with the next look at the item that finds nothing to say."""
        known = self._known() if noted else {}
        for note in noted:
            before, reason = known.get((note.side, note.key)), str(note.error)
            if before is None or before.reason != reason:
                self.report.counts["quarantined"] += 1
            first, tries = (before.first_at, before.tries) if before else (now, 1)
            yield Quarantined(self.link, note.side, note.key, note.error.code, reason, first, now, tries, None)
