"""Several targets at once (B-6): each user lives on a server of his own, and one server's fault is only its own."""

from __future__ import annotations

from runner.sandbox.exchange import Sandbox
from tests.e2e.operator import ANN, BOB, Operator

NOWHERE = "http://127.0.0.1:9/EWS/Exchange.asmx"


def _target(operator: Operator, name: str, url: str, user: str) -> None:
    (operator.home / "targets.d" / f"{name}.yaml").write_text(
        f"""\
version: 1
kind: exchange
name: {name}
endpoint: {url}
auth: {{type: basic, username: svc-exsync, password: {{env: EXSYNC_SANDBOX_PASSWORD}}}}
access: impersonation
defaults:
  folders: {{calendar: {{entity: schedule_item, mapping: schedule_item, direction: both}}}}
links:
- user: {user}
""",
        encoding="utf-8",
    )


def test_two_servers_share_one_crm_and_one_may_be_down(operator: Operator) -> None:
    """B-6, B-76: what changed meanwhile on the lost server's side comes in by itself when it answers again."""
    with Sandbox(password=operator.sandbox.password) as branch:
        branch.add_mailbox(BOB)
        _target(operator, "sandbox", operator.sandbox.url, ANN)
        _target(operator, "branch", branch.url, BOB)
        operator.ready()
        assert operator.exsync("run", "--once").code == 0
        held = {ANN: operator.sandbox.mailbox(ANN).items(), BOB: branch.mailbox(BOB).items()}
        assert {user: len(items) for user, items in held.items()} == {ANN: 7, BOB: 5}
        branch.mailbox(BOB).edit(held[BOB][0].id, Location="Branch office")
        operator.sql("UPDATE appointment SET location = 'Head office' WHERE id = 1")

        _target(operator, "branch", NOWHERE, BOB)
        told = operator.exsync("run", "--once")
        assert told.code == 69
        assert "branch" in told.text
        assert operator.sql("SELECT count(*) FROM appointment WHERE location = 'Branch office'") == [(0,)]
        assert "Head office" in {item.text("Location") for item in operator.sandbox.mailbox(ANN).items()}

        _target(operator, "branch", branch.url, BOB)
        assert operator.exsync("run", "--once").code == 0
        assert operator.sql("SELECT count(*) FROM appointment WHERE location = 'Branch office'") == [(1,)]
        assert operator.exsync("plan", "--exit-code").code == 0
        assert (operator.sandbox.mails_sent, branch.mails_sent) == ([], [])
