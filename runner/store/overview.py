"""The state at a glance, link by link: what ``exsync status`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from runner.model.state import LinkCondition
from runner.store.connection import Connection
from runner.store.rows import aware


@dataclass(frozen=True, slots=True)
class LinkOverview:
    """One link's figures. ``quiet_passes`` counts passes without effect; ``last_pass`` is the newest of any kind."""

    name: str
    condition: LinkCondition
    reason: str | None
    active: int
    detached: int
    marks: int
    open_conflicts: int
    quarantined: int
    open_intents: int
    last_pass: datetime | None
    quiet_passes: int
    step: int = 0
    """The window that an expanding first sync is in; 0: it does not grow (B-71)."""
    snapshot_at: datetime | None = None


_SQL = """
WITH pairs AS (SELECT link_id, count(*) FILTER (status = 'active') AS active, count(*) FILTER (status <> 'active') AS
               detached FROM pairing GROUP BY link_id),
     marks AS (SELECT link_id, count(*) AS number FROM mark GROUP BY link_id),
     conflicts AS (SELECT link_id, count(*) AS number FROM conflict WHERE winner IS NULL AND resolved_at IS NULL
                   GROUP BY link_id),
     aside AS (SELECT link_id, count(*) AS number FROM quarantine GROUP BY link_id),
     intents AS (SELECT link_id, sum(open) AS number FROM intent_batch GROUP BY link_id)
SELECT name, condition, reason, coalesce(active, 0), coalesce(detached, 0), coalesce(marks.number, 0),
       coalesce(conflicts.number, 0), coalesce(aside.number, 0), coalesce(intents.number, 0), last_pass, quiet_passes,
       step, snapshot_at
FROM link
LEFT JOIN pairs ON pairs.link_id = link.id
LEFT JOIN marks ON marks.link_id = link.id
LEFT JOIN conflicts ON conflicts.link_id = link.id
LEFT JOIN aside ON aside.link_id = link.id
LEFT JOIN intents ON intents.link_id = link.id
ORDER BY name
"""


def overview(con: Connection, beats: Mapping[str, tuple[int, datetime]]) -> tuple[LinkOverview, ...]:
    """All links in order of name; ``beats`` are passes without effect that are not yet written."""
    lines = []
    for row in con.execute(_SQL).fetchall():
        passes, moment = beats.get(row[0], (0, None))
        moments = [one for one in (aware(row[9]), moment) if one is not None]
        lines.append(
            LinkOverview(
                name=row[0],
                condition=LinkCondition(row[1]),
                reason=row[2],
                active=row[3],
                detached=row[4],
                marks=row[5],
                open_conflicts=row[6],
                quarantined=row[7],
                open_intents=row[8],
                last_pass=max(moments, default=None),
                quiet_passes=row[10] + passes,
                step=row[11],
                snapshot_at=aware(row[12]),
            )
        )
    return tuple(lines)
