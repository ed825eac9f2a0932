"""State of one million pairings: memory, file size and timings, printed as JSON.

Run as ``python -m tests.bench.state_million [--pairings N] [--scattered] [--directory DIR]``. Everything passes through
the store's public interface: commits as large as passes make them build the state, then come random look-ups and a loop of
small ones. Peak memory is read from ``/proc/self/status`` (VmHWM), so that it covers the build as well.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from runner.engine.parts import STEP
from runner.model.record import Fields
from runner.model.state import Base, Commit, LedgerEntry, LinkState, Mark, Pairing
from runner.model.terms import Entity, Operation, Side
from runner.store import DuckStore, open_store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PAGE = 200


class Ticking:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def memory(field: str) -> float:
    """A field of this process's memory in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return round(int(line.split()[1]) / 1024, 1)
    raise LookupError(field)


def record(number: int) -> dict[str, object]:
    """Some 500 bytes of an appointment as a side holds it."""
    return {
        "title": f"Quarterly review {number}",
        "description": f"Agenda {number * 7919 % 1_000_003}: figures, staff, outlook. " * 4,
        "location": f"Room {number % 97}",
        "start": f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}T10:00:00",
        "time_zone": "Europe/Vienna",
        "duration": "PT1H",
        "show_without_time": False,
        "priority": 5,
        "privacy": "public",
        "free_busy_status": "busy",
        "keywords": ("customer", "review"),
        "uid": f"040000008200E00074C5B7101A82E008{number:024x}",
    }


def pairing(link: str, number: int, *, id: int = 0, edited: bool = False) -> Pairing:
    """A pairing as large as Exchange makes them; both bases differ, so that both are stored."""
    crm: Fields = record(number) | ({"title": f"Edited {number}"} if edited else {})  # type: ignore[assignment]
    return Pairing(
        link=link,
        entity=Entity.SCHEDULE_ITEM,
        crm_key=str(number),
        target_key=target_key(number),
        crm_version=str(number % 17),
        target_version=f"DwAAABYAAAB{number * 31:029d}",
        stamp=f"{number * 2654435761 % (1 << 128):026x}",
        native=f"040000008200E00074C5B7101A82E008{number:024x}",
        base=Base(crm=crm, target=dict(crm) | {"location": f"Room {number % 97} (Vienna)"}),
        id=id,
    )


def target_key(number: int) -> str:
    """An item id of 140 characters."""
    return f"AAMkADRm{number * 2654435761 % (1 << 64):0116x}{number:016d}"


def link_name(number: int) -> str:
    return f"hq/user{number:05d}@example.com/calendar"


def timed(times: int, step: Callable[[int], object]) -> dict[str, float]:
    """Milliseconds of one step: median and worst."""
    taken = []
    for turn in range(times):
        start = time.perf_counter()
        step(turn)
        taken.append((time.perf_counter() - start) * 1000)
    return {"median_ms": round(statistics.median(taken), 2), "max_ms": round(max(taken), 2)}


def build(store: DuckStore, pairings: int, link_of: Callable[[int], int], order: list[int]) -> None:
    """Fill the state as passes do, a step at a time (a commit of more text would be given more memory), item numbers in the
    given order."""
    for start in range(0, pairings, STEP):
        numbers = order[start : start + STEP]
        store.commit(Commit(pairings=tuple(pairing(link_name(link_of(number)), number) for number in numbers)))


