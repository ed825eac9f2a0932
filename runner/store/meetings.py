"""Meetings in the state: whose copy speaks, and the ledger of mail to attendees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from runner.model.meetings import OPEN, SPENT, Mail, MailKind, MailStatus, Master, Rank, Spending
from runner.store.connection import Connection
from runner.store.rows import Row, aware, hash_of, stored
from runner.store.tables import among, delete, insert

Name = Callable[[int], str]
"""A link's name by its surrogate."""


def masters(con: Connection, natives: Sequence[str], name_of: Name) -> dict[str, Master]:
    """By native identity, whose copy speaks."""
    wanted = set(natives)
    found, hashes = among("native_hash", "BIGINT", {hash_of(native) for native in wanted})
    rows = con.execute(f"SELECT native, link_id, rank FROM master{found}", hashes).fetchall()  # noqa: S608
    return {native: Master(native, name_of(link), Rank(rank)) for native, link, rank in rows if native in wanted}


def let_in(
    con: Connection,
    asked: Sequence[Master],
    known: Mapping[str, Master],
    new_id: Callable[[], int],
    link_id: Callable[[str], int],
) -> None:
    """Give those their place who ask for one that is as they saw it."""
    granted = {one.native: one for one in asked if one.instead == _holder(known.get(one.native))}
    _forget(con, [native for native in granted if native in known])
    rows: list[Row] = [
        (new_id(), link_id(one.link), one.native, hash_of(one.native), one.rank.value) for one in granted.values()
    ]
    insert(con, "master", rows)


def _holder(master: Master | None) -> str | None:
    return None if master is None else master.link


def _forget(con: Connection, natives: Sequence[str]) -> None:
    delete(con, "master", "native", natives)


def mail_row(mail: Mail, number: int, link_id: int) -> Row:
    """The row of a mail."""
    return (
        number,
        link_id,
        mail.id,
        mail.user,
        mail.crm_key,
        mail.kind.value,
        mail.addressees,
        mail.status.value,
        mail.reason,
        mail.title,
        mail.rule,
        mail.run,
        stored(mail.at),
    )


def mail_numbers(con: Connection, names: Sequence[str]) -> dict[str, int]:
    """The row numbers of mails that are there already."""
    found, values = among("name", "VARCHAR", names)
    return dict(con.execute(f"SELECT name, mail.id FROM mail{found}", values).fetchall())  # noqa: S608


def mails(con: Connection, link_id: int | None, name_of: Name, *, open_only: bool) -> list[Mail]:
    """Mails of one link or of all, oldest first."""
    where, values = [], []
    if link_id is not None:
        where.append("link_id = ?")
        values.append(link_id)
    if open_only:
        where.append(f"status IN ({', '.join(repr(status.value) for status in sorted(OPEN))})")
    filtered = f"WHERE {' AND '.join(where)}" if where else ""
    rows = con.execute(
        "SELECT name, link_id, mailbox, crm_key, kind, addressees, status, reason, title, rule, run, noted_at "  # noqa: S608
        f"FROM mail {filtered} ORDER BY noted_at, id",
        values,
    ).fetchall()
    return [
        Mail(
            id=row[0],
            link=name_of(row[1]),
            user=row[2],
            crm_key=row[3],
            kind=MailKind(row[4]),
            addressees=row[5],
            status=MailStatus(row[6]),
            reason=row[7],
            title=row[8],
            rule=row[9],
            run=row[10],
            at=_moment(row[11]),
        )
        for row in rows
    ]


def mailed_since(con: Connection, since: datetime) -> list[Spending]:
    """People mailed since an instant, by run and user."""
    spent = ", ".join(repr(status.value) for status in sorted(SPENT))
    rows = con.execute(
        f"SELECT run, mailbox, sum(addressees)::BIGINT FROM mail WHERE status IN ({spent}) AND noted_at >= ? "  # noqa: S608
        "GROUP BY run, mailbox ORDER BY run, mailbox",
        [stored(since)],
    ).fetchall()
    return [Spending(*row) for row in rows]


def _moment(value: datetime) -> datetime:
    moment = aware(value)
    assert moment is not None  # noqa: S101 - the column is NOT NULL
    return moment
