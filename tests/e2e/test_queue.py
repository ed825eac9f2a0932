"""What an operator sees of the queue, and does with a message that is blocked."""

from __future__ import annotations

import json

from runner.sandbox.faults import WholeFault
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until
from tests.e2e.test_service import one_of, rename, titles


def test_a_blocked_message_is_shown_given_up_and_retried_and_what_changed_goes_out(operator: Operator) -> None:
    """B-20, B-23: a refused folder blocks its own link only; giving its message up loses nothing."""
    operator.ready()
    with Served(operator) as served:
        served.idle()
        link = f"sandbox/{ANN}/calendar"

        def blocked() -> list[int]:
            told = json.loads(operator.exsync("queue", "list", "-o", "json").out)
            return [message["id"] for message in told if (message["link"], message["state"]) == (link, "blocked")]

        operator.sandbox.inject(WholeFault("ErrorAccessDenied"), "SyncFolderItems", mailbox=ANN, times=None)
        rename(operator, one_of(operator, 1), "Behind a locked door")
        until("the message is blocked", blocked)
        [number] = blocked()
        shown = operator.exsync("queue", "show", str(number))
        assert shown.code == 0
        assert "ErrorAccessDenied" in shown.out
        rename(operator, one_of(operator, 2), "Beside it")
        until("the other link goes on", lambda: "Beside it" in titles(operator, BOB))
        assert operator.exsync("queue", "show", "4711").code == 64

        assert operator.exsync("queue", "discard", str(number)).code == 0
        assert operator.exsync("queue", "show", str(number)).code == 64
        rename(operator, one_of(operator, 1), "Behind it still")
        until("the next wish is blocked, too", blocked)
        [number] = blocked()
        operator.sandbox.clear_faults()
        assert operator.exsync("queue", "retry", str(number)).code == 0
        until("what changed goes out", lambda: "Behind it still" in titles(operator, ANN))
        assert served.stop() == 0
