"""``make bench``: speed and memory as ratios measured in one run, medians of 5, as a table and as JSON.

Client CPU only (``time.process_time``): the sandbox serves from a process of its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from runner.engine.parts import ref_of
from tests.bench.databases import Spent, counted
from tests.bench.server import served
from tests.bench.stock import FIELDS, OURS, calendar, collecting_as_ever, sync_and_fetch
from tests.bench.world import one_pass, opened

ITEMS = 2000
ROUNDS = 5
PASSES = 200


@dataclass(frozen=True)
class Measure:
    """One line of the table; ``limit`` is the most that is allowed (None: told for information)."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the limit is kept."""
        return None if self.limit is None else self.value <= self.limit


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def initial(url: str) -> list[Measure]:
    """Initial inbound sync against stock exchangelib and against decoding alone, alternating."""
    ours, stock, narrow, bare = [], [], [], []
    account, folder = calendar(url)
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as home, opened(Path(home), url) as session:
            link = session.links(())[0]
            connector = session.target(link.target)
            ref = ref_of(link, "1")
            connector.check(ref)

            def decode(connector=connector, ref=ref) -> None:  # type: ignore[no-untyped-def]
                for page in connector.changes(ref, None):
                    connector.get(ref, [entry.key for entry in page.changed])

            bare.append(timed(decode))
            ours.append(timed(lambda session=session: one_pass(session)))
        with collecting_as_ever():
            stock.append(timed(lambda: sync_and_fetch(account, folder, FIELDS)))
            narrow.append(timed(lambda: sync_and_fetch(account, folder, OURS)))

    spent = [_in_databases(url) for _ in range(ROUNDS)]

    def cpu(rows: list[tuple[float, float]]) -> float:
        return statistics.median(row[0] for row in rows) / ITEMS * 1e6

    def rate(rows: list[tuple[float, float]]) -> float:
        return ITEMS / statistics.median(row[1] for row in rows)

    return [
        Measure("initial sync, CPU per item", cpu(ours), "µs"),
        Measure("stock exchangelib (25 fields), CPU per item", cpu(stock), "µs"),
        Measure("decoding alone, CPU per item", cpu(bare), "µs"),
        Measure(
            "of the initial sync, inside DuckDB", statistics.median(one.state for one in spent) / ITEMS * 1e6, "µs"
        ),
        Measure("of the initial sync, inside SQLite", statistics.median(one.crm for one in spent) / ITEMS * 1e6, "µs"),
        Measure("initial sync / stock (25 fields)", cpu(ours) / cpu(stock), "×", 0.25),
        Measure("initial sync / stock (the fields that exsync reads)", cpu(ours) / cpu(narrow), "×"),
        Measure("initial sync / decoding alone", cpu(ours) / cpu(bare), "×", 2.5),
        Measure("initial sync, items per second", rate(ours), "/s"),
        Measure("stock exchangelib, items per second", rate(stock), "/s"),
    ]


def _in_databases(url: str) -> Spent:
    """What an initial sync spends inside the databases; in a round of its own, since counting takes time, too."""
    with counted() as spent, tempfile.TemporaryDirectory() as home, opened(Path(home), url) as session:
        assert session.runner is not None  # opened by now
        opening = replace(spent)
        one_pass(session)
        return Spent(spent.state - opening.state, spent.crm - opening.crm)


