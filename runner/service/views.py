"""The state as plain data: what the control API answers, and what commands print when no service runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from runner.config.plan import SyncPlan
from runner.model.meetings import Mail
from runner.model.proofs import Proof
from runner.model.queueing import Message, Sample
from runner.model.state import Act, Conflict, LedgerEntry, Quarantined, RunRecord, Suspension
from runner.store import DuckStore, LedgerProof

Data = dict[str, Any]


def text_of(moment: datetime | None) -> str | None:
    """An instant as ISO text."""
    return moment.isoformat() if moment else None


def status_view(store: DuckStore, plan: SyncPlan) -> Data:
    """Every link of the state and of the plan, the newest runs, and what is suspended."""
    known, proofs = store.overview(), store.proofs()
    names = {entry.name for entry in known}
    links: list[Data] = [
        {
            **asdict(entry),
            "condition": entry.condition.value,
            "last_pass": text_of(entry.last_pass),
            "snapshot_at": text_of(entry.snapshot_at),
            "configured": entry.name in plan.links,
            "proven": text_of(proofs[entry.name].proven) if entry.name in proofs else None,
        }
        for entry in known
    ]
    links += [{"name": name, "condition": "new", "configured": True} for name in plan.links if name not in names]
    runs = [
        {**asdict(run), "started": text_of(run.started), "finished": text_of(run.finished), "counts": dict(run.counts)}
        for run in store.runs(10)
    ]
    return {"links": links, "runs": runs, "suspensions": [suspension_view(one) for one in store.suspensions()]}


def audit_view(proof: Proof) -> Data:
    """One link's newest audit."""
    return {
        "link": proof.link,
        "started": text_of(proof.started),
        "finished": text_of(proof.finished),
        "proven": text_of(proof.proven),
        "phase": proof.phase.value,
        "counts": dict(proof.counts),
        "found": [
            {"finding": one.finding.value, "crm_key": one.crm_key, "target_key": one.target_key, "detail": one.detail}
            for one in proof.found
        ],
    }


def suspension_view(one: Suspension) -> Data:
    """One suspension."""
    return {"scope": one.scope.value, "name": one.name, "by": one.by, "since": text_of(one.since), "reason": one.reason}


def act_view(act: Act) -> Data:
    """One act of an operator."""
    return {"at": text_of(act.at), "who": act.who, "what": act.what, "subject": act.subject, "detail": act.detail}


def conflict_view(entry: Conflict) -> Data:
    """One conflict."""
    return {
        "id": entry.id,
        "link": entry.link,
        "crm_key": entry.crm_key,
        "target_key": entry.target_key,
        "field": entry.field,
        "base": dict(entry.base) if entry.base else None,
        "crm": dict(entry.crm) if entry.crm else None,
        "target": dict(entry.target) if entry.target else None,
        "policy": entry.policy,
        "winner": entry.winner.value if entry.winner else None,
        "rule": entry.rule,
        "run": entry.run,
        "at": text_of(entry.at),
        "resolved_at": text_of(entry.resolved_at),
        "resolution": entry.resolution,
    }


def ledger_view(entry: LedgerEntry) -> Data:
    """One write that happened."""
    return {
        "id": entry.id,
        "at": text_of(entry.at),
        "run": entry.run,
        "link": entry.link,
        "side": entry.side.value,
        "operation": entry.operation.value,
        "key": entry.key,
        "counterpart": entry.counterpart,
        "before": dict(entry.before) if entry.before is not None else None,
        "after": dict(entry.after) if entry.after is not None else None,
        "reason": entry.reason,
        "rule": entry.rule,
    }


def proof_view(proof: LedgerProof) -> Data:
    """What a check of the ledger found."""
    return {
        "whole": proof.whole,
        "head": proof.head,
        "entries": proof.entries,
        "forgotten": proof.forgotten,
        "older": proof.older,
        "pruned": proof.pruned,
        "unfound": proof.unfound,
        "breaks": [{"id": one.number, "what": one.what} for one in proof.breaks],
    }


def pass_view(run: RunRecord) -> Data:
    """One pass of the history."""
    return {
        "run": run.run,
        "link": run.link,
        "started": text_of(run.started),
        "finished": text_of(run.finished),
        "seconds": round((run.finished - run.started).total_seconds(), 3),
        "waited": run.waited,
        "outcome": run.outcome,
        "code": run.code,
        "counts": dict(run.counts),
        "message": run.message,
    }


def quarantine_view(entry: Quarantined) -> Data:
    """One item that was set aside."""
    return {
        "link": entry.link,
        "side": entry.side.value,
        "key": entry.key,
        "code": entry.code,
        "reason": entry.reason,
        "first_at": text_of(entry.first_at),
        "last_at": text_of(entry.last_at),
        "tries": entry.tries,
        "next_try": text_of(entry.next_try),
    }


def mail_view(mail: Mail) -> Data:
    """One mail to attendees."""
    return {
        "id": mail.id,
        "link": mail.link,
        "user": mail.user,
        "crm_key": mail.crm_key,
        "kind": mail.kind.value,
        "addressees": mail.addressees,
        "status": mail.status.value,
        "reason": mail.reason,
        "title": mail.title,
        "rule": mail.rule,
        "run": mail.run,
        "at": text_of(mail.at),
    }


def message_view(message: Message) -> Data:
    """One message of the queue."""
    return {
        "id": message.id,
        "link": message.link,
        "target": message.target,
        "state": message.state.value,
        "priority": message.priority,
        "cause": message.cause.value,
        "hints": message.hints,
        "attempts": message.attempts,
        "put_at": text_of(message.put_at),
        "due": text_of(message.due),
        "held_since": text_of(message.held_since),
        "reason": message.reason,
    }


def messages_view(messages: Iterable[Message]) -> Data:
    """The whole queue."""
    return {"messages": [message_view(message) for message in messages]}


def samples_view(samples: Sequence[Sample]) -> Data:
    """The queue's statistics, oldest first (B-22)."""
    return {
        "samples": [
            {**asdict(one), "at": text_of(one.at), "oldest": round(one.oldest, 3), "mean": round(one.mean, 3)}
            for one in samples
        ]
    }
