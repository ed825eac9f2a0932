"""What operators ask of a running service about single items and runs: the control API's side of ``exsync explain`` and its
like. The same calls serve commands when no service runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from runner.engine.explain import explain
from runner.engine.explanation import Answer, Explanation, SideView, UserView
from runner.engine.passes import Orders
from runner.engine.runs import Runner
from runner.engine.selection import select_links
from runner.model.errands import Audit
from runner.model.queueing import Cause, Order
from runner.service.acts import Operator
from runner.service.auditing import audit_answer, forget_link
from runner.service.candidates import candidates_view, try_candidates
from runner.service.copies import copy_for_others, on_a_copy
from runner.service.desk import Desk, rendered
from runner.service.follower import jobs_for
from runner.service.snapshots import SnapshotWish, demand_approved, note_snapshot, planned_by, snapshot_asked
from runner.service.undoing import UndoWish, note_undo, undo_asked, undone_by
from runner.service.views import Data, conflict_view, ledger_view, mail_view, quarantine_view, text_of


def explained(runner: Runner, word: str, names: Sequence[str]) -> Data:
    """What is known about a word, as plain data; nothing is written."""
    with runner.store.rehearsal():
        return answer_view(explain(runner, select_links(runner.plan, names), word))


class Inquiry:
    """What the control API offers beyond the desk's verbs."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.service = desk, desk.service

    def explain(self, word: str, names: Sequence[str]) -> Data:
        """Why an item did, or did not, synchronise."""
        with on_a_copy(self.service) as runner:
            return explained(runner, word, names)

    def copy(self) -> Data:
        """A copy of the state beside it, for a command that looks at it and drops it."""
        return {"path": str(copy_for_others(self.service))}

    def audit(self, names: Sequence[str], *, anew: bool, repair: bool, most: int | None = None) -> Data:
        """Compare both sides of these links, in their turn; what is found is marked when it shall be repaired. ``most``:
        items of each link, after which it stops; the next one goes on there."""
        service = self.service
        links = select_links(service.generations.current.plan, names)
        order = Order(service.rng.token(), errand=Audit(anew=anew, repair=repair, most=most))
        answer = audit_answer(service.store, self.desk.ordered(links, order))
        marked = [one["link"] for one in answer["links"] if one["marked"]]
        service.queue.put(jobs_for(service.generations.current, marked, Cause.NOTIFICATION))
        return answer

    def candidates(self) -> Data:
        """Every target's candidate, and what came of it."""
        return {"candidates": candidates_view(self.service.store, self.service.generations.current.plan)}

    def try_candidates(self, names: Sequence[str]) -> Data:
        """What the next pass would do by the candidate and as it is, found out on a copy of the state, masked."""
        with on_a_copy(self.service) as runner:
            orders = Orders(self.service.rng.token(), rehearse=True, progress=self.service.watching.mine())
            tried = try_candidates(runner, names, orders)
        return {**tried.masked().rendered(), "exit_code": tried.exit_code}

    def forget(self, who: Operator, link: str) -> Data:
        """Drop the state of a link that is not configured any more."""
        return {"pairs": forget_link(self.service.store, self.service.generations.current.plan, who, link)}

    def undo(self, who: Operator, body: Mapping[str, Any]) -> Data:
        """Take a run's writes back, or show what that would do."""
        service, wish = self.service, UndoWish.from_plain(body)
        plan = service.generations.current.plan
        errand, links = undo_asked(service.store, plan, wish, service.clock.now())
        before = undone_by(service.store, errand.undone) if errand.undone else None
        run = service.rng.token()
        if wish.apply:
            note_undo(service.store, who, errand, run)
            reports = self.desk.ordered(links, Order(run, wish.allowed, errand=errand))
        else:
            with on_a_copy(service) as runner:
                watched = service.watching.mine()
                orders = Orders(run, rehearse=True, allowed=wish.allowed, progress=watched, errand=errand)
                reports = runner.run(links, orders)
        return {**rendered(run, reports), "before": before}

    def snapshot(self, who: Operator, body: Mapping[str, Any]) -> Data:
        """Show what giving one side the other's items would write or, when that was approved, do exactly that (B-70)."""
        service, wish = self.service, SnapshotWish.from_plain(body)
        errand, links = snapshot_asked(service.generations.current.plan, wish, service.clock.now())
        run = service.rng.token()
        with on_a_copy(service) as runner:
            watched = service.watching.mine()
            orders = Orders(run, rehearse=True, allowed=wish.allowed, progress=watched, errand=errand)
            planned = runner.run(links, orders)
        digest, prints = planned_by(planned)
        if wish.approved is None:
            return {**rendered(run, planned), "plan": digest}
        demand_approved(wish, digest)
        note_snapshot(service.store, who, wish, run)
        reports = self.desk.ordered(links, Order(run, wish.allowed, errand=errand), prints)
        return {**rendered(run, reports), "plan": digest}

    def stop_snapshots(self, who: Operator, names: Sequence[str]) -> Data:
        """End the snapshots under way of these links where they are; what they have done stays."""
        return {"stopped": self.service.underway.stop(who, self.service.generations.current.plan, names)}


def answer_view(answer: Answer) -> Data:
    """An answer as plain data."""
    return {
        "items": [_item(one) for one in answer.items],
        "links": [_user(one) for one in answer.users],
        "unasked": answer.unasked,
        "more": answer.more,
    }


def _item(one: Explanation) -> Data:
    pairing = one.pairing
    return {
        "link": one.link.name,
        "link_rule": one.link.rule,
        "entity": one.link.entity.value,
        "title": one.title,
        "outcome": one.outcome,
        "reasons": list(one.reasons),
        "crm": _side(one.crm),
        "target": _side(one.target),
        "pairing": pairing
        and {
            "status": pairing.status.value,
            "reason": pairing.reason,
            "stamp": pairing.stamp,
            "uid": pairing.native,
            "agreed": pairing.base is not None,
        },
        "units": [
            {
                "unit": unit.name,
                "outcome": unit.outcome,
                "rule": unit.rule,
                "fields": {
                    name: dict(zip(("base_crm", "base_target", "crm", "target"), map(_plain, values), strict=True))
                    for name, values in unit.fields
                },
            }
            for unit in one.units
        ],
        "changes": [
            {"side": c.side.value, "operation": c.operation.value, "reason": c.reason, "rule": c.rule}
            for c in one.changes
        ],
        "guards": [{**asdict(g), "operation": g.operation.value, "exceeded": g.exceeded} for g in one.gauges],
        "firewall": list(one.mails),
        "waiting": [{"side": m.side.value, "key": m.key, "due": text_of(m.due), "tries": m.tries} for m in one.marks],
        "quarantine": [quarantine_view(entry) for entry in one.quarantined],
        "conflicts": [conflict_view(entry) for entry in one.conflicts],
        "mails": [mail_view(mail) for mail in one.noted],
        "ledger": [ledger_view(entry) for entry in one.ledger],
    }


def _side(view: SideView) -> Data:
    return {**asdict(view), "modified": text_of(view.modified)}


def _user(one: UserView) -> Data:
    return {
        "link": one.link.name,
        "rule": one.link.rule,
        "user": one.link.user,
        "crm_user": one.owner,
        "condition": one.condition,
        "hindrance": one.hindrance,
        "reason": one.reason,
        "last_pass": text_of(one.last_pass),
        "pairs": one.pairs,
        "waiting": one.waiting,
        "open_conflicts": one.conflicts,
        "quarantine": [quarantine_view(entry) for entry in one.quarantined],
        "ledger": [ledger_view(entry) for entry in one.ledger],
    }


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
