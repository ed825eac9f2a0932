"""How soon the console answers with 10,000 links and two million writes in the ledger.

Prints one JSON object: seconds until the first page of links is there, and until cubes are answered.
``python -m tests.bench.console [USERS WRITES]``: with other numbers (three links for each user).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from runner.cli.context import SystemClock, SystemRng
from runner.cli.serve import SystemOpening
from runner.config.plan import SyncPlan
from runner.model.cubes import BUILT_IN, TIME, Grain, Question
from runner.observe import log as logging
from runner.sandbox.demo_crm import create_demo_crm
from runner.service.desk import Desk
from runner.service.service import Service, Settings
from runner.store import DuckStore, open_store
from runner.store.cubing import Cubes
from runner.store.opening import limit_memory
from runner.web.console.app import console_app
from runner.web.listening import Listener

ROOT = Path(__file__).parents[2]
USERS, WRITES, PAIRS, ROUNDS = 3334, 2_000_000, 300_000, 5
FOLDERS = """\
    tasks: {entity: task, mapping: task, direction: both}
    contacts: {entity: contact, mapping: contact, direction: outbound}
links:
"""


def configuration(home: Path, users: int) -> None:
    """Three links for each of some thousand users."""
    for name in ("targets.d", "mappings"):
        shutil.copytree(ROOT / name, home / name)
    file = home / "targets.d/sandbox.yaml"
    head = file.read_text().partition("links:\n")[0]
    file.write_text(head + FOLDERS + "".join(f"- user: user{number:05}@example.com\n" for number in range(users)))
    (home / "service.yaml").write_text("version: 1\nkind: service\nconsole: {}\n")
    create_demo_crm(home / "crm.sqlite")
    os.environ["EXSYNC_CRM_URL"] = f"sqlite:///{home / 'crm.sqlite'}"
    os.environ["EXSYNC_SANDBOX_PASSWORD"] = "unused"


def fill(store: DuckStore, plan: SyncPlan, writes: int) -> None:
    """Every link in the state, pairs, and the writes of a year."""
    with store.changing() as change:
        con, links = change.con, len(plan.links)
        con.execute("SET memory_limit = '1GB'").fetchall()
        con.execute(
            "INSERT INTO link (id, name, condition, target_watermark, target_complete, listed, matched, mapping_digest, "
            "reason, last_pass, quiet_passes) "
            "SELECT n + 1, name, 'active', 'w', true, true, true, '', NULL, now()::TIMESTAMP, 0 "
            "FROM (SELECT unnest(?) AS name, unnest(range(?)) AS n)",
            [list(plan.links), links],
        ).fetchall()
        columns = "id, link_id, run, side, operation, key, reason, rule, written_at, before_fields, after_fields"
        con.execute(
            f"INSERT INTO ledger ({columns}) SELECT 1000000 + n, 1 + (hash(n // 20) % {links})::BIGINT, "  # noqa: S608
            "md5((n // 50)::VARCHAR), ['crm', 'target'][(hash(n) % 2 + 1)::INT], "
            "['create', 'update', 'update', 'delete'][(hash(n + 7) % 4 + 1)::INT], md5((n % 300000)::VARCHAR), 'changed', "
            "'targets.d/sandbox.yaml:12:3', now()::TIMESTAMP - to_seconds(n * 15), "
            "json_object('title', md5((n * 7)::VARCHAR)), json_object('title', md5((n * 9)::VARCHAR)) "
            f"FROM range({writes}) AS t(n)"
        ).fetchall()
        con.execute(
            "INSERT INTO pairing (id, link_id, entity, crm_key, target_key, status, crm_hash, target_hash, checksum) "  # noqa: S608
            f"SELECT 5000000 + n, 1 + n * {links} // {PAIRS}, 'schedule_item', n, n, 'active', n, n, 0 "
            f"FROM range({PAIRS}) AS t(n)"
        ).fetchall()
    store.checkpoint()
    with store.querying() as con:
        limit_memory(con, rehearsing=False)


def main(users: int = USERS, writes: int = WRITES) -> None:
    """Measure and print."""
    logging.configure("json", "error")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        configuration(home, users)
        state = home / "state.duckdb"
        open_store(state, clock=SystemClock()).close()
        service = Service(Settings(home, state), SystemOpening(), SystemClock(), SystemRng())
        plan = service.generations.current.plan
        fill(service.store, plan, writes)
        console = plan.service.console
        assert console is not None
        bound = socket.create_server(("127.0.0.1", 0))
        listener = Listener(console_app(Desk(service), console), bound, "console")
        listener.start()
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/sync"
        now = datetime.now(UTC)
        changes = next(cube for cube in BUILT_IN if cube.name == "changes")
        span = (now - timedelta(days=365), now + timedelta(days=1))
        engine = Cubes(service.store)

        def cube(rows: str, columns: str | None) -> float:
            return engine.answer(
                Question(changes, "count", rows, columns, Grain.DAY, *span), rows=200, columns=12
            ).seconds

        def page(query: str) -> float:
            begun = time.perf_counter()
            answer = requests.get(url + query, timeout=60)
            assert answer.status_code == 200
            assert "user0" in answer.text
            return time.perf_counter() - begun

        seconds = {
            "first_page": statistics.median(page("") for _ in range(ROUNDS)),
            "searched": statistics.median(page("?q=user01+tasks&sort=pairs&desc=1") for _ in range(ROUNDS)),
            "by_day_and_operation": statistics.median(cube(TIME, "operation") for _ in range(ROUNDS)),
            "by_user_and_operation": statistics.median(cube("user", "operation") for _ in range(ROUNDS)),
            "links": len(plan.links),
        }
        listener.stop()
        service.stop()
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
