"""Users who marry and mailboxes that move, with real commands over EWS and SQL (B-75): what is paired stays paired."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from runner.sandbox.exchange import Sandbox
from tests.e2e.operator import ANN, BOB, Operator

TARGET, WONG = "targets.d/sandbox.yaml", "ann.wong@example.com"


@pytest.fixture
def there() -> Iterator[Sandbox]:
    """The server to which mailboxes move."""
    with Sandbox(password="right", site="there") as sandbox:
        yield sandbox


def in_step(operator: Operator, sandbox: Sandbox, address: str, owner: int) -> Counter[str]:
    """What both sides hold, each once."""
    outlook = Counter(str(view.text("Subject")) for view in sandbox.mailbox(address).items())
    crm = Counter(
        str(subject)
        for (subject,) in operator.sql("SELECT subject FROM appointment WHERE owner_id = ? AND NOT deleted", owner)
    )
    assert outlook == crm
    assert max(outlook.values()) == 1
    return outlook


def edited(operator: Operator, sandbox: Sandbox, address: str) -> None:
    """One edit on either side, and a new appointment on each."""
    first, second, *_ = (view for view in sandbox.mailbox(address).items() if not view.props.get("Recurrence"))
    sandbox.mailbox(address).edit(first.id, Subject="Typed in Outlook")
    operator.sql("UPDATE appointment SET subject = 'Typed in the CRM' WHERE subject = ?", second.text("Subject"))
    sandbox.mailbox(address).create(Subject="New there", Start="2026-12-05T09:00:00Z", End="2026-12-05T10:00:00Z")
    operator.sql(
        "INSERT INTO appointment (subject, starts_at, ends_at, time_zone, owner_id) VALUES ('New here', "
        "'2026-12-06 09:00:00', '2026-12-06 10:00:00', 'Europe/Vienna', 1)"
    )


def creates(sandbox: Sandbox) -> int:
    return sum(seen.operation == "CreateItem" for seen in sandbox.requests)


def test_a_user_with_another_address_keeps_what_is_paired(operator: Operator) -> None:
    """Her address changes in Exchange, in the CRM and in the YAML: a new link, which finds everything by stamp. Where the
    sides differ by then, the policy decides and the losing value is kept."""
    sandbox = operator.sandbox
    operator.ready()
    assert operator.typed("run", "--once").code == 0
    before = in_step(operator, sandbox, ANN, 1)
    sandbox.rename_mailbox(ANN, WONG)
    edited(operator, sandbox, WONG)
    assert operator.typed("run", "--once").code != 0  # nobody is called that any more
    operator.sql("UPDATE crm_user SET email = ? WHERE email = ?", WONG, ANN)
    operator.replace(TARGET, f"- user: {ANN}\n", f"- user: {WONG}\n")
    made = creates(sandbox)
    assert operator.typed("run", "--once").code == 0
    after = in_step(operator, sandbox, WONG, 1)
    assert after.total() == before.total() + 2
    assert {"Typed in the CRM", "New there", "New here"} <= after.keys()
    ledger = json.loads(operator.typed("conflicts", "list", "-o", "json").out)
    assert "Typed in Outlook" in {entry["target"]["title"] for entry in ledger if entry["winner"] == "crm"}
    assert creates(sandbox) == made + 1
    assert operator.typed("plan", "--exit-code").code == 0
    assert f"sandbox/{ANN}/calendar" in operator.typed("status").out  # orphaned, and nothing deleted for it
    assert sandbox.mails_sent == []


def test_a_mailbox_that_moved_is_followed_with_what_changed_meanwhile(
    operator: Operator, there: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Autodiscover tells the new server, every id is another one, and the watermark is worth nothing there."""
    here = operator.sandbox
    monkeypatch.setattr("runner.connectors.exchange.directory.LEAST", timedelta(0))
    operator.replace(TARGET, f"endpoint: {here.url}", f"autodiscover: {here.autodiscover_url}")
    operator.ready()
    assert operator.typed("run", "--once").code == 0
    before = in_step(operator, here, ANN, 1)
    here.move_mailbox(ANN, there)
    edited(operator, there, ANN)
    assert operator.typed("run", "--once").code != 0  # the old server says so
    assert creates(there) == 0
    for _ in range(2):
        operator.typed("run", "--once")
    after = in_step(operator, there, ANN, 1)
    assert after.total() == before.total() + 2
    assert {"Typed in Outlook", "Typed in the CRM", "New there", "New here"} <= after.keys()
    assert creates(there) == 1
    assert in_step(operator, here, BOB, 2)
    assert operator.typed("plan", "--exit-code").code == 0
    assert here.mails_sent == there.mails_sent == []
