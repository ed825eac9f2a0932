"""A candidate of a running service: compared, live for one user, stopped by its first fault, resumed (B-100)."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until

TARGET = "targets.d/sandbox.yaml"
CANDIDATE = """\
candidate:
  defaults: {folders: {calendar: {mapping: next}}}
  rings: [{users: [ann.lee@example.com]}, {all: true}]
  ring: 0
"""


def candidate(served: Served) -> dict[str, Any]:
    [one] = served.remote.get("/api/v1/candidates")["candidates"]
    return dict(one)


def locations(operator: Operator, user: str) -> list[str | None]:
    return [view.text("Location") for view in operator.sandbox.mailbox(user).items()]


def one_of(operator: Operator, owner: int) -> object:
    return operator.sql("SELECT min(id) FROM appointment WHERE owner_id = ? AND NOT deleted", owner)[0][0]


def move(operator: Operator, owner: int, place: str) -> None:
    operator.sql("UPDATE appointment SET location = ? WHERE id = ?", place, one_of(operator, owner))


def test_a_candidate_is_compared_then_live_for_one_and_stops_itself(operator: Operator) -> None:
    text = (operator.home / "mappings" / "schedule_item.yaml").read_text(encoding="utf-8")
    tried = text.replace("name: schedule_item", "name: next").replace(
        "record: location", "record: location, direction: inbound"
    )
    (operator.home / "mappings" / "next.yaml").write_text(tried, encoding="utf-8")
    operator.replace(TARGET, "links:\n", f"{CANDIDATE}links:\n")
    operator.ready()
    assert operator.typed("apply").code == 0
    with Served(operator) as served:
        served.idle()
        before = candidate(served)["compared"]["less"]  # the first sync would have carried no places out
        assert before > 0
        move(operator, 1, "Live place")
        until("the live configuration carries it", lambda: "Live place" in locations(operator, ANN))
        # By the candidate, places come in only: what the live configuration wrote, it would not have.
        until("it was compared", lambda: candidate(served)["compared"]["less"] == before + 1)
        [told] = json.loads(operator.typed("candidate", "show", "-o", "json").out)["candidates"]
        assert (told["by_it"], told["stopped"], told["rings"][0]) == (0, None, {"links": 1, "live": False})
        shown = operator.typed("candidate", "plan", ANN)
        assert (shown.code, "Only by the candidate" in shown.out) == (0, True)

        operator.replace(TARGET, "  ring: 0", "  ring: 1")
        until("the first ring is live", lambda: candidate(served)["by_it"] == 1)
        served.idle()
        move(operator, 1, "Kept here")
        move(operator, 2, "Bob's place")
        until("Bob's is live still", lambda: "Bob's place" in locations(operator, BOB))
        served.idle()
        assert "Kept here" not in locations(operator, ANN)

        operator.sql("UPDATE appointment SET priority = 'Z' WHERE id = ?", one_of(operator, 1))
        until("the candidate stopped itself", lambda: candidate(served)["stopped"])
        standings = {link["user"]: link["standing"] for link in served.remote.get("/api/v1/links")["links"]}
        assert standings[ANN] == "paused"
        assert standings[BOB] != "paused"
        status = operator.typed("status")
        assert "suspended: candidate sandbox, by exsync" in status.out
        assert "max_errors is 0" in status.out
        [skipped] = [line for line in operator.typed("apply", ANN).text.splitlines() if "error: " in line]
        assert "exsync candidate resume sandbox" in skipped
        move(operator, 2, "Bob goes on")
        until("Bob goes on", lambda: "Bob goes on" in locations(operator, BOB))

        operator.sql("UPDATE appointment SET priority = 'A', subject = 'Mended' WHERE id = ?", one_of(operator, 1))
        assert operator.typed("candidate", "resume", "sandbox").code == 0
        until("Ann goes on", lambda: any(v.text("Subject") == "Mended" for v in operator.sandbox.mailbox(ANN).items()))
        assert candidate(served)["stopped"] is None
        assert operator.typed("candidate", "resume", "elsewhere").code == 64