def quiet(url: str) -> list[Measure]:
    """Passes over known items that find nothing, minus the bare SyncFolderItems calls in them."""
    with tempfile.TemporaryDirectory() as home, opened(Path(home), url) as session:
        while one_pass(session).writes:
            pass
        one_pass(session)
        link = session.links(())[0]
        connector = session.target(link.target)
        ref = ref_of(link, "1")
        since = session.store.link(link.name).target_watermark
        runner = session.runner
        counter = Path(home, "state.duckdb.counter")
        before = counter.read_bytes() if counter.exists() else b""
        passes, calls = [], []
        for _ in range(ROUNDS):
            passes.append(timed(lambda: [one_pass(session) for _ in range(PASSES // ROUNDS)])[0])
            calls.append(timed(lambda: [list(connector.changes(ref, since)) for _ in range(PASSES // ROUNDS)])[0])
        written = (counter.read_bytes() if counter.exists() else b"") != before
        assert runner is not None
    cost = (sum(passes) - sum(calls)) / PASSES * 1e3
    return [
        Measure("no-op pass minus bare SyncFolderItems, CPU", cost, "ms", 2.0),
        Measure("bare SyncFolderItems, CPU", sum(calls) / PASSES * 1e3, "ms"),
        Measure("commits in the state during 200 no-op passes", float(written), "", 0.0),
    ]


def memory() -> list[Measure]:
    """Peak memory of an initial sync by folder size."""
    peaks = {count: _child("tests.bench.memory", str(count))["peak_mb"] for count in (1_000, 100_000)}
    million = _child("tests.bench.state_million")
    return [
        Measure("peak RSS, 1,000 items", peaks[1_000], "MB"),
        Measure("peak RSS, 100,000 items", peaks[100_000], "MB"),
        Measure("peak RSS, 100,000 / 1,000 items", peaks[100_000] / peaks[1_000], "×", 1.2),
        Measure("RSS with one million pairings", million["rss_peak_mb"], "MB", 400.0),
    ]


def service() -> list[Measure]:
    """How soon a commit in the CRM is in Exchange while the service runs, and the other way by streaming and by push."""
    seconds = _child("tests.bench.service")
    return [
        Measure("CRM commit to Exchange, median (PostgreSQL)", seconds["p50"], "s", 0.15),
        Measure("CRM commit to Exchange, 99 of 100", seconds["p99"], "s", 0.5),
        Measure("Exchange to CRM by streaming, median (PostgreSQL)", seconds["inbound_p50"], "s", 0.25),
        Measure("Exchange to CRM by streaming, 99 of 100", seconds["inbound_p99"], "s", 1.0),
        Measure("Exchange to CRM by push, median (PostgreSQL)", seconds["pushed_p50"], "s", 0.25),
        Measure("Exchange to CRM by push, 99 of 100", seconds["pushed_p99"], "s", 1.0),
        Measure("passes that 1,000 notifications during a pass cost", seconds["burst_passes"], "", 1.0),
    ]


def console() -> list[Measure]:
    """How soon the console answers with 10,000 links and two million writes in the ledger."""
    seconds = _child("tests.bench.console")
    return [
        Measure("console, first page of 10,000 links", seconds["first_page"], "s", 0.5),
        Measure("console, links searched and sorted", seconds["searched"], "s", 0.5),
        Measure("cube over 2,000,000 writes, day by operation", seconds["by_day_and_operation"], "s", 0.3),
        Measure("cube over 2,000,000 writes, user by operation", seconds["by_user_and_operation"], "s", 0.3),
    ]


def directory() -> list[Measure]:
    """A directory of 2,000 users with groups against its bare paged search, and the memory that 50,000 users take."""
    told = _child("tests.bench.directory")
    return [
        Measure("directory of 2,000: full pass / bare paged search, wall", told["full"] / told["bare"], "x", 3.0),
        Measure("directory of 50,000: memory that the first pass adds", told["grown_mb"], "MB", 200.0),
    ]


def crowd() -> list[Measure]:
    """Ten thousand streaming links: connections, memory, idle CPU, and a reload that changes one of them."""
    told = _child("tests.bench.crowd")
    return [
        Measure("10,000 streaming links, connections", told["connections"], "", 60.0),
        Measure("10,000 streaming links, peak RSS", told["peak_mb"], "MB", 600.0),
        Measure("10,000 streaming links, idle CPU", told["idle_cpu"], "core", 0.05),
        Measure("reload that changes one of 10,000 links", told["reload_seconds"], "s", 5.0),
        Measure("requests that this reload causes", told["requests_after_reload"], ""),
    ]


def _child(module: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def told(measures: list[Measure]) -> list[Measure]:
    """The same measures, after they are printed."""
    for measure in measures:
        verdict = {None: "", True: "ok", False: "TOO MUCH"}[measure.holds]
        limit = f"≤ {measure.limit:g}" if measure.limit is not None else ""
        print(f"{measure.name:56} {measure.value:10.2f} {measure.unit:4} {limit:8} {verdict}", flush=True)
    return measures


def main() -> int:
    """Measure and print, part by part; exit 1 when a limit is not kept, or a part failed."""
    measures: list[Measure] = []
    failed = False
    with served(ITEMS) as url:
        measures += told(initial(url))
        measures += told(quiet(url))
    for part in () if "--quick" in sys.argv else (memory, service, console, directory, crowd):
        try:
            measures += told(part())
        except subprocess.CalledProcessError as error:
            failed = True
            print(f"{part.__name__}: {error}", flush=True)
    print(
        json.dumps(
            {m.name: {"value": round(m.value, 3), "unit": m.unit, "limit": m.limit} for m in measures},
            ensure_ascii=False,
        )
    )
    return int(failed or any(measure.holds is False for measure in measures))


if __name__ == "__main__":
    sys.exit(main())
