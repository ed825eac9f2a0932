"""Where mailboxes live, kept in the state, so that a restart asks no directory for ten thousand of them (B-16)."""

from __future__ import annotations

import threading

from runner.model.places import Place
from runner.store.duck import DuckStore
from runner.store.rows import aware, stored
from runner.store.tables import columns_of, insert


class StoredPlaces:
    """The port ``Places`` through the store's single writer; everything is held in memory, too. Safe to share."""

    def __init__(self, store: DuckStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        with store.querying() as con:
            rows = con.execute(f"SELECT {columns_of('place')} FROM place").fetchall()  # noqa: S608 - a name of ours
        self._known = {(row[1], row[2]): Place(row[3], row[4], found) for row in rows if (found := aware(row[5]))}

    def get(self, target: str, user: str) -> Place | None:
        """What is known of a user's mailbox; None when nothing is."""
        with self._lock:
            return self._known.get((target, user))

    def put(self, target: str, user: str, place: Place) -> None:
        """Keep what was found out."""
        with self._lock:
            self._known[target, user] = place
        with self._store.changing() as change:
            change.con.execute("DELETE FROM place WHERE target = ? AND address = ?", [target, user]).fetchall()
            row = (change.new_id(), target, user, place.endpoint, place.group, stored(place.found_at))
            insert(change.con, "place", [row])
