"""How far first syncs that grow have come (B-71): read from pairs, marks and runs, of which each growing link has its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runner.store.connection import Connection
from runner.store.rows import aware


@dataclass(frozen=True, slots=True)
class Grown:
    """One link's figures, in items: ``done`` are in step, ``waiting`` have their turn with the next passes, ``beyond`` with a
    wider window. ``started`` is when its first pass began."""

    link: str
    done: int
    waiting: int
    beyond: int
    started: datetime | None


_SQL = """
WITH growing AS (SELECT id, name FROM link WHERE step > 0),
     pairs AS (SELECT link_id, count(*) AS number FROM pairing SEMI JOIN growing ON growing.id = link_id
               WHERE status = 'active' AND base_crm IS NOT NULL GROUP BY link_id),
     due AS (SELECT mark.link_id, coalesce(mark.due >= TIMESTAMP '9999-01-01', false) AS beyond,
                    count(DISTINCT coalesce(ours.id, theirs.id, -mark.id)) AS number
             FROM mark SEMI JOIN growing ON growing.id = mark.link_id
             LEFT JOIN pairing AS ours ON ours.link_id = mark.link_id AND ours.crm_key = mark.key AND mark.side = 'crm'
             LEFT JOIN pairing AS theirs ON theirs.link_id = mark.link_id AND theirs.target_key = mark.key
                                         AND mark.side = 'target'
             WHERE ours.base_crm IS NULL AND theirs.base_crm IS NULL GROUP BY ALL),
     first AS (SELECT link_id, min(started) AS moment FROM run SEMI JOIN growing ON growing.id = link_id GROUP BY link_id)
SELECT name, coalesce(pairs.number, 0), coalesce(within.number, 0), coalesce(wide.number, 0), first.moment
FROM growing
LEFT JOIN pairs ON pairs.link_id = growing.id
LEFT JOIN due AS within ON within.link_id = growing.id AND NOT within.beyond
LEFT JOIN due AS wide ON wide.link_id = growing.id AND wide.beyond
LEFT JOIN first ON first.link_id = growing.id
"""


def growths(con: Connection) -> dict[str, Grown]:
    """Every growing link's figures, by its name."""
    rows = con.execute(_SQL).fetchall()
    return {name: Grown(name, done, within, beyond, aware(started)) for name, done, within, beyond, started in rows}
