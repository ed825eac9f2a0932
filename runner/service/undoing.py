"""What an operator's wish to undo means: which run or time, on which links. The same with and without a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from runner.config.plan import LinkPlan, SyncPlan
from runner.engine.selection import select_links
from runner.model.errands import Undo
from runner.model.errors import UsageError
from runner.model.ports import Store
from runner.model.state import Commit
from runner.model.terms import Operation
from runner.service.acts import Operator
from runner.service.moments import moment_asked

SHORTEST = 4
"""Characters of a run's name that are enough to mean it."""


@dataclass(frozen=True, slots=True)
class UndoWish:
    """The command's words: a run's name or its beginning, or links since a time (ISO, or a duration such as ``2h``)."""

    run: str | None = None
    links: tuple[str, ...] = ()
    since: str | None = None
    both: bool = False
    apply: bool = False
    allow: tuple[str, ...] = ()

    @property
    def allowed(self) -> frozenset[Operation]:
        """Operations whose guards are lifted for this once."""
        return frozenset(Operation(word) for word in self.allow)

    def as_plain(self) -> dict[str, Any]:
        """Plain data, for the control API."""
        return asdict(self)

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> UndoWish:
        """The wish in a request's body. Raises ``UsageError`` for what is none."""
        run, since = data.get("run"), data.get("since")
        texts = {name: data.get(name) or [] for name in ("links", "allow")}
        right = all(isinstance(each, str | None) for each in (run, since)) and all(
            isinstance(words, list) and all(isinstance(word, str) for word in words) for words in texts.values()
        )
        if not right:
            raise UsageError("the request does not read: run and since are texts, links and allow are lists of texts")
        both, applying = bool(data.get("both")), bool(data.get("apply"))
        return cls(run, tuple(texts["links"]), since, both, applying, tuple(texts["allow"]))


def undo_asked(store: Store, plan: SyncPlan, wish: UndoWish, now: datetime) -> tuple[Undo, Sequence[LinkPlan]]:
    """The errand, and the links that it concerns. Raises ``UsageError`` for a run or a link that is not there."""
    if (wish.run is None) == (wish.since is None):
        raise UsageError(
            "an undo needs a RUN, or --since with --user or --link", remedy="`exsync runs list` names runs"
        )
    if wish.run is not None:
        name, wrote = _run(store, wish.run)
        errand = Undo(undone=name, both=wish.both)
        if wish.links:
            return errand, _meant(select_links(plan, wish.links), name, wrote)
        return errand, _configured(plan, name, wrote)
    if not wish.links:
        raise UsageError(
            "--since takes back every write on a link: name the links", remedy="add --user ADDRESS or --link NAME"
        )
    return Undo(since=moment_asked(wish.since or "", now, "--since"), both=wish.both), select_links(plan, wish.links)


def note_undo(store: Store, who: Operator, errand: Undo, run: str) -> None:
    """Keep who had what taken back."""
    subject = f"run {errand.undone}" if errand.undone else f"since {errand.since:%Y-%m-%d %H:%M:%S}"
    store.commit(Commit(acts=(who.act("undo", subject, f"run {run}{', both sides' if errand.both else ''}"),)))


def undone_by(store: Store, run: str) -> str | None:
    """The run that has taken a run back before, if any."""
    known = (act for act in store.acts(10_000) if act.what == "undo" and act.subject == f"run {run}")
    return next((str(act.detail).removeprefix("run ").partition(",")[0] for act in known), None)


def _run(store: Store, beginning: str) -> tuple[str, Sequence[str]]:
    """A run's whole name, and the links on which it wrote."""
    found = store.runs_called(beginning) if len(beginning) >= SHORTEST else {}
    if len(found) != 1:
        many = (
            "more than one run that wrote anything has a name that begins" if found else "no run of the ledger begins"
        )
        raise UsageError(
            f"{many} with {beginning!r}",
            remedy=f"`exsync runs list` and `exsync explain` name runs; {SHORTEST} characters are enough",
        )
    [(name, links)] = found.items()
    return name, links


def _meant(chosen: Sequence[LinkPlan], run: str, links: Sequence[str]) -> list[LinkPlan]:
    meant = [link for link in chosen if link.name in links]
    if not meant:
        raise UsageError(f"run {run[:8]} wrote on none of these links", remedy=f"it wrote on {', '.join(links[:3])}")
    return meant


def _configured(plan: SyncPlan, run: str, links: Sequence[str]) -> list[LinkPlan]:
    gone = [link for link in links if link not in plan.links]
    if gone:
        rest = [link for link in links if link in plan.links]
        others = f", or leave it as it is and name the others: --link {' --link '.join(rest[:3])}" if rest else ""
        raise UsageError(
            f"run {run[:8]} wrote on {gone[0]}, which is not configured any more",
            remedy=f"put the link back into YAML (enabled: false will not do){others}",
        )
    return [plan.links[link] for link in links]
