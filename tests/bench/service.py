"""How soon the service, a process of its own, carries a commit in the CRM (PostgreSQL) into Exchange (the sandbox).

Prints one JSON object: the seconds from a COMMIT until the mailbox holds the item.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from runner.sandbox.exchange import Sandbox
from tests.e2e.operator import ANN, BOB, Operator
from tests.e2e.served import Served, until
from tests.support.demo import postgresql_demo
from tests.support.postgres import running

COMMITS = 100
GLANCE = 0.002
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
            with Served(operator, "--log-level", "warning") as served:
                served.idle()
                taken = []
                for number in range(COMMITS):
                    crm.execute(INSERT, (f"Commit {number}",))
                    begun = time.perf_counter()
                    while len(sandbox.mailbox(ANN).items()) <= number:
                        time.sleep(GLANCE)
                    taken.append(time.perf_counter() - begun)
                    until("the service is idle", lambda: not served.remote.get("/api/v1/queue")["messages"])
                served.stop()
    print(json.dumps({"p50": sorted(taken)[COMMITS // 2], "p99": sorted(taken)[COMMITS * 99 // 100 - 1]}))


if __name__ == "__main__":
    main()
