"""Who speaks for a meeting, and mail to attendees, in any store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from runner.model.meetings import Mail, MailKind, MailStatus, Master, Rank, Spending
from runner.model.ports import Store
from runner.model.state import Commit, Purge
from runner.testing.store import MemoryStore
from tests.store.samples import ANN, BOB, NASTY, NOW


@pytest.fixture(params=["duckdb", "memory"])
def either(request: pytest.FixtureRequest, store: Store) -> Store:
    return store if request.param == "duckdb" else MemoryStore()


def mail(name: str, link: str = ANN, **changes: object) -> Mail:
    whole = Mail(
        name, link, link, "c1", MailKind.UPDATE, 3, MailStatus.HELD, "over budget", NASTY, "t.yaml:1:1", "r1", NOW
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_of_two_who_claim_a_meeting_the_first_is_let_in(either: Store) -> None:
    """B-41: two passes at the same time."""
    assert either.masters(["u"]) == {}
    either.commit(Commit(masters=(Master("u", ANN, Rank.FIRST),)))
    either.commit(Commit(masters=(Master("u", BOB, Rank.FIRST),)))
    assert either.masters(["u", "v"]) == {"u": Master("u", ANN, Rank.FIRST)}


def test_a_place_is_taken_over_only_from_whom_it_was_claimed(either: Store) -> None:
    either.commit(Commit(masters=(Master("u", ANN, Rank.FIRST), Master("v", ANN, Rank.FIRST))))
    either.commit(Commit(masters=(Master("u", BOB, Rank.ACCEPTED, instead=ANN),)))
    either.commit(Commit(masters=(Master("u", "third", Rank.ACCEPTED, instead=ANN),)))
    assert either.masters(["u"])["u"] == Master("u", BOB, Rank.ACCEPTED)
    assert either.masters(["v"])["v"] == Master("v", ANN, Rank.FIRST)


def test_mails_are_listed_oldest_first_and_replaced_by_id(either: Store) -> None:
    first, second = mail("m1"), mail("m2", BOB, title=None, at=NOW + timedelta(minutes=1))
    either.commit(Commit(mails=(first, second)))
    either.commit(Commit(mails=(replace(first, status=MailStatus.SENT),)))
    assert list(either.mails()) == [replace(first, status=MailStatus.SENT), second]
    assert list(either.mails(open_only=True)) == [second]
    assert list(either.mails(ANN)) == [replace(first, status=MailStatus.SENT)]
    assert list(either.mails("nobody")) == []


def test_what_was_mailed_is_counted_by_run_and_user(either: Store) -> None:
    """B-42: what may have gone out counts, what is held does not, and what is older than the window neither."""
    either.commit(
        Commit(
            mails=(
                mail("m1", status=MailStatus.SENT),
                mail("m2", status=MailStatus.SENDING, addressees=2),
                mail("m3", BOB, run="r2", status=MailStatus.SENT),
                mail("m4", status=MailStatus.HELD),
                mail("m5", status=MailStatus.FAILED),
                mail("m6", status=MailStatus.SENT, at=NOW - timedelta(days=2)),
            )
        )
    )
    spent = either.mailed_since(NOW - timedelta(days=1))
    assert list(spent) == [Spending("r1", ANN, 5), Spending("r2", BOB, 3)]


def test_a_mail_about_what_became_private_keeps_no_title(either: Store) -> None:
    """B-35."""
    either.commit(Commit(mails=(mail("m1"), mail("m2", crm_key="c2"))))
    either.commit(Commit(purged=(Purge(ANN, "c1", "t1", NOW),)))
    assert [one.title for one in either.mails()] == [None, NASTY]
