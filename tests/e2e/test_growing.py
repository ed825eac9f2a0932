"""A first sync that grows by itself, with a running service, EWS over HTTP and SQL (B-71)."""

from __future__ import annotations

import json

from tests.e2e.operator import ANN, Operator
from tests.e2e.served import Served, until
from tests.e2e.test_undo import titles


def test_the_windows_are_gone_through_one_after_the_other(operator: Operator) -> None:
    operator.ready()
    moved = "UPDATE appointment SET starts_at = datetime('now', ?), ends_at = datetime('now', ?) WHERE id = 1"
    operator.sql(moved, "+200 days", "+201 days")
    growing = "window: {past: 30d, future: 365d}, expand: {initial: {past: 1d, future: 2d}, steps: 3}"
    operator.replace("targets.d/sandbox.yaml", "window: {past: 30d, future: 365d}", growing)
    assert operator.typed("validate").code == 0
    [(subject,)] = operator.sql("SELECT subject FROM appointment WHERE id = 1")

    assert operator.typed("run", "--once").code == 0
    assert subject not in titles(operator, ANN)
    status = operator.typed("status")
    assert "the first sync grows: window 2 of at most 3, 2d back, 4d ahead" in status.out
    told = next(link["progress"] for link in json.loads(operator.typed("status", "-o", "json").out)["links"])
    [(owned,)] = operator.sql(
        "SELECT count(*) FROM appointment JOIN crm_user u ON u.id = owner_id WHERE email = ?", ANN
    )
    assert (told["what"], told["stage"], told["of"]) == ("first sync", "window 2 of at most 3", owned)
    assert told["done"] == len(titles(operator, ANN)) < told["of"]
    with Served(operator) as served:
        until("the last window has been reached", lambda: str(subject) in titles(operator, ANN))
        served.idle()
        links = json.loads(operator.typed("status", "-o", "json").out)["links"]
        assert {link["growing"] for link in links} == {None}
        assert served.stop() == 0
    assert operator.typed("plan", "--exit-code").code == 0


def test_who_cannot_begin_stays_listed_until_it_is_mended_and_tried_again(operator: Operator) -> None:
    """B-73: a user of a list whom the CRM does not know yet is never silently dropped."""
    operator.ready()
    new = "new.user@example.com"
    (operator.home / "users.csv").write_text(f"email\n{new}\n")
    listed = "links:\n- generate: {from: {csv: users.csv}, activation_attempts: 1}\n"
    operator.replace("targets.d/sandbox.yaml", "links:\n", listed)
    with Served(operator) as served:
        until("the link was given up", lambda: served.status()["failed"])
        [failed] = served.status()["failed"]
        assert (failed["link"], failed["attempts"]) == (f"sandbox/{new}/calendar", 1)
        said = operator.typed("status")
        assert f"sandbox/{new}/calendar could not begin in 1 attempt(s)" in said.err
        operator.sql("INSERT INTO crm_user (name, email) VALUES ('New', ?)", new)
        operator.sandbox.add_mailbox(new)
        assert operator.typed("queue", "retry", str(failed["message"])).code == 0
        until("the link has begun", lambda: not served.status()["failed"])
        served.idle()
        assert served.stop() == 0
