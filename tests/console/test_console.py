"""The console in a real browser, against a running service, a simulated Exchange and a CRM (B-90 to B-92, E11)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Page, expect

from runner.sandbox.exchange import Sandbox
from tests.console.browser import Browser, browser
from tests.console.stage import ANN, BOB, EVIL, TARGET, Stage
from tests.e2e.served import Served, until

PAGES = ("/sync", "/ldap", "/olap", "/conflicts", "/quarantine", "/mail", "/queue", "/runs", "/configuration", "/acts")
LINK = f"sandbox/{ANN}/calendar"
CUBE = (
    "olap:\n  cubes:\n  - {name: by_user, title: By user, of: changes, dimensions: [user, direction], grain: month}\n"
)


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found
        assert found.complaints == []


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Sandbox(password="right") as sandbox:
        for address in (ANN, BOB):
            sandbox.add_mailbox(address)
        yield Stage(tmp_path, sandbox, service=CUBE)


def acts(served: Served) -> list[tuple[str, str, str]]:
    told = served.remote.get("/api/v1/acts")["acts"]
    return [(act["who"], act["what"], act["subject"]) for act in told if act["who"] != "root"]


def do(page: Page, label: str, button: str) -> None:
    """Click an action, and say in the dialog that it is meant."""
    page.get_by_role("link", name=label, exact=True).first.click()
    page.locator("dialog").get_by_role("button", name=button, exact=True).click()
    page.wait_for_selector("p.notice[role=status]")
    assert "good" in (page.get_attribute("p.notice[role=status]", "class") or ""), page.inner_text(
        "p.notice[role=status]"
    )


def test_everything_can_be_looked_at_and_nothing_in_it_runs(stage: Stage, chromium: Browser) -> None:
    """B-90, B-91, E11: each page for an operator and a viewer, in dark and light, narrow, and without JavaScript."""
    stage.operator.ready()
    with Served(stage.operator) as served:
        stage.work(served)
        olga = chromium.person(stage.url, "olga")
        for path in PAGES:
            answer = olga.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert olga.title() != "owned"
        olga.goto("/conflicts")
        assert EVIL in olga.inner_text("table")
        assert olga.query_selector("table img") is None
        olga.click("table .pick")
        assert EVIL in olga.inner_text("td.target")
        assert "Stand-up with sales" in olga.inner_text("td.base")
        olga.goto(f"/sync?link={LINK}")
        assert "targets.d/sandbox.yaml:13" in olga.inner_text("#link")
        olga.click("#link .place >> nth=0")
        assert olga.inner_text("h2") == TARGET
        olga.goto("/sync")
        olga.fill("[data-search]", "bob contacts")
        expect(olga.locator("#links tbody tr")).to_have_count(1)
        assert "q=bob" in olga.url

        vera = chromium.person(stage.url, "vera", dark=True, width=420)
        for path in PAGES:
            answer = vera.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            assert "Stand-up with sales" not in vera.content(), path
            assert "Northwind" not in vera.content(), path
            assert not vera.query_selector_all("a[data-dialog]"), path
        refused = vera.request.get(f"{stage.url}/act/sync?link={LINK}")
        assert refused.status == 403
        assert vera.evaluate("document.documentElement.scrollWidth <= innerWidth")

        plain = chromium.person(stage.url, "olga", scripts=False)
        plain.goto(f"/sync?link={LINK}")
        plain.click("#link a:text-is('Sync now')")
        plain.click("button:text-is('Sync now')")
        assert "Asked for a pass" in plain.inner_text("p.notice.good")

        nobody = chromium.person(stage.url)
        nobody.goto("/runs")
        assert "/login?next=/runs" in nobody.url
        forged = olga.request.post(f"{stage.url}/act/suspend", form={"csrf": "guessed"})
        assert forged.status == 403
        foreign = olga.request.post(f"{stage.url}/act/suspend", headers={"Origin": "https://evil.example"})
        assert foreign.status == 403
        rebound = olga.request.get(f"{stage.url}/sync", headers={"Host": "evil.example"})
        assert rebound.status == 403
        assert served.status()["suspensions"] == []
        chromium.complaints[:] = [told for told in chromium.complaints if "403" not in told]


def test_what_operators_do_is_done_on_the_servers_and_kept_with_their_names(stage: Stage, chromium: Browser) -> None:
    """B-90, B-91, B-92: each action; what changed on both sides; cubes and their exports; a rejected configuration."""
    operator, sandbox = stage.operator.ready(), stage.sandbox
    with Served(operator) as served:
        stage.work(served)
        page = chromium.person(stage.url, "olga")

        page.goto("/conflicts")
        page.click("table .pick")
        do(page, "Take the CRM's value", "Resolve")
        titles = lambda: [view.text("Subject") for view in sandbox.mailbox(ANN).items()]  # noqa: E731
        until("the CRM's value is in Exchange", lambda: "Stand-up with sales (moved to Thursday)" in titles())
        assert EVIL not in titles()

        page.goto("/mail")
        do(page, "Release", "Release")
        until("the invitation went out", lambda: ("request", "zoe@northwind.example") in sandbox.addressees)

        page.goto(f"/sync?target=sandbox&link={LINK}")
        do(page, "Reset", "Reset")
        served.idle()
        assert not served.remote.post("/api/v1/plan", {"links": []})["different"]

        page.goto(f"/sync?link={LINK}")
        page.click("#link a:text-is('Suspend')")
        page.fill("dialog input[name=reason]", "moves house")
        page.click("dialog button:text-is('Suspend')")
        page.wait_for_selector("#link a:text-is('Resume')")
        operator.sql("UPDATE appointment SET subject = 'While suspended' WHERE subject = 'Contract with Northwind'")
        page.wait_for_selector("#links tr.chosen .chip.paused")
        assert "While suspended" not in titles()
        do(page, "Resume", "Resume")
        until("it goes out on resume", lambda: "While suspended" in titles())

        page.goto("/sync")
        page.click("#targets a:text-is('Suspend everything')")
        page.click("dialog button:text-is('Suspend')")
        page.wait_for_selector("#news .notice.warn")
        page.click("#news a:text-is('Resume')")
        page.click("dialog button:text-is('Resume')")
        page.wait_for_selector("p.notice.good")

        sandbox.stop()
        operator.sql("UPDATE appointment SET subject = 'After the outage' WHERE subject = 'While suspended'")
        page.goto("/queue")
        page.wait_for_selector("table .chip.waiting, table .chip.error")
        page.goto("/sync?target=sandbox")
        page.wait_for_selector("#targets .chip.down, #targets .chip.probing")
        sandbox.start()
        page.goto("/sync?target=sandbox")
        do(page, "Sync now", "Sync now")
        until("the edit arrives", lambda: "After the outage" in titles())

        page.goto("/olap/by_user?rows=user&columns=direction")
        assert {ANN, BOB} <= set(page.locator("table.pivot tbody th").all_inner_texts())
        page.click(f"table.pivot a:text-is('{ANN}')")
        assert page.inner_text(".slice").startswith(f"user = {ANN}")
        with page.expect_download() as download:
            page.click("a:text-is('Parquet')")
        rows = duckdb.sql(f"FROM read_parquet('{download.value.path()}')").fetchall()
        assert rows
        with page.expect_download() as download:
            page.click("a:text-is('CSV')")
        assert Path(download.value.path()).read_text("utf-8-sig").splitlines()[0].endswith("count")
        page.click("table.pivot a:text-is('items') >> nth=0")
        assert LINK in page.inner_text("table")
        page.click("table a.key >> nth=0")
        assert "What was written" in page.inner_text("main")

        operator.replace(TARGET, "access: impersonation", "acess: impersonation")
        page.goto("/configuration")
        page.wait_for_selector("#news .notice.bad")
        page.goto("/configuration")
        assert "did you mean 'access'?" in page.inner_text(".finding.error")
        operator.replace(TARGET, "acess: impersonation", "access: impersonation")
        do(page, "Look at the files now", "Look")

        page.goto("/acts")
        assert "olga" in page.inner_text("table")
        done = acts(served)
        assert {who for who, _, _ in done} == {"olga"}
        assert {"resolve", "release", "reset", "suspend", "resume", "sync"} <= {what for _, what, _ in done}
        page.click("button:text-is('Log out')")
        page.goto("/sync")
        assert "/login" in page.url
        assert json.dumps(served.remote.get("/api/v1/acts"))
        assert served.stop() == 0
