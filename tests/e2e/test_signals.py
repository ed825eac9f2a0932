"""Signals, as init systems and operators send them to the service."""

from __future__ import annotations

import os
import signal
from collections import Counter

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
