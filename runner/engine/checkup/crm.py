"""Whether the CRM's database grants what links need, and has the printed DDL unaltered."""

from __future__ import annotations

from runner.engine.checkup.clocks import clock
from runner.model.checkup import CrmSeen, Diagnosis, doubtful, failed, sound

SHOWN = 12


def judged(name: str, seen: CrmSeen) -> list[Diagnosis]:
    """Every check of a CRM that answers and whose description fits."""
    found = [_grants(name, seen), _ddl(name, seen)]
    if seen.optional:
        parts = ", ".join(seen.optional)
        remedy = f"`exsync target ddl {name}` prints it; leave it out only for a CRM with two-phase commits"
        found.append(doubtful(name, "wake-up", f"without {parts} a change is seen after seconds only", remedy))
    if seen.shut:
        told = "only named accounts may insert into the outbox: the writes of any other account fail"
        remedy = f"GRANT INSERT to PUBLIC, as `exsync target ddl {name}` prints it, or to every account that writes"
        found.append(doubtful(name, "outbox", told, remedy))
    if seen.mighty:
        told = "the account may do everything in the database"
        remedy = "give it a role without DDL rights, once the printed tables are there"
        found.append(doubtful(name, "least rights", told, remedy))
    if seen.clock is not None:
        found.append(clock(name, seen.clock))
    return found


def _grants(name: str, seen: CrmSeen) -> Diagnosis:
    if not seen.lacking:
        return sound(name, "grants", "the account may read and write what the links need")
    return failed(
        name,
        "grants",
        f"the account lacks {_listed(seen.lacking)}",
        "GRANT these to the account, or make the links outbound",
        exit_code=77,
    )


def _ddl(name: str, seen: CrmSeen) -> Diagnosis:
    if not seen.altered:
        return sound(name, "DDL", "key table, outbox and triggers are as printed")
    return failed(
        name,
        "DDL",
        f"not as printed: {_listed(seen.altered)}: changes of the CRM may be missed",
        f"`exsync target ddl {name}` shows the SQL, with --apply it is carried out (it is safe to run again)",
    )


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
