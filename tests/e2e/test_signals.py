"""Signals, as init systems and operators send them to the service."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter

from runner.sandbox.faults import Delay
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until
from tests.e2e.test_service import TARGET, half_make, one_of, rename, subjects, titles


def test_sighup_takes_up_a_new_password_and_the_service_goes_on(operator: Operator) -> None:
    """B-102: a hang-up is a wish to look at configuration and secrets; it ends nothing."""
    secret = operator.home.parent / "elsewhere"
    secret.write_text("right\n")
    operator.ready().replace(TARGET, "{env: EXSYNC_SANDBOX_PASSWORD}", f"{{file: {secret}}}")
    with Served(operator) as served:
        served.idle()
        operator.sandbox.add_account(operator.sandbox.username, "changed", impersonates=True)
        rename(operator, one_of(operator, 1), "With another password")
        until("the target is stopped", lambda: served.status()["targets"][0]["circuit"] == "refused")
        secret.write_text("changed\n")
        assert served.process
        os.kill(served.process.pid, signal.SIGHUP)
        until("the edit arrives", lambda: "With another password" in titles(operator, ANN))
        assert served.process.poll() is None
        assert served.stop() == 0


def test_sigterm_in_the_middle_of_a_write_ends_the_service_and_doubles_nothing(operator: Operator) -> None:
    """B-21: a pass that hangs is abandoned; what it had sent is settled by the next start."""
    operator.ready()
    with Served(operator, "--grace", "1") as served:
        served.idle()
        half_make(operator)
        assert served.stop() == 0
        assert served.log("service.abandoned")
        assert not served.socket.exists()
        served.start()
        served.idle()
        for owner, user in ((1, ANN), (2, BOB)):
            assert Counter(subjects(operator, owner)) == Counter(titles(operator, user))
        assert served.stop() == 0
    assert operator.sandbox.mails_sent == []


def test_sigterm_in_the_middle_of_a_first_sync_does_not_wait_for_its_end(operator: Operator) -> None:
    """B-21: what is written is recorded, nothing is left to be looked up, and the next start makes the rest."""
    operator.ready()
    operator.sql("DELETE FROM appointment")
    for number in range(40):
        operator.sql(
            "INSERT INTO appointment (subject, starts_at, ends_at, owner_id) VALUES (?, datetime('now', '+1 day'), "
            "datetime('now', '+2 days'), 1)",
            f"Slow {number:02}",
        )
    slow = operator.sandbox.inject(Delay(0.25), "CreateItem", times=None)
    with Served(operator, "--grace", "8") as served:
        until("some are made", lambda: slow.fired >= 4)
        assert served.stop() == 0
        assert not served.log("service.abandoned")
        made = [title for title in titles(operator, ANN) if title.startswith("Slow")]
        assert 4 <= len(made) < 40
        status = json.loads(operator.exsync("status", "-o", "json").out)
        assert [link["open_intents"] for link in status["links"]] == [0] * len(status["links"])
        operator.sandbox.clear_faults()
        served.start()
        served.idle()
        assert Counter(subjects(operator, 1)) == Counter(titles(operator, ANN))
        assert served.stop() == 0
    assert operator.sandbox.mails_sent == []
