"""The console in a real browser, against a running service, a simulated Exchange and a CRM (B-90 to B-92, E11)."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
from playwright.sync_api import Page, expect

from runner.service.masking import MASK
from tests.console.browser import Browser, do
from tests.console.contrast import too_faint
from tests.console.corp import directory
from tests.console.stage import ANN, BOB, EVIL, TARGET, Stage, acts
from tests.e2e.served import Served, until
from tests.support import slapd

PAGES = ("/sync", "/ldap", "/olap", "/conflicts", "/quarantine", "/mail", "/queue", "/runs", "/configuration", "/acts")
LINK = f"sandbox/{ANN}/calendar"


def keyed_through(page: Page) -> None:
    """Everything by keys alone: past the frame, to the search, down the rows, into a dialog and out of it again."""
    focused = lambda what: page.evaluate(f"document.activeElement.matches({json.dumps(what)})")  # noqa: E731
    page.goto("/sync?target=sandbox")
    page.keyboard.press("Tab")
    assert focused("a.skip")
    page.keyboard.press("Enter")
    assert focused("main")
    page.keyboard.press("/")
    assert focused("[data-search]")
    page.keyboard.press("Tab")
    assert focused("select[name=folder]")
    page.locator("#links th a").first.focus()
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert focused("#links tbody tr:nth-child(2) .pick")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**link=sandbox**")
    page.locator("#link a:text-is('Suspend')").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog h2")
    assert focused("dialog input[name=reason]")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert focused("#link a")


def stands_as_it_is(page: Page, served: Served) -> None:
    """B-90: what the details of a link say is what the API says of it."""
    facts = dict(
        page.evaluate(
            "[...document.querySelectorAll('#link .facts div')].map(d => [...d.children].map(c => c.innerText))"
        )
    )
    told = served.remote.get(f"/api/v1/link?name={LINK}")
    assert (told["held"], told["aside"], told["direction"], told["mapping"]) == (1, 1, "both", "schedule_item")
    expected = {
        "Stands": told["standing"],
        "Life": told["condition"],
        "Direction": "both",
        "Mapping": "schedule_item",
        "Watermark": "read to the end",
        "Proven equal": "never yet",
        "Pairs": str(told["pairs"]),
        "Waiting": str(told["waiting"]),
        "Held": "1 to decide",
        "Set aside": "1 item",
        "Unsettled writes": "0",
        "Queue": told["message"]["state"] if told["message"] else "nothing waits",
        "Subscription": told["subscription"]["state"],
    }
    assert {name: words in facts[name] for name, words in expected.items()} == dict.fromkeys(expected, True), facts
    assert "ago" in facts["Watermark"] or "now" in facts["Watermark"], facts
    assert "ago" in facts["Last looked at"] or "now" in facts["Last looked at"], facts
    done = page.locator("#link .passes li").first
    assert told["passes"][0]["outcome"] in done.inner_text()


PERSONAL = ("Stand-up with sales", "Northwind", "zoe@", "Offsite", "Thursday")
"""Words that people wrote in the items of the stage."""


def seen_masked(page: Page) -> None:
    """B-90: the pages behind the lists, and what can be taken away as a file, show a viewer when and never what."""
    for path, behind in (
        ("/conflicts", "a.pick"),
        ("/runs", "main table a"),
        ("/olap", "main table a"),
        (f"/sync?link={LINK}", "#link .passes a"),
    ):
        page.goto(path)
        page.locator(behind).first.click()
        page.wait_for_load_state()
        assert page.url.partition("?")[0] != path
        assert not [word for word in PERSONAL if word in page.content()], page.url
        assert not too_faint(page), page.url
    page.goto("/olap")
    for link in page.locator("a[download]").all():
        answer = page.request.get(f"{page.url.partition('/olap')[0]}{link.get_attribute('href')}")
        assert answer.status == 200
        assert not [word for word in PERSONAL if word.encode() in answer.body()], answer.url


CANDIDATE = """\
candidate:
  defaults: {conflict: crm_wins}
  rings: [{users: [bob.ray@example.com]}, {all: true}]
  ring: 1