def main() -> None:
    """Build, measure, print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pairings", type=int, default=1_000_000)
    arguments.add_argument("--per-link", type=int, default=1_000)
    arguments.add_argument("--scattered", action="store_true", help="links grow together instead of one after another")
    arguments.add_argument("--directory", type=Path, default=None)
    options = arguments.parse_args()
    total, per_link = options.pairings, options.per_link
    links = total // per_link
    rng = random.Random(7)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        path = Path(directory) / "state.duckdb"
        result: dict[str, object] = {"duckdb": duckdb.__version__, "pairings": total, "scattered": options.scattered}
        result["rss_empty_mb"] = memory("VmRSS")

        def link_of(number: int) -> int:
            return number % links if options.scattered else number // per_link

        def numbers_of(link: int, count: int) -> list[int]:
            mine = range(link, total, links) if options.scattered else range(link * per_link, (link + 1) * per_link)
            return rng.sample(mine, min(count, per_link))

        store = open_store(path, clock=Ticking())
        start = time.perf_counter()
        build(store, total, link_of, list(range(total)))
        result["build_s"] = round(time.perf_counter() - start, 1)
        result["rss_after_build_mb"] = memory("VmRSS")
        start = time.perf_counter()
        store.close()
        result["close_s"] = round(time.perf_counter() - start, 2)
        result["file_mb"] = round(path.stat().st_size / 1e6, 1)
        start = time.perf_counter()
        store = open_store(path, clock=Ticking())
        result["open_ms"] = round((time.perf_counter() - start) * 1000, 1)

        def echoes(count: int) -> Callable[[int], object]:
            def step(_: int) -> None:
                link = rng.randrange(links)
                numbers = numbers_of(link, count)
                refs = {target_key(number): f"DwAAABYAAAB{number * 31:029d}" for number in numbers}
                if len(store.echoes(link_name(link), Side.TARGET, refs)) != len(numbers):
                    sys.exit("echoes missed a pairing")

            return step

        def pairings(count: int) -> Callable[[int], object]:
            def step(_: int) -> None:
                link = rng.randrange(links)
                numbers = numbers_of(link, count)
                found = store.pairings(link_name(link), target_keys=[target_key(number) for number in numbers])
                if len(found) != len(numbers):
                    sys.exit("pairings missed one")

            return step

        for count in (1, 100, 512):
            result[f"echoes_{count}"] = timed(40, echoes(count))
            result[f"pairings_{count}"] = timed(40, pairings(count))
        result["count"] = timed(40, lambda turn: store.count(link_name(turn)))
        result["paired_links_512"] = timed(
            20, lambda _: store.paired_links([str(rng.randrange(total)) for _ in range(512)])
        )

        def page(turn: int) -> Commit:
            link = rng.randrange(links)
            name = link_name(link)
            new = range(total + turn * PAGE, total + (turn + 1) * PAGE)
            items = tuple(pairing(name, number) for number in new)
            store.commit(Commit(marks=tuple(Mark(name, Side.TARGET, target_key(number)) for number in new)))
            waiting = store.marks(name, after=0, until=store.last_mark(name), limit=PAGE, now=NOW)
            return Commit(
                links=(LinkState(name, target_watermark="H4sIAAAA" * 200),),
                settled=tuple(mark.seq for mark in waiting),
                pairings=items,
                ledger=tuple(
                    LedgerEntry(
                        "run",
                        name,
                        Side.CRM,
                        Operation.CREATE,
                        one.crm_key,
                        one.target_key,
                        None,
                        one.base.crm if one.base else None,
                        "new on the target",
                        "hq.yaml:1:1",
                        NOW,
                    )
                    for one in items
                ),
            )

        taken = []
        for turn in range(40):
            commit = page(turn)
            start = time.perf_counter()
            store.commit(commit)
            taken.append((time.perf_counter() - start) * 1000)
        result["commit_page"] = {"median_ms": round(statistics.median(taken), 2), "max_ms": round(max(taken), 2)}

        def update(_: int) -> None:
            link = rng.randrange(links)
            name = link_name(link)
            old = store.pairings(name, crm_keys=[str(number) for number in numbers_of(link, 20)])
            store.commit(Commit(pairings=tuple(pairing(name, int(one.crm_key), id=one.id, edited=True) for one in old)))

        result["read_and_update_20"] = timed(100, update)
        result["status"] = timed(3, lambda _: store.overview())
        result["rss_after_work_mb"] = memory("VmRSS")
        start = time.perf_counter()
        store.close()
        result["close_after_work_s"] = round(time.perf_counter() - start, 2)
        result["file_after_work_mb"] = round(path.stat().st_size / 1e6, 1)
        result["rss_peak_mb"] = memory("VmHWM")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
