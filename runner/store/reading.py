"""Queries of the state: set-based look-ups that stay flat in memory, whatever a link or the whole state holds.

A look-up by keys has two steps. The first joins the page's key hashes against the narrow hash columns (zone maps skip
other links' rows). The second fetches the few rows found: as a join when they stand together, else row by row through the
primary key, because a scan would unpack a whole vector of wide texts for each of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from runner.model.record import Fields
from runner.model.state import (
    Act,
    Conflict,
    LinkCondition,
    LinkState,
    Mark,
    MarkCounts,
    Quarantined,
    Resolution,
    RunRecord,
    Scope,
    Suspension,
)
from runner.model.terms import Side
from runner.store.chain import FORGOTTEN
from runner.store.connection import Connection
from runner.store.rows import Row, aware, fields_of, hash_of, stored
from runner.store.tables import among, columns_of, listed, unnest

HASHES = {"crm_key": "crm_hash", "target_key": "target_hash", "stamp": "stamp_hash", "native": "native_hash"}
_SIDES = {side.value: side for side in Side}
_VECTOR = 2048
_VECTOR_COST = 20
"""Unpacking one vector of rows costs about as much as fetching this many rows one by one."""
_BY_ONE = 50
"""Rows fetched one by one hold a block each while the query runs: more at a time would exceed the memory limit."""


def pairing_rows(con: Connection, link_id: int, keys: Mapping[str, Sequence[str]]) -> list[Row]:
    """The link's pairing rows whose key hash is among those of the keys (by column: ``crm_key``, ``stamp`` …)."""
    steps, values = [], []
    for column, wanted in keys.items():
        if wanted:
            found, hashes = among(HASHES[column], "BIGINT", {hash_of(key) for key in wanted})
            steps.append(f"SELECT pairing.id, pairing.rowid FROM pairing{found} AND link_id = ?")  # noqa: S608 - names are ours
            values += [*hashes, link_id]
    if not steps:
        return []
    places = dict(con.execute(" UNION ALL ".join(steps), values).fetchall())
    return _fetch_pairings(con, places)


