"""How a directory does: a full pass over 2,000 users with 50 groups against the bare paged search of the same entries, and
the memory that the first pass over 50,000 users takes. The servers are real OpenLDAPs. Prints one JSON object.

``python -m tests.bench.directory [USERS]``: the second part with another number of users.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ldap3 import NONE, Connection, Server

from runner.engine.report import PassReport
from runner.model.terms import Operation
from tests.ldap.firm import Firm
from tests.support import slapd

USERS, GROUPS, MANY, ROUNDS = 2_000, 50, 50_000, 5
UNIT = "bench"
BASE = f"ou={UNIT},{slapd.SUFFIX}"
PEOPLE = f"ou=people,{BASE}"
ATTRIBUTES = ["uid", "cn", "sn", "mail", "telephoneNumber", "title", "entryUUID", "entryCSN"]


def staff(users: int) -> Iterator[str]:
    """Units and people, in LDIF."""
    for dn in (BASE, *(f"ou={name},{BASE}" for name in ("people", "groups", "gone"))):
        yield f"dn: {dn}\nobjectClass: organizationalUnit\nou: {dn[3:].split(',')[0]}"
    for n in range(users):
        yield slapd.person(f"user{n:05}", below=PEOPLE, title=f"Title {n % 40}", telephoneNumber=f"+43 1 {n}")


def teams(users: int) -> Iterator[str]:
    """One group of everybody, forty-eight of some forty each, one of groups: nested, and in a circle."""
    names = [f"g{n:02}" for n in range(GROUPS)]
    for n, name in enumerate(names):
        chosen = range(users) if n == 0 else range(n, users, GROUPS) if n < GROUPS - 1 else ()
        members = [slapd.uid(f"user{m:05}", PEOPLE) for m in chosen]
        nested = range(1, 5) if n == GROUPS - 1 else [GROUPS - 1] if n == 1 else ()
        members += [f"cn={names[k]},ou=groups,{BASE}" for k in nested]
        yield slapd.group(name, *members, below=f"ou=groups,{BASE}")


@contextmanager
def founded(users: int, more: str = "") -> Iterator[Firm]:
    """A firm over a server that was filled before it started."""
    with slapd.running([*staff(users), *teams(min(users, USERS))]) as server, tempfile.TemporaryDirectory() as home:
        firm = Firm(Path(home), UNIT, server=server, founded=True, more=more)
        try:
            yield firm
        finally:
            firm.close()


def sound(report: PassReport) -> PassReport:
    """A pass that did not fail."""
    if report.error is not None:
        raise report.error
    return report


def wall(work: Callable[[], object]) -> float:
    """Seconds."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def speed() -> dict[str, float]:
    """Medians, in one run, alternating."""
    mapped = "group_mapping:\n- {group: g49, synchronize_users: true}\n- {group: g00, synchronize_users: true}\n"
    with founded(USERS, f"{mapped}incremental: false\n") as firm:
        made = sound(firm.run(Operation.CREATE)).counts["crm.create"]
        assert made == USERS, made
        server = Server("127.0.0.1", port=firm.server.port, get_info=NONE)
        with Connection(server, slapd.READER, slapd.READER_PASSWORD, check_names=False) as connection:

            def bare() -> None:
                search = connection.extend.standard.paged_search
                found = search(PEOPLE, "(objectClass=inetOrgPerson)", attributes=ATTRIBUTES, paged_size=100)
                assert sum(1 for _ in found) == USERS

            rounds = [(wall(bare), wall(lambda: sound(firm.run()))) for _ in range(ROUNDS)]
    bare_time, full = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {"bare": bare_time, "full": full}


def memory(users: int) -> dict[str, float]:
    """What the first pass over many users adds to a process that has everything loaded."""
    with founded(users) as firm:
        firm.connector.check(firm.ref())
        before = _resident()
        report = sound(firm.run(Operation.CREATE))
        assert report.counts["crm.create"] == users, report.counts
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"users": users, "before_mb": before, "grown_mb": peak - before}


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    told = memory(int(sys.argv[1]) if len(sys.argv) > 1 else MANY)
    print(json.dumps(told | speed()))
