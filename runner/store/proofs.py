"""Audits in the state: one row per link, replaced as the audit goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from runner.model.proofs import Finding, Found, Phase, Proof
from runner.store.connection import Connection
from runner.store.rows import aware, stored, text_of
from runner.store.tables import columns_of, delete, insert, listed


def keep(con: Connection, proofs: Sequence[Proof], new_id: Callable[[], int], link_id: Callable[[str], int]) -> None:
    """Replace these links' rows."""
    if not proofs:
        return
    latest = {link_id(proof.link): proof for proof in proofs}
    delete(con, "proof", "link_id", list(latest))
    insert(
        con,
        "proof",
        [
            (
                new_id(),
                number,
                stored(proof.started),
                proof.phase.value,
                proof.cursor,
                text_of(proof.counts),
                listed([one.finding.value, one.crm_key, one.target_key, one.detail] for one in proof.found),
                stored(proof.finished),
                stored(proof.proven),
            )
            for number, proof in latest.items()
        ],
    )


def proofs(con: Connection, name: Callable[[int], str]) -> dict[str, Proof]:
    """Every link's newest audit."""
    rows = con.execute(f"SELECT {columns_of('proof')} FROM proof ORDER BY id").fetchall()  # noqa: S608
    return {
        name(link_id): Proof(
            link=name(link_id),
            started=aware(started) or started,
            phase=Phase(phase),
            cursor=cursor,
            counts=json.loads(counts),
            found=tuple(Found(Finding(kind), crm, target, detail) for kind, crm, target, detail in json.loads(found)),
            finished=aware(finished),
            proven=aware(proven),
        )
        for _, link_id, started, phase, cursor, counts, found, finished, proven in rows
    }
