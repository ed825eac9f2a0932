"""A snapshot that a running service carries out by and by, with real processes, EWS over HTTP and SQL (B-70)."""

from __future__ import annotations

import json
import threading
from typing import Any

from tests.e2e.operator import ANN, Operator, Said
from tests.e2e.served import Served, until
from tests.e2e.test_undo import titles

LINK = f"sandbox/{ANN}/calendar"


def progress(links: list[dict[str, Any]]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = next(link["progress"] for link in links if link["name"] == LINK)
    return found


def moved(operator: Operator) -> set[str]:
    """Ann's calendar, whose edits stay as they are: each title of hers is another one than the CRM's, but for the private
    one."""
    operator.replace("targets.d/sandbox.yaml", "direction: both", "direction: outbound")
    operator.replace("targets.d/sandbox.yaml", "  max_updates: {ratio: 0.5}\n", "")
    for number in range(15):  # more than can be given in the time that this test takes
        make(operator, f"Appointment {number}")
    operator.typed("run", "--once")
    right = {title for title in titles(operator, ANN) if title}
    for number, item in enumerate(item for title, item in titles(operator, ANN).items() if title != "Dentist"):
        operator.sandbox.mailbox(ANN).edit(item, Subject=f"Wrong {number}")
    return right


def make(operator: Operator, subject: str) -> None:
    """A record of Ann's."""
    operator.sql(
        "INSERT INTO appointment (subject, starts_at, ends_at, owner_id) SELECT ?, datetime('now', '+1 day'), "
        "datetime('now', '+1 day', '+1 hour'), id FROM crm_user WHERE email = ?",
        *(subject, ANN),
    )


def wrong(operator: Operator) -> int:
    return sum(title.startswith("Wrong") for title in titles(operator, ANN))


def test_its_progress_shows_it_outlives_kill_9_and_passes_go_on_meanwhile(operator: Operator) -> None:
    operator.ready()
    right = moved(operator)
    with Served(operator) as served:
        served.idle()
        said: list[Said] = []
        command = ("snapshot", "send", LINK, "--apply", "--rate", "6")
        waiting = threading.Thread(target=lambda: said.append(operator.exsync(*command)))
        waiting.start()
        until("its first slices have ended", lambda: 0 < wrong(operator) < len(right) - 1)
        told = progress(json.loads(operator.typed("status", "-o", "json").out)["links"])
        assert told is not None
        assert (told["what"], told["stage"], told["of"], told["rate"]) == ("snapshot send", "giving", len(right), 6)
        assert f"snapshot send: {told['done']} of {len(right)} items given" in operator.typed("status").out
        assert b'exsync_snapshots_under_way{target="sandbox"} 1.0' in served.metrics()
        served.kill()
        waiting.join()
        assert said[0].code == 75
        left = wrong(operator)
        assert 0 < left < len(right) - 1
        written = operator.remote_writes()

        served.start()
        until("it goes on", lambda: wrong(operator) < left)
        make(operator, "Meanwhile")
        until("a pass in between", lambda: "Meanwhile" in titles(operator, ANN))
        refused = operator.typed("snapshot", "send", LINK, "--apply")
        assert "is under way" in refused.out
        assert operator.typed("snapshot", "stop", LINK).code == 0
        served.idle()
        assert progress(served.status()["links"]) is None
        stays = wrong(operator)
        assert operator.remote_writes() - written == left - stays + 1
        assert served.stop() == 0
    assert operator.typed("snapshot", "send", LINK, "--apply").code == 0
    assert set(titles(operator, ANN)) == right | {"Meanwhile"}
    assert operator.typed("plan", "--exit-code").code == 0