"""


def test_everything_can_be_looked_at_and_nothing_in_it_runs(stage: Stage, chromium: Browser) -> None:
    """B-90, B-91, E11: each page for an operator and a viewer, in dark and light, narrow, and without JavaScript."""
    stage.operator.ready()
    with slapd.running() as server, Served(directory(stage, server)) as served:
        stage.work(served)
        olga = chromium.person(stage.url, "olga")
        for path in PAGES:
            answer = olga.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert olga.title() != "owned"
            assert not too_faint(olga), path
        olga.goto("/conflicts")
        assert EVIL in olga.inner_text("table")
        assert olga.query_selector("table img") is None
        olga.click("table .pick")
        assert EVIL in olga.inner_text("td.target")
        assert "Stand-up with sales" in olga.inner_text("td.base")
        olga.goto(f"/sync?link={LINK}")
        assert "targets.d/sandbox.yaml:13" in olga.inner_text("#link")
        stands_as_it_is(olga, served)
        olga.click("#link .place >> nth=0")
        assert olga.inner_text("h2") == TARGET
        olga.goto("/sync")
        olga.fill("[data-search]", "bob contacts")
        expect(olga.locator("#links tbody tr")).to_have_count(1)
        assert "q=bob" in olga.url

        olga.goto("/sync?target=corp&link=corp/users")
        assert "inbound" in olga.inner_text("#link")
        assert "targets.d/corp.yaml" in olga.inner_text("#link")

        olga.goto("/ldap")
        assert "10 of 11 users take part" in olga.inner_text("#users header")
        rosa = olga.locator("#users tbody tr", has_text="rosa.klein")
        assert "Region North through Harbour" in " ".join(rosa.inner_text().split())
        assert EVIL in olga.inner_text("main")
        tree = olga.inner_text(".tree")
        assert all(name in tree for name in ("Harbour", "Field", "contains itself", "not ticked"))
        olga.click("#users .filter:text-is('Everybody')")
        assert "in no ticked group" in olga.locator("#users tbody tr", has_text="sven.lund").inner_text()
        olga.fill("#users [data-search]", "olivia")
        expect(olga.locator("#users tbody tr")).to_have_count(1)
        olga.click("main .place >> nth=0")
        assert olga.inner_text("h2") == "targets.d/corp.yaml"

        vera = chromium.person(stage.url, "vera", dark=True, width=420)
        for path in PAGES:
            answer = vera.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            assert "Stand-up with sales" not in vera.content(), path
            assert "Northwind" not in vera.content(), path
            assert not vera.query_selector_all("a[data-dialog]"), path
            assert not too_faint(vera), path
        told = olga.request.get(f"{stage.url}/api/v1/quarantine").json()["items"][0]["reason"]
        vera.goto("/quarantine")
        assert MASK in vera.inner_text("#list")
        assert told not in vera.content()
        vera.goto(f"/quarantine?q={told[:20]}")
        assert "No item is set aside" in vera.inner_text("#list"), "a search would tell what the mask hides"
        seen_masked(vera)
        refused = vera.request.get(f"{stage.url}/act/sync?link={LINK}")
        assert refused.status == 403
        assert vera.evaluate("document.documentElement.scrollWidth <= innerWidth")

        plain = chromium.person(stage.url, "olga", scripts=False)
        for path in PAGES:
            answer = plain.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            assert plain.inner_text("h1, h2 >> nth=0"), path
        plain.goto("/sync")
        plain.fill("[data-search]", "bob contacts")
        plain.select_option("select[name=folder]", "contacts")
        plain.click("#links button:text-is('Search')")
        assert plain.locator("#links tbody tr").count() == 1
        plain.click("#links .pick")
        assert plain.inner_text("#h-link").startswith(BOB)
        plain.click("button:text-is('Dark')")
        assert plain.get_attribute("html", "data-theme") == "dark"
        plain.goto(f"/sync?link={LINK}")
        plain.click("#link a:text-is('Sync now')")
        plain.click("button:text-is('Sync now')")
        assert "Asked for a pass" in plain.inner_text("p.notice.good")
        plain.click("button:text-is('Log out')")
        assert "/login" in plain.url

        keyed_through(olga)

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

        operator.replace(TARGET, "links:\n", f"{CANDIDATE}links:\n")
        until("the candidate is there", lambda: served.remote.get("/api/v1/candidates")["candidates"])
        page.goto("/sync?target=sandbox")
        assert "3 of 6 links run by it, ring 1 of 2" in page.inner_text("#candidate")

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
