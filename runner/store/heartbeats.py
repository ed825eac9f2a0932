"""Passes without effect: counted in memory, written with the next commit, so that an idle service writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from runner.model.state import LinkState
from runner.store.connection import Connection
from runner.store.memory import Remembered
from runner.store.rows import stored
from runner.store.tables import listed, unnest

_FEW = 4
"""Rows that are updated one by one: each is planned in a fifth of the time that a set takes."""
FLUSH_EVERY = 60.0
"""Seconds after which heartbeats are written even though nothing else was."""


@dataclass(slots=True)
class Heartbeats:
    """For each link by name: how many quiet passes since the last write, and when the last one was."""

    flushed: float
    """When they were last written, in the clock's monotonic seconds."""
    beats: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        return iter(self.beats)

    def __bool__(self) -> bool:
        return bool(self.beats)

    def note(self, link: str, now: datetime) -> None:
        """One more quiet pass."""
        passes, _ = self.beats.get(link, (0, now))
        self.beats[link] = (passes + 1, now)

    def are_due(self, monotonic: float) -> bool:
        """Whether it is time to write them."""
        return monotonic - self.flushed >= FLUSH_EVERY

    def written(self, monotonic: float) -> None:
        """They stand in the state now."""
        self.beats.clear()
        self.flushed = monotonic

    def seen_in(self, state: LinkState) -> LinkState:
        """A link's state with its newest heartbeat as the last pass."""
        beat = self.beats.get(state.name)
        if beat is None or (state.last_pass is not None and state.last_pass >= beat[1]):
            return state
        return replace(state, last_pass=beat[1])

    def write(self, con: Connection, known: Remembered) -> None:
        """Add them to the rows of their links, which must be there, inside an open transaction."""
        if not self.beats:
            return
        for name, (passes, _) in self.beats.items():
            known.quiet_passes[name] += passes
        rows = [(known.link_ids[name], known.quiet_passes[name], stored(at)) for name, (_, at) in self.beats.items()]
        if len(rows) <= _FEW:
            for number, passes, at in rows:
                con.execute(
                    "UPDATE link SET quiet_passes = $1, "
                    "last_pass = greatest(coalesce(last_pass, $2::TIMESTAMP), $2::TIMESTAMP) WHERE id = $3",
                    [passes, at, number],
                ).fetchall()
        else:
            con.execute(
                "UPDATE link SET quiet_passes = beat.passes, "  # noqa: S608 - names are ours
                "last_pass = greatest(coalesce(last_pass, beat.moment), beat.moment) "
                f"FROM (SELECT {unnest('BIGINT')} AS link_id, {unnest('BIGINT')} AS passes, "
                f"{unnest('TIMESTAMP')} AS moment) AS beat WHERE link.id = beat.link_id",
                [listed(column) for column in zip(*rows, strict=True)],
            ).fetchall()
        for name in self.beats:
            state = known.state(name)
            if state is not None:
                known.keep_state(self.seen_in(state))

    def copy(self) -> Mapping[str, tuple[int, datetime]]:
        """What to go back to when a rehearsal ends."""
        return dict(self.beats)