def _fetch_pairings(con: Connection, places: Mapping[int, int]) -> list[Row]:
    ids = sorted(places)
    columns = columns_of("pairing")
    vectors = len({place // _VECTOR for place in places.values()})
    if len(ids) > vectors * _VECTOR_COST:
        sql = f"SELECT {columns} FROM pairing JOIN (SELECT {unnest('BIGINT')} AS wanted) ON id = wanted"  # noqa: S608
        return con.execute(sql, [listed(ids)]).fetchall()
    rows: list[Row] = []
    for start in range(0, len(ids), _BY_ONE):
        batch = ids[start : start + _BY_ONE]
        marks = ", ".join("?" * len(batch))
        rows += con.execute(f"SELECT {columns} FROM pairing WHERE id IN ({marks})", batch).fetchall()  # noqa: S608
    return rows


def versions(con: Connection, link_id: int, side: Side, keys: Sequence[str]) -> list[tuple[str, str | None]]:
    """(key, version) of one side for the link's pairings among these keys."""
    key, version = f"{side.value}_key", f"{side.value}_version"
    found, hashes = among(f"{side.value}_hash", "BIGINT", {hash_of(one) for one in keys})
    sql = f"SELECT {key}, {version} FROM pairing{found} AND link_id = ?"  # noqa: S608 - names are ours
    return con.execute(sql, [*hashes, link_id]).fetchall()


def count_pairings(con: Connection, link_id: int) -> tuple[int, int]:
    """Number of the link's pairings, and of the active ones among them."""
    [(some, active)] = con.execute(
        "SELECT count(*), count(*) FILTER (status = 'active') FROM pairing WHERE link_id = ?", [link_id]
    ).fetchall()
    return int(some), int(active)


def paired_keys(con: Connection, link_id: int, side: Side, after: int, limit: int) -> list[tuple[int, str]]:
    """(id, key) of active pairings after an id, in order of id."""
    return con.execute(
        f"SELECT id, {side.value}_key FROM pairing "  # noqa: S608 - names are ours
        "WHERE link_id = ? AND id > ? AND status = 'active' ORDER BY id LIMIT ?",
        [link_id, after, limit],
    ).fetchall()


def links_of(con: Connection, crm_keys: Sequence[str]) -> list[tuple[str, int]]:
    """(crm_key, link id) of every pairing whose CRM key has the hash of one of these; some may come twice."""
    found, hashes = among("crm_hash", "BIGINT", {hash_of(key) for key in crm_keys})
    return con.execute(f"SELECT crm_key, link_id FROM pairing{found}", hashes).fetchall()  # noqa: S608


def link_states(con: Connection, ids: Sequence[int] | None = None) -> list[tuple[int, LinkState]]:
    """Link states, all or those of some ids."""
    where, values = ("", []) if ids is None else among("id", "BIGINT", set(ids))
    return [
        (
            row[0],
            LinkState(
                name=row[1],
                condition=LinkCondition(row[2]),
                target_watermark=row[3],
                target_complete=row[4],
                listed=row[5],
                matched=row[6],
                mapping_digest=row[7],
                reason=row[8],
                last_pass=aware(row[9]),
                step=row[11],
                step_until=aware(row[12]),
                snapshot_at=aware(row[13]),
            ),
        )
        for row in con.execute(f"SELECT {columns_of('link')} FROM link{where} ORDER BY id", values).fetchall()  # noqa: S608
    ]


def last_mark(con: Connection, link_id: int) -> int:
    """The highest seq of the link's marks, 0 for none."""
    [(seq,)] = con.execute("SELECT coalesce(max(id), 0) FROM mark WHERE link_id = ?", [link_id]).fetchall()
    return int(seq)


def due_marks(
    con: Connection, link: str, link_id: int, after: int, until: int, limit: int, now: datetime
) -> list[Mark]:
    """The link's due marks of a range of seq, in order."""
    return [
        Mark(
            link=link,
            side=_SIDES[side],
            key=key,
            deleted=deleted,
            due=aware(due),
            tries=tries,
            seq=seq,
        )
        for seq, side, key, deleted, due, tries in con.execute(
            "SELECT id, side, key, deleted, due, tries FROM mark WHERE link_id = ? AND id > ? AND id <= ? "
            "AND (due IS NULL OR due <= ?::TIMESTAMP) ORDER BY id LIMIT ?",
            [link_id, after, until, stored(now), limit],
        ).fetchall()
    ]


def mark_counts(con: Connection, link_id: int, now: datetime) -> MarkCounts:
    """How many of the link's marks are due, and on which sides."""
    found = con.execute(
        "SELECT side, deleted, count(*) FROM mark WHERE link_id = ? AND (due IS NULL OR due <= ?::TIMESTAMP) "
        "GROUP BY side, deleted",
        [link_id, stored(now)],
    ).fetchall()
    sides = frozenset(_SIDES[side] for side, deleted, _ in found if not deleted)
    return MarkCounts(due=sum(number for _, _, number in found), sides=sides)


def paired_marks(con: Connection, link_id: int, now: datetime) -> int:
    """How many of the link's due marks belong to an active pairing."""
    [(paired,)] = con.execute(
        "WITH due AS (SELECT id, side, key, key_hash FROM mark "
        "WHERE link_id = $1 AND (due IS NULL OR due <= $2::TIMESTAMP)), "
        "active AS (SELECT crm_key, target_key, crm_hash, target_hash FROM pairing "
        "WHERE link_id = $1 AND status = 'active') "
        "SELECT (SELECT count(DISTINCT due.id) FROM due JOIN active "
        "ON due.side = 'crm' AND key_hash = crm_hash AND key = crm_key) + "
        "(SELECT count(DISTINCT due.id) FROM due JOIN active "
        "ON due.side = 'target' AND key_hash = target_hash AND key = target_key)",
        [link_id, stored(now)],
    ).fetchall()
    return int(paired)


def matches(con: Connection, link_id: int) -> list[tuple[str, str]]:
    """Pairs of lone candidates with equal digests, rule by rule; an item that an earlier rule paired is taken."""
    rows = con.execute(
        "WITH latest AS (SELECT side, key, rule, arg_max(digest, id) AS digest FROM candidate WHERE link_id = ? "
        "GROUP BY side, key, rule) "
        "SELECT max(key) FILTER (side = 'crm'), max(key) FILTER (side = 'target') FROM latest GROUP BY rule, digest "
        "HAVING count(*) FILTER (side = 'crm') = 1 AND count(*) FILTER (side = 'target') = 1 ORDER BY rule, 1",
        [link_id],
    ).fetchall()
    crm_taken: set[str] = set()
    target_taken: set[str] = set()
    pairs = []
    for crm_key, target_key in rows:
        if crm_key not in crm_taken and target_key not in target_taken:
            crm_taken.add(crm_key)
            target_taken.add(target_key)
            pairs.append((crm_key, target_key))
    return pairs


def writes_since(con: Connection, link_id: int, since: datetime) -> dict[str, int]:
    """Ledger counts per operation, both sides together."""
    return dict(
        con.execute(
            "SELECT operation, count(*) FROM ledger WHERE link_id = ? AND written_at >= ?::TIMESTAMP "
            "AND operation <> ? GROUP BY operation",
            [link_id, stored(since), FORGOTTEN],
        ).fetchall()
    )


def writes_under(con: Connection, link_ids: Sequence[int], since: datetime) -> dict[str, int]:
    """Ledger counts per operation over these links."""
    found, ids = among("link_id", "BIGINT", set(link_ids))
    return dict(
        con.execute(
            f"SELECT operation, count(*) FROM ledger{found} "  # noqa: S608
            "AND written_at >= ?::TIMESTAMP AND operation <> ? GROUP BY operation",
            [*ids, stored(since), FORGOTTEN],
        ).fetchall()
    )


def writes_of(con: Connection, run: str) -> dict[str, int]:
    """Ledger counts per operation of one run."""
    sql = "SELECT operation, count(*) FROM ledger WHERE run = ? AND operation <> ? GROUP BY operation"
    return dict(con.execute(sql, [run, FORGOTTEN]).fetchall())


def count_under(con: Connection, link_ids: Sequence[int]) -> int:
    """Number of the active pairings of these links."""
    found, ids = among("link_id", "BIGINT", set(link_ids))
    sql = f"SELECT count(*) FROM pairing{found} AND status = 'active'"  # noqa: S608
    [(number,)] = con.execute(sql, ids).fetchall()
    return int(number)


def item_writes_since(con: Connection, link_id: int, keys: Sequence[str], since: datetime) -> dict[str, int]:
    """Updates per key, both sides together."""
    found, names = among("key", "VARCHAR", set(keys))
    return dict(
        con.execute(
            f"SELECT key, count(*) FROM ledger{found} "  # noqa: S608
            "AND link_id = ? AND written_at >= ?::TIMESTAMP AND operation = 'update' GROUP BY key",
            [*names, link_id, stored(since)],
        ).fetchall()
    )


def quarantined(con: Connection, link_id: int | None, names: Mapping[int, str]) -> list[Quarantined]:
    """Items set aside, oldest first."""
    where, values = _of_link(link_id)
    return [
        Quarantined(
            link=names[row[1]],
            side=Side(row[2]),
            key=row[3],
            code=row[4],
            reason=row[5],
            first_at=_aware(row[6]),
            last_at=_aware(row[7]),
            tries=row[8],
            next_try=aware(row[9]),
        )
        for row in con.execute(
            f"SELECT {columns_of('quarantine')} FROM quarantine WHERE {where} ORDER BY first_at, id",  # noqa: S608
            values,
        ).fetchall()
    ]


def conflicts(con: Connection, link_id: int | None, names: Mapping[int, str], *, open_only: bool) -> list[Conflict]:
    """The conflict ledger, newest first; open ones have neither winner nor resolution."""
    where, values = _of_link(link_id)
    if open_only:
        where += " AND winner IS NULL AND resolved_at IS NULL"
    return [
        Conflict(
            id=row[2],
            link=names[row[1]],
            crm_key=row[3],
            target_key=row[4],
            field=row[5],
            base=fields_of(row[6]),
            crm=fields_of(row[7]),
            target=fields_of(row[8]),
            policy=row[9],
            winner=None if row[10] is None else Side(row[10]),
            rule=row[11],
            run=row[12],
            at=_aware(row[13]),
            crm_modified=aware(row[14]),
            target_modified=aware(row[15]),
            resolved_at=aware(row[16]),
            resolution=row[17],
        )
        for row in con.execute(
            f"SELECT {columns_of('conflict')} FROM conflict WHERE {where} ORDER BY found_at DESC, id DESC",  # noqa: S608
            values,
        ).fetchall()
    ]


def resolutions(con: Connection, link: str, link_id: int) -> list[Resolution]:
    """The link's decisions that wait for a pass, oldest first."""
    return [
        Resolution(
            conflict=row[2],
            link=link,
            crm_key=row[3],
            target_key=row[4],
            field=row[5],
            take=row[6],
            values=fields_of(row[7]),
            at=_aware(row[8]),
        )
        for row in con.execute(
            f"SELECT {columns_of('resolution')} FROM resolution WHERE link_id = ? ORDER BY id",  # noqa: S608
            [link_id],
        ).fetchall()
    ]


def runs(con: Connection, limit: int, names: Mapping[int, str]) -> list[RunRecord]:
    """The newest runs, newest first."""
    return [
        RunRecord(
            run=row[2],
            link=names[row[1]],
            started=_aware(row[3]),
            finished=_aware(row[4]),
            outcome=row[5],
            counts=json.loads(row[6]),
            message=row[7],
            code=row[8],
            waited=row[9],
        )
        for row in con.execute(f"SELECT {columns_of('run')} FROM run ORDER BY id DESC LIMIT ?", [limit]).fetchall()  # noqa: S608
    ]


def _of_link(link_id: int | None) -> tuple[str, list[int]]:
    return ("true", []) if link_id is None else ("link_id = ?", [link_id])


def _fields(text: str) -> Fields:
    return fields_of(text) or {}


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def suspensions(con: Connection) -> list[Suspension]:
    """Every suspension, oldest first."""
    rows = con.execute("SELECT scope, name, by_whom, since, reason FROM suspension ORDER BY id").fetchall()
    return [Suspension(Scope(scope), name, by, since.replace(tzinfo=UTC), why) for scope, name, by, since, why in rows]


def acts(con: Connection, limit: int) -> list[Act]:
    """The newest acts of operators."""
    rows = con.execute(
        "SELECT done_at, who, what, subject, detail FROM act ORDER BY id DESC LIMIT ?", [limit]
    ).fetchall()
    return [Act(at.replace(tzinfo=UTC), *rest) for at, *rest in rows]
