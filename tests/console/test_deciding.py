"""Every button that decides on something that waits, clicked in a real browser (B-62, B-90, B-91): what changed on both
sides, and whose name is kept with it."""

from __future__ import annotations

from playwright.sync_api import expect

from runner.sandbox.faults import Fault, ItemAnswer
from tests.console.browser import Browser, do
from tests.console.stage import ANN, BOB, TARGET, Stage, acts
from tests.e2e.served import Served, until

ANNS, BOBS = f"sandbox/{ANN}/calendar", f"sandbox/{BOB}/calendar"


def test_what_waits_is_decided_by_clicks_and_kept_with_the_name(stage: Stage, chromium: Browser) -> None:
    """State a value, restore what lost, drop a mail, retry and discard messages, suspend and resume a target."""
    operator, sandbox = stage.operator, stage.sandbox
    operator.replace(TARGET, f"- user: {BOB}\n", f"- user: {BOB}\n  conflict: crm_wins\n")
    operator.ready()

    def outlook(user: str) -> list[str | None]:
        return [view.text("Subject") for view in sandbox.mailbox(user).items()]

    def crm() -> list[object]:
        return [row[0] for row in operator.sql("SELECT subject FROM appointment WHERE NOT deleted")]

    def blocked(served: Served, user: str, subject: str) -> Fault:
        """A change that the server will not let through, and the message that therefore waits for somebody."""
        fault = sandbox.inject(ItemAnswer("ErrorAccessDenied"), "SyncFolderItems", mailbox=user, times=None)
        operator.sql(
            "UPDATE appointment SET subject = ? WHERE id = (SELECT max(id) FROM appointment WHERE owner_id = "
            "(SELECT id FROM crm_user WHERE email = ?) AND recurrence_rule IS NULL AND NOT deleted)",
            subject,
            user,
        )
        link = f"sandbox/{user}/calendar"
        until(
            "the message is blocked",
            lambda: any(
                each["link"] == link and each["state"] == "blocked"
                for each in served.remote.get("/api/v1/queue")["messages"]
            ),
        )
        return fault

    with Served(operator) as served:
        stage.work(served, evil=False)
        page = chromium.person(stage.url, "olga")

        page.goto("/conflicts")
        page.click("table .pick")
        told = do(page, "State another value", "Resolve", value__title="Stand-up with everybody")
        assert told.startswith("Decided on title")
        until("Exchange has the stated value", lambda: "Stand-up with everybody" in outlook(ANN))
        until("the CRM has the stated value", lambda: "Stand-up with everybody" in crm())
        until("the conflict is closed", lambda: not served.remote.get("/api/v1/conflicts?open")["conflicts"])

        page.goto("/mail")
        do(page, "Drop", "Drop")
        until("the meeting is written", lambda: "Contract with Northwind" in outlook(ANN))
        assert sandbox.mails_sent == []

        page.goto("/sync?target=sandbox")
        do(page, "Suspend", "Suspend", "#target", reason="the server is being moved")
        assert "suspended" in page.inner_text("#target .facts")
        item = sandbox.mailbox(BOB).items()[0]
        lost = f"{item.text('Subject')} (Outlook's)"
        sandbox.mailbox(BOB).edit(item.id, Subject=lost)
        operator.sql("UPDATE appointment SET subject = 'Won by the CRM' WHERE subject = ?", item.text("Subject"))
        do(page, "Resume", "Resume", "#target")
        until("the policy has decided", lambda: "Won by the CRM" in outlook(BOB))

        page.goto(f"/conflicts?all=1&q={BOB}")
        page.click("table .pick")
        do(page, "Restore the value that lost", "Resolve")
        until("the losing value is in the CRM again", lambda: lost in crm())
        until("the losing value is in Exchange again", lambda: lost in outlook(BOB))

        fault = blocked(served, ANN, "Tried again")
        page.goto(f"/sync?link={ANNS}")
        assert "blocked" in page.inner_text("#link .facts")
        fault.times = 0
        do(page, "Retry", "Retry", "#link")
        until("the change goes through", lambda: "Tried again" in outlook(ANN))

        fault = blocked(served, BOB, "Given up for now")
        page.goto("/queue")
        do(page, "Discard", "Discard")
        fault.times = 0
        assert all(each["link"] != BOBS for each in served.remote.get("/api/v1/queue")["messages"])
        assert "Given up for now" not in outlook(BOB)
        page.goto(f"/sync?link={BOBS}")
        do(page, "Sync now", "Sync now", "#link")
        until("what was marked goes with the next pass", lambda: "Given up for now" in outlook(BOB))

        kept = [(what, subject.partition(" ")[0]) for who, what, subject in reversed(acts(served)) if who == "olga"]
        assert kept == [
            ("resolve", "conflict"),
            ("drop", "mail"),
            ("suspend", "target"),
            ("resume", "target"),
            ("resolve", "conflict"),
            ("retry", "message"),
            ("discard", "message"),
            ("sync", "link"),
        ]
        served.idle()
        assert not served.remote.post("/api/v1/plan", {"links": []})["different"]
        page.goto(f"/sync?link={BOBS}")
        proven = page.locator("#link .facts div", has_text="Proven equal")
        assert "never yet" in proven.inner_text()
        served.remote.post("/api/v1/audit", {"links": [BOBS]})
        expect(proven.locator("time")).to_be_visible()
        assert sandbox.mails_sent == []
        assert served.stop() == 0
