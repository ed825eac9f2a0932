"""How soon the service carries a commit in the CRM (PostgreSQL) into Exchange (the sandbox), and a user's act in Exchange
into the CRM, told of by streaming and by push; the service is a process of its own.

Prints one JSON object: the seconds from a COMMIT until the mailbox holds the item, and from the act until a SELECT shows it;
and how many passes a thousand changes of one folder cost that come while a pass runs.
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from psycopg import Connection

from runner.sandbox.exchange import Sandbox
from runner.sandbox.faults import Delay
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until
from tests.support.demo import postgresql_demo
from tests.support.postgres import running

COMMITS = 100
BURST = 1000
GLANCE = 0.002
EVENT = {"Start": "2026-12-01T09:00:00Z", "End": "2026-12-01T10:00:00Z"}
INSERT = (
    "INSERT INTO appointment (subject, starts_at, ends_at, owner_id) "
    "VALUES (%s, now() + interval '1 day', now() + interval '25 hours', 1)"
)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home, running() as postgres, Sandbox(password="right") as sandbox:
        for address in (ANN, BOB):
            sandbox.add_mailbox(address)
        postgres.create("crm")
        operator = Operator(Path(home), sandbox)
        operator.environ["EXSYNC_CRM_URL"] = postgres.url("crm")
        with postgres.connect("crm") as crm:
            crm.execute(postgresql_demo())
            operator.ready()
            with Served(operator) as served:
                served.idle()
                taken = []
                for number in range(COMMITS):
                    crm.execute(INSERT, (f"Commit {number}",))
                    begun = time.perf_counter()
                    while len(sandbox.mailbox(ANN).items()) <= number:
                        time.sleep(GLANCE)
                    taken.append(time.perf_counter() - begun)
                    until("the service is idle", lambda: not served.remote.get("/api/v1/queue")["messages"])
                inbound = heard(sandbox, served, crm, "Heard")
                burst = passes_of_a_burst(sandbox, served)
                served.stop()
            port = vacant_port()
            mode = f"notifications: {{mode: push, url: http://127.0.0.1:{port}/push}}"
            operator.replace("targets.d/sandbox.yaml", "access: impersonation", f"access: impersonation\n{mode}")
            with Served(operator, "--push-listen", f"127.0.0.1:{port}") as served:
                pushed = heard(sandbox, served, crm, "Pushed")
                served.stop()
    told = {"p50": middle(taken), "p99": worst(taken), "burst_passes": burst}
    told |= {"inbound_p50": middle(inbound), "inbound_p99": worst(inbound)}
    told |= {"pushed_p50": middle(pushed), "pushed_p99": worst(pushed)}
    print(json.dumps(told))


def heard(sandbox: Sandbox, served: Served, crm: Connection[Any], word: str) -> list[float]:
    """Seconds from each of many acts in Exchange until the CRM shows it."""
    taken = []
    for number in range(COMMITS):
        served.idle()
        sandbox.mailbox(BOB).create(Subject=f"{word} {number}", **EVENT)
        begun = time.perf_counter()
        while not crm.execute("SELECT 1 FROM appointment WHERE subject = %s", (f"{word} {number}",)).fetchall():
            time.sleep(GLANCE)
        taken.append(time.perf_counter() - begun)
    return taken


def vacant_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def passes_of_a_burst(sandbox: Sandbox, served: Served) -> int:
    """Passes of a link whose folder changes a thousand times while one of them runs, that one left out. None of them finds
    anything to write: what the CRM tells of our own writes would bring a pass of its own."""
    item = sandbox.mailbox(BOB).create(Subject="Burst", **EVENT)
    served.idle()
    before = passes(served)
    slow = sandbox.inject(Delay(2.0), "SyncFolderItems", mailbox=BOB)
    sandbox.mailbox(BOB).touch(item)
    until("a pass runs", lambda: slow.fired)
    for _ in range(BURST):
        sandbox.mailbox(BOB).touch(item)
    served.idle()
    return passes(served) - before - 1


def passes(served: Served) -> int:
    """Passes that BOB's link has had."""
    lines = served.log("pass.done") + served.log("pass.idle")
    return sum(line["link"] == f"sandbox/{BOB}/calendar" for line in lines)


def middle(seconds: list[float]) -> float:
    """The median."""
    return sorted(seconds)[len(seconds) // 2]


def worst(seconds: list[float]) -> float:
    """What 99 of 100 stay below."""
    return sorted(seconds)[len(seconds) * 99 // 100 - 1]


if __name__ == "__main__":
    main()
