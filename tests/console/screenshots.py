"""``make screenshots``: the console's pages into docs/img/, from a running service with something to show."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner.model.queueing import Sample
from runner.model.state import Commit, LedgerEntry, RunRecord
from runner.model.terms import Operation, Side
from runner.sandbox.exchange import Sandbox
from runner.sandbox.faults import ItemAnswer
from runner.store import DuckStore, Journal, open_store
from runner.testing.clock import FakeClock
from tests.console.browser import browser
from tests.console.corp import directory
from tests.console.stage import ANN, BOB, TARGET, Stage
from tests.e2e.served import Served, until
from tests.support import slapd

IMAGES = Path(__file__).parents[2] / "docs" / "img"
TARGET_NAME = "sandbox"
LINK = f"sandbox/{ANN}/calendar"
SHOTS = (
    ("sync", f"/sync?target=sandbox&link={LINK}", False),
    ("sync-dark", f"/sync?target=sandbox&link={LINK}", True),
    ("olap", "/olap/changes", False),
    ("olap-latency", "/olap/latency?rows=user&measure=delay_p95&columns=folder", True),
    ("ldap", "/ldap?all=1", False),
    ("conflicts", "/conflicts", False),
    ("quarantine", "/quarantine", False),
    ("mail", "/mail", False),
    ("runs", "/runs", False),
    ("acts", "/acts", False),
)

NARROW = (("narrow", f"/sync?link={LINK}", False), ("narrow-dark", "/ldap", True))


def past(state: Path) -> None:
    """A month of history, so that there is something to count; made up, the same each time."""
    dice, now = random.Random(7), datetime.now(UTC)
    with open_store(state, clock=FakeClock(now)) as store:
        _minutes(store, dice, now)
        for day in range(30, 0, -1):
            _day(store, dice, now - timedelta(days=day), weekday=(now - timedelta(days=day)).weekday() < 5)


def _day(store: DuckStore, dice: random.Random, day: datetime, *, weekday: bool) -> None:
    entries, runs = [], []
    for number in range(dice.randint(40, 90) if weekday else dice.randint(3, 12)):
        at = day.replace(hour=dice.randint(7, 18), minute=dice.randint(0, 59))
        user, folder = (
            dice.choice((ANN, ANN, BOB)),
            dice.choice(("calendar", "calendar", "calendar", "tasks", "contacts")),
        )
        link, run = f"sandbox/{user}/{folder}", f"{dice.getrandbits(128):032x}"
        side = Side.TARGET if folder == "contacts" else dice.choice((Side.CRM, Side.TARGET))
        operation = dice.choices((Operation.CREATE, Operation.UPDATE, Operation.DELETE), (5, 11, 2))[0]
        entries.append(
            LedgerEntry(run, link, side, operation, f"k{number}", None, None, None, "changed", f"{TARGET}:17:16", at)
        )
        took, waited = dice.lognormvariate(-1, 0.6), dice.lognormvariate(-1.5, 0.9)
        counts = {f"{side}.{operation}": 1}
        runs.append(RunRecord(run, link, at, at + timedelta(seconds=took), "done", counts, None, None, waited))
    runs.sort(key=lambda each: each.finished)
    store.commit(Commit(ledger=tuple(entries), runs=tuple(runs)))


def _minutes(store: DuckStore, dice: random.Random, now: datetime) -> None:
    """Four hours of the queue's figures: an outage in the middle of them."""
    samples = []
    for ago in range(240, 0, -1):
        down = 120 < ago < 150
        sent = dice.randint(0, 6)
        waits = (150 - ago) // 3 if down else max(0, 10 - (120 - ago)) if ago <= 120 else 0
        took = dice.uniform(0.1, 0.4)
        at = now - timedelta(minutes=ago)
        samples.append(Sample(TARGET_NAME, at, sent, 0 if down else sent, waits, 0, 20.0 * waits, 0 if down else took))
    Journal(store).note(samples)


def main() -> None:
    """Make all of them."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        Sandbox(password="right") as sandbox,
        slapd.running() as server,
        browser() as chromium,
    ):
        for address in (ANN, BOB):
            sandbox.add_mailbox(address)
        stage = Stage(Path(home), sandbox)
        stage.operator.ready()
        past(stage.operator.state)
        with Served(directory(stage, server, evil=False)) as served:
            stage.work(served, evil=False)
            served.remote.post("/api/v1/audit", {"links": [f"sandbox/{BOB}/calendar", LINK]})
            light, dark = (chromium.person(stage.url, "olga", dark=each) for each in (False, True))
            for name, path, night in SHOTS:
                page = dark if night else light
                page.goto(path)
                page.wait_for_timeout(300)
                page.screenshot(path=IMAGES / f"{name}.png")
            sandbox.inject(ItemAnswer("ErrorAccessDenied"), "SyncFolderItems", mailbox=BOB, times=None)
            served.remote.post("/api/v1/sync", {"links": [f"sandbox/{BOB}/tasks"]})
            until("it is blocked", lambda: "blocked" in str(served.remote.get("/api/v1/queue")))
            light.goto("/queue")
            light.screenshot(path=IMAGES / "queue.png")
            light.goto("/conflicts")
            light.click("table .pick")
            light.screenshot(path=IMAGES / "conflict.png")
            light.goto(f"/sync?link={LINK}")
            light.click("#link a:text-is('Reset')")
            light.wait_for_selector("dialog h2")
            light.screenshot(path=IMAGES / "confirm.png")
            for name, path, night in NARROW:
                narrow = chromium.person(stage.url, "vera", width=400, dark=night)
                narrow.goto(path)
                narrow.wait_for_timeout(300)
                assert narrow.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
                narrow.screenshot(path=IMAGES / f"{name}.png")
            stage.operator.replace(TARGET, "access: impersonation", "acess: impersonation")
            until("it is rejected", lambda: served.status()["service"]["configuration"]["outcome"] == "rejected")
            light.goto("/configuration")
            light.screenshot(path=IMAGES / "configuration.png")


if __name__ == "__main__":
    main()
