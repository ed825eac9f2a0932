"""The real process over the real state, killed at chosen calls: the end is what it would have been (P11, P13, A1 to A5)."""

from __future__ import annotations

import multiprocessing
import random
import signal
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext

import pytest

from tests.e2e.operator import ANN, BOB, Operator
from tests.support.failpoints import LATER, POINT, exsync

MOMENTS = [f"{call}.{when}" for call in ("store.commit", "crm.write", "target.write") for when in ("before", "after")]
START = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)


class Mortal:
    """Processes that run one command each, a few minutes after one another, and may be killed in it."""

    def __init__(self, operator: Operator, forking: ForkServerContext) -> None:
        self.operator, self.forking, self.minutes = operator, forking, 0
        self.told = operator.home / "told.txt"

    def run(self, point: str = "") -> int:
        """``exsync run --once``; its exit code, below 0 when a signal ended it."""
        self.minutes += 3
        self.told.write_text("")
        environ = {**self.operator.environ, POINT: point, LATER: str(60 * self.minutes)}
        process = self.forking.Process(target=exsync, args=(["run", "--once"], environ, str(self.told)))
        process.start()
        process.join()
        assert process.exitcode is not None
        return process.exitcode


@pytest.fixture
def mortal(operator: Operator) -> Mortal:
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["tests.support.failpoints"])
    assert operator.typed("target", "ddl", "crm", "--apply").code == 0
    return Mortal(operator, forking)


def test_killed_in_every_kind_of_call_nothing_is_lost_and_nothing_doubled(mortal: Mortal) -> None:
    """Somebody makes, edits and deletes on both sides between the kills; the ledger has every write, and no mail went out."""
    operator, rng = mortal.operator, random.Random(4)
    ann = operator.sandbox.mailbox(ANN)
    kept = [ann.create(Subject=f"Kept {n}", Start=START, End=START + timedelta(hours=1)) for n in range(3)]
    assert mortal.run() == 0
    before = {str(subject) for _, subject, _, deleted in operator.appointments() if not deleted}
    expected, killed = set(before), 0
    for number, moment in enumerate([*MOMENTS, *MOMENTS]):
        ann.create(Subject=f"Outlook {number}", Start=START, End=START + timedelta(hours=1))
        ann.edit(kept[number % 3], Location=f"Room {number}")
        operator.sql(
            "INSERT INTO appointment (owner_id, subject, starts_at, ends_at, time_zone, priority)"
            " SELECT owner_id, ?, starts_at, ends_at, time_zone, priority FROM appointment WHERE subject = 'Kept 0'",
            f"CRM {number}",
        )
        expected |= {f"Outlook {number}", f"CRM {number}"}
        gone = f"Outlook {number - 3}"
        if operator.sql("UPDATE appointment SET deleted = 1 WHERE subject = ? RETURNING id", gone):
            expected.discard(gone)
        killed += mortal.run(f"{moment}:{rng.randint(1, 4)}") == -signal.SIGKILL
    assert killed >= len(MOMENTS)
    for _ in range(3):
        assert mortal.run() == 0, mortal.told.read_text()
    assert mortal.run() == 0
    assert "nothing written" in mortal.told.read_text()
    titles = sorted(str(view.text("Subject")) for user in (ANN, BOB) for view in operator.sandbox.mailbox(user).items())
    records = [row for row in operator.appointments() if not row[3]]
    assert titles == sorted(str(subject) for _, subject, _, _ in records) == sorted(expected)
    places = dict(operator.sql("SELECT subject, location FROM appointment WHERE subject LIKE 'Kept %'"))
    assert places == {f"Kept {n}": f"Room {9 + n}" for n in range(3)}
    assert operator.typed("ledger", "verify").code == 0
    assert operator.sandbox.mails_sent == []
