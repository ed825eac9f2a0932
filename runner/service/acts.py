"""What operators do by command, each act kept with who did it and when (B-15): the same with and without a service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from runner.config.plan import SyncPlan
from runner.engine import quarantine
from runner.engine.held import decide_mail
from runner.engine.resolve import find_conflict, resolve
from runner.engine.selection import select_links
from runner.engine.stated import stated_values
from runner.model.errors import UsageError
from runner.model.meetings import Mail
from runner.model.ports import Queue, Store
from runner.model.queueing import Message
from runner.model.record import SCHEMAS
from runner.model.state import Act, Commit, Conflict, Quarantined, Scope, Suspension
from runner.store import DuckStore

LEDGER_LEAST = timedelta(days=7)
"""What of the ledger is kept in any case."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts, and when."""

    name: str
    now: datetime

    def act(self, what: str, subject: str, detail: str | None = None) -> Act:
        """An act of his for the audit."""
        return Act(self.now, self.name, what, subject, detail)


def suspend(
    store: Store, plan: SyncPlan, who: Operator, scope: Scope, name: str, reason: str | None
) -> list[Suspension]:
    """Put passes off until they are resumed. Raises ``UsageError`` for a name that fits nothing."""
    made = [Suspension(scope, each, who.name, who.now, reason) for each in _names(plan, scope, name)]
    acts = tuple(who.act("suspend", f"{scope} {one.name}".strip(), reason) for one in made)
    store.commit(Commit(suspended=tuple(made), acts=acts))
    return made


def resume(store: Store, plan: SyncPlan, who: Operator, scope: Scope, name: str) -> list[str]:
    """Let passes run again. Returns what was resumed; raises ``UsageError`` when the name fits nothing."""
    known = {(one.scope, one.name) for one in store.suspensions()}
    names = [name] if (scope, name) in known else _names(plan, scope, name)
    ended = [each for each in names if (scope, each) in known]
    acts = tuple(who.act("resume", f"{scope} {each}".strip()) for each in names)
    store.commit(Commit(resumed=tuple((scope, each) for each in ended), acts=acts))
    return ended


def _names(plan: SyncPlan, scope: Scope, name: str) -> list[str]:
    if scope is Scope.ALL:
        return [""]
    if scope is Scope.LINK:
        return [link.name for link in select_links(plan, [name])]
    if scope is Scope.CANDIDATE and name not in plan.candidates:
        known = ", ".join(sorted(plan.candidates)) or "none"
        raise UsageError(f"target {name!r} has no candidate", remedy=f"targets with a candidate: {known}")
    if name not in plan.targets:
        known = ", ".join(sorted(plan.targets)) or "none"
        raise UsageError(f"no target is called {name!r}", remedy=f"configured targets: {known}")
    return [name]


def retry_message(store: Store, queue: Queue, who: Operator, number: int) -> Message:
    """Let a message run at once."""
    message = queue.release(number)
    store.commit(Commit(acts=(who.act("retry", f"message {number}", message.link),)))
    return message


def discard_message(store: Store, queue: Queue, who: Operator, number: int) -> Message:
    """Give a message up."""
    message = queue.discard(number)
    store.commit(Commit(acts=(who.act("discard", f"message {number}", f"{message.link}: {message.reason}"),)))
    return message


def prune_ledger(store: DuckStore, who: Operator, keep: timedelta) -> int:
    """Drop entries of the ledger that are older than ``keep``. Returns how many; raises ``UsageError`` for less than
    :data:`LEDGER_LEAST`."""
    if keep < LEDGER_LEAST:
        raise UsageError(
            f"the ledger's last {LEDGER_LEAST.days} days cannot be dropped: guards and loop breaker count by them",
            remedy=f"give --keep {LEDGER_LEAST.days} or more",
        )
    dropped = store.prune_ledger(who.now - keep)
    store.commit(Commit(acts=(who.act("prune", "ledger", f"{dropped} entries older than {keep.days} days"),)))
    return dropped


def reset_folders(store: Store, plan: SyncPlan, who: Operator, name: str) -> list[str]:
    """Forget how far links have been read, on both sides (B-74): their next pass reads everything anew and finds what is
    paired still paired; nothing is deleted or written for it. No pass of theirs may run meanwhile."""
    names = [link.name for link in select_links(plan, [name])]
    states = tuple(
        replace(store.link(each), listed=False, target_watermark=None, target_complete=False) for each in names
    )
    store.commit(Commit(links=states, acts=tuple(who.act("reset", f"link {each}") for each in names)))
    return names


def settle_mail(store: Store, who: Operator, mail_id: str, word: str) -> Mail:
    """Note ``release`` or ``drop`` for a held mail (B-42); the link's next pass carries it out."""
    mail = decide_mail(store, mail_id, word, who.now)
    store.commit(Commit(acts=(who.act(word, f"mail {mail.id[:8]}", mail.link),)))
    return mail


def settle_aside(store: Store, who: Operator, item: str, word: str) -> Quarantined:
    """Try an item in quarantine again (``retry``), or hear of it no more until it changes (``drop``) (B-23)."""
    entries = store.quarantined()
    entry = entries[quarantine.place_of(item, [each.key for each in entries])]
    quarantine.settle_aside(store, entry, word, who.act(word, f"item {entry.key[:60]}", f"{entry.link}: {entry.code}"))
    return entry


def settle_conflict(
    store: Store, plan: SyncPlan, who: Operator, conflict_id: str, take: str, values: tuple[str, ...]
) -> Conflict:
    """Note an operator's decision on a conflict (B-62); the link's next pass carries it out."""
    if bool(values) != (take == "value"):
        raise UsageError("--value goes with --take value, and only with it", remedy="add --value title='Board'")
    wanted = None
    if values:
        conflict = find_conflict(store, conflict_id)
        link = plan.links.get(conflict.link)
        if link is None:
            raise UsageError(f"{conflict.link} is not configured any more", remedy="take a side instead of a value")
        wanted = stated_values(values, conflict, SCHEMAS[link.entity])
    entry = resolve(store, conflict_id, take, wanted, who.now)
    store.commit(Commit(acts=(who.act("resolve", f"conflict {entry.id}", take),)))
    return entry
