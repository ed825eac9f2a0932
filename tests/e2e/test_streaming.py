"""Streaming notifications with a real service, EWS over HTTP and SQL: heard at once, through every way in which they end."""

from __future__ import annotations

import socket

from runner.sandbox.faults import busy_fault
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until
from tests.e2e.test_service import one_of, rename, subjects, titles

TARGET = "targets.d/sandbox.yaml"
EVENT = {"Start": "2026-12-01T09:00:00Z", "End": "2026-12-01T10:00:00Z"}


def live(served: Served) -> bool:
    """Every link is told of changes."""
    links = [link for link in served.status()["links"] if link["configured"]]
    return all((link.get("subscription") or {}).get("state") == "live" for link in links)


def heard(operator: Operator, subject: str) -> None:
    """What a user does in Outlook comes into the CRM, long before any poll."""
    operator.sandbox.mailbox(BOB).create(Subject=subject, **EVENT)
    until(f"{subject} is in the CRM", lambda: subject in subjects(operator, 2))


def test_changes_in_exchange_are_heard_whatever_becomes_of_the_connection(operator: Operator) -> None:
    """B-11, B-13, B-14: one connection; lost subscriptions, cut lines, throttling and restarts cost time only."""
    operator.ready()
    sandbox = operator.sandbox
    with Served(operator) as served:
        until("both links are told of changes", lambda: live(served))
        served.idle()
        assert len(sandbox.notices.streams) == 1
        heard(operator, "At once")

        assert sandbox.drop_streams() == 1
        heard(operator, "After a cut")
        sandbox.inject(busy_fault(100), "GetStreamingEvents", times=2)
        until("it streams again", lambda: live(served))
        assert sandbox.drop_streams() == 1
        heard(operator, "After throttling")
        for code in ("ErrorSubscriptionNotFound", "ErrorMissedNotificationEvents", "ErrorReadEventsFailed"):
            until("both links are told of changes", lambda: live(served))
            assert sandbox.lose_subscriptions(code) == 2
            heard(operator, f"After {code}")
        until("both links are told of changes", lambda: live(served))
        sandbox.stop()
        sandbox.mailbox(BOB).create(Subject="While it was away", **EVENT)
        sandbox.start()
        until("what it did not tell is found", lambda: "While it was away" in subjects(operator, 2))
        until("both links are told of changes", lambda: live(served))
        heard(operator, "After a restart")
        assert {line["code"] for line in served.log("subscription.lost")} >= {"ErrorReadEventsFailed"}
        assert served.stop() == 0
    assert sandbox.mails_sent == []


def test_a_reload_that_changes_one_link_leaves_the_other_subscription_alone(operator: Operator) -> None:
    """B-102."""
    operator.ready()
    with Served(operator) as served:
        until("both links are told of changes", lambda: live(served))
        served.idle()
        before = {each.mailbox: each.id for each in operator.sandbox.notices.subscriptions}
        operator.replace(TARGET, f"- user: {ANN}\n", f"- user: {ANN}\n  enabled: false\n")
        assert operator.exsync("reload").code == 0
        until(
            "the disabled link is unsubscribed",
            lambda: {each.mailbox: each.id for each in operator.sandbox.notices.subscriptions} == {BOB: before[BOB]},
        )
        heard(operator, "Undisturbed")
        operator.replace(TARGET, "  enabled: false\n", "")
        assert operator.exsync("reload").code == 0
        until("both links are told of changes", lambda: live(served))
        after = {each.mailbox: each.id for each in operator.sandbox.notices.subscriptions}
        assert after[BOB] == before[BOB]
        assert after[ANN] != before[ANN]
        operator.sandbox.mailbox(ANN).create(Subject="Hers again", **EVENT)
        until("hers is in the CRM", lambda: "Hers again" in subjects(operator, 1))
        rename(operator, one_of(operator, 1), "From the CRM")
        until("the CRM's change is in Exchange", lambda: "From the CRM" in titles(operator, ANN))
        assert served.stop() == 0


def test_a_server_that_posts_is_heard_at_once_and_forgotten_subscriptions_are_renewed(operator: Operator) -> None:
    """B-11: a separate listener, an address for each subscription; after a restart the old ones are told to end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mode = f"notifications: {{mode: push, url: http://127.0.0.1:{port}/push, renewal_period: 2m}}"
    operator.ready().replace(TARGET, "access: impersonation", f"access: impersonation\n{mode}")
    sandbox = operator.sandbox
    with Served(operator, "--push-listen", f"127.0.0.1:{port}") as served:
        until("both links are told of changes", lambda: live(served))
        served.idle()
        heard(operator, "At once")
        old = {each.id for each in sandbox.notices.subscriptions}
        served.kill()
        served.start()
        until("both links are told of changes", lambda: live(served))
        heard(operator, "After a restart")
        sandbox.mailbox(ANN).create(Subject="Hers", **EVENT)
        until("the old subscriptions have ended", lambda: not old & {each.id for each in sandbox.notices.subscriptions})
        assert len(list(sandbox.notices.subscriptions)) == 2
        assert served.stop() == 0
    assert sandbox.mails_sent == []
