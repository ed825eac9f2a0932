"""``exsync mail list|release|drop`` as an operator types them, and through the running service's control API (B-42)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until

ZOE = "zoe@customer.example"
POLICY = "  conflict: crm_wins\n  mail: {send: [invitations], per_run: 1}\n"
LINK = f"sandbox/{ANN}/calendar"


@pytest.fixture
def desk(operator: Operator) -> Operator:
    """Invitations are allowed, one a run; the first sync is over."""
    operator.sql("DELETE FROM appointment")
    operator.replace("targets.d/sandbox.yaml", "  conflict: crm_wins\n", POLICY)
    assert operator.typed("target", "ddl", "crm", "--apply").code == 0
    assert operator.typed("run", "--once").code == 0
    return operator


def plan_meeting(operator: Operator, subject: str) -> None:
    """A meeting that the CRM's user makes, of two people: one more than a run may tell."""
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    operator.sql(
        "INSERT INTO appointment (subject, starts_at, ends_at, time_zone, owner_id) VALUES (?, ?, ?, 'Europe/Vienna', 1)",
        subject,
        *(moment.strftime("%Y-%m-%d %H:%M:%S") for moment in (start, start + timedelta(hours=1))),
    )
    [(key,)] = operator.sql("SELECT id FROM appointment WHERE subject = ?", subject)
    operator.sql("INSERT INTO appointment_user (appointment_id, user_id, role) VALUES (?, 2, 'required')", key)
    operator.sql("INSERT INTO appointment_guest (appointment_id, email, role) VALUES (?, ?, 'required')", key, ZOE)


def mails(operator: Operator, *options: str) -> list[dict[str, Any]]:
    said = operator.typed("mail", "list", "-o", "json", *options)
    assert said.code == 0, said.text
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


def titles(operator: Operator) -> list[str | None]:
    return [view.text("Subject") for view in operator.sandbox.mailbox(ANN).items()]


def test_held_mail_is_listed_released_and_dropped(desk: Operator) -> None:
    """B-42: the write waits with its mail; released, both go; dropped, the meeting is made and nobody hears of it."""
    assert "No mail is held" in desk.typed("mail", "list").out
    plan_meeting(desk, "Release me")
    assert desk.typed("run", "--once").code == 0
    assert (titles(desk), desk.sandbox.addressees) == ([], [])
    [held] = mails(desk)
    assert (held["link"], held["kind"], held["status"], held["addressees"]) == (LINK, "invitation", "held", 2)
    why = desk.typed("explain", "Release me").out
    assert "held with its mail: an operator has to decide" in why
    assert f"`exsync mail release {held['id'][:8]}`" in why
    assert desk.typed("plan", "--exit-code").code == 2  # Exchange lacks what the CRM holds, whoever has to decide
    told = desk.typed("mail", "list").out
    assert held["id"][:8] in told
    assert "Release me" in told

    said = desk.typed("mail", "release", held["id"][:8])
    assert said.code == 0
    assert f"exsync apply {LINK}" in said.out
    assert (titles(desk), desk.sandbox.addressees) == ([], [])  # a word, not a write
    assert desk.typed("apply", LINK).code == 0
    assert titles(desk) == ["Release me"]
    assert sorted(desk.sandbox.addressees) == [("request", BOB), ("request", ZOE)]
    assert mails(desk) == []
    assert desk.typed("plan", LINK, "--exit-code").code == 0
    assert [mail["status"] for mail in mails(desk, "--all")] == ["sent"]

    plan_meeting(desk, "Drop me")
    assert desk.typed("run", "--once").code == 0
    [held] = mails(desk)
    assert desk.typed("mail", "drop", held["id"]).code == 0
    assert desk.typed("run", "--once").code == 0
    assert sorted(filter(None, titles(desk))) == ["Drop me", "Release me"]
    assert len(desk.sandbox.addressees) == 2
    assert sorted(mail["status"] for mail in mails(desk, "--all")) == ["sent", "silent"]
    desk.mails["request"] = 1


def test_what_is_not_held_can_be_neither_released_nor_dropped(desk: Operator) -> None:
    """An unknown id, and one that has gone out: usage, with what to do."""
    for word in ("release", "drop"):
        said = desk.typed("mail", word, "nonsense")
        assert said.code == 64
        assert "exsync mail list" in said.err
    plan_meeting(desk, "Once")
    desk.typed("run", "--once")
    [held] = mails(desk)
    desk.typed("mail", "release", held["id"])
    desk.typed("apply", LINK)
    said = desk.typed("mail", "release", held["id"])
    assert (said.code, "not held" in said.err) == (64, True)
    assert len(desk.sandbox.addressees) == 2
    desk.mails["request"] = 1


def test_the_running_service_carries_the_word_out_by_itself(desk: Operator) -> None:
    """B-42, B-91: the commands go through its control API, which says the same; who decided is in the audit."""
    with Served(desk) as served:
        served.idle()
        for subject in ("Release me", "Drop me"):
            plan_meeting(desk, subject)
            until(f"{subject!r} is held", lambda subject=subject: subject in str(served.remote.get("/api/v1/mail")))
        listed = {mail["title"]: mail for mail in served.remote.get("/api/v1/mail")["mails"]}
        assert [mail["id"] for mail in mails(desk)] == [mail["id"] for mail in listed.values()]
        assert {mail["status"] for mail in listed.values()} == {"held"}
        served.idle()
        assert desk.typed("plan", "--exit-code").code == 2
        assert desk.typed("mail", "release", "nonsense").code == 64
        said = desk.typed("mail", "release", listed["Release me"]["id"])
        assert (said.code, "the service carries it out now" in said.out) == (0, True)
        until("the released meeting is made", lambda: "Release me" in titles(desk))
        answer = served.remote.post(f"/api/v1/mail/{listed['Drop me']['id']}/drop")
        assert answer["id"] == listed["Drop me"]["id"]
        until("the dropped meeting is made", lambda: "Drop me" in titles(desk))
        until("nothing is held", lambda: not served.remote.get("/api/v1/mail")["mails"])
        statuses = {mail["title"]: mail["status"] for mail in served.remote.get("/api/v1/mail?all=1")["mails"]}
        assert statuses == {"Release me": "sent", "Drop me": "silent"}
        served.idle()
        assert desk.typed("plan", "--exit-code").code == 0
        assert served.stop() == 0
    assert sorted(desk.sandbox.addressees) == [("request", BOB), ("request", ZOE)]
    desk.mails["request"] = 1
