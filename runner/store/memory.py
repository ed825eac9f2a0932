"""What an open store remembers so that a pass without effect asks DuckDB nothing. Sound because one process owns the
file and every change passes through the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runner.model.state import LinkState, Suspension
from runner.store.writing import Touched

_MOST_TEXT = 32 << 20
"""Characters of watermarks kept; an Exchange sync state can be long, and there are thousands of links."""


class Remembered:
    """Surrogate ids of all links, CRM watermarks, and answers that hold until a commit touches their link."""

    def __init__(
        self, *, links: Iterable[tuple[int, str, int]] = (), crms: Iterable[tuple[int, str, str]] = ()
    ) -> None:
        self.link_ids: dict[str, int] = {}
        self.link_names: dict[int, str] = {}
        self.quiet_passes: dict[str, int] = {}
        for number, name, passes in links:
            self.add_link(number, name, passes)
        self.crms: dict[str, tuple[int, str]] = {name: (number, watermark) for number, name, watermark in crms}
        self.last_marks: dict[int, int] = {}
        self.counts: dict[int, int] = {}
        self.without_pairings: set[int] = set()
        """Links that have no pairing at all, as every link before its first sync."""
        self.without_intents: set[int] = set()
        self.without_resolutions: set[int] = set()
        self.without_conflicts: set[int] = set()
        """Links without an open conflict, and below without an item set aside."""
        self.without_quarantined: set[int] = set()
        self.suspensions: Sequence[Suspension] | None = None
        """What is paused, once it was asked for: every pass asks."""
        self._states: dict[str, LinkState] = {}
        self._text = 0

    def add_link(self, number: int, name: str, quiet_passes: int = 0) -> None:
        """Take up a link."""
        self.link_ids[name] = number
        self.link_names[number] = name
        self.quiet_passes[name] = quiet_passes

    def add_new(self, number: int, name: str) -> None:
        """Take up a link of which nothing has ever been noted."""
        self.add_link(number, name)
        self.last_marks[number] = self.counts[number] = 0
        for without in (
            *(self.without_pairings, self.without_intents, self.without_resolutions),
            *(self.without_conflicts, self.without_quarantined),
        ):
            without.add(number)

    def ids_under(self, prefix: str) -> list[int]:
        """The links whose names begin so."""
        return [number for name, number in self.link_ids.items() if name.startswith(prefix)]

    def state(self, name: str) -> LinkState | None:
        """The link's state, when it is at hand."""
        return self._states.get(name)

    def keep_state(self, state: LinkState) -> None:
        """Keep a link's state; all are dropped when their texts grow too large."""
        self.drop_state(state.name)
        self._text += len(state.target_watermark or "") + 200
        if self._text > _MOST_TEXT:
            self._states.clear()
            self._text = len(state.target_watermark or "") + 200
        self._states[state.name] = state

    def drop_state(self, name: str) -> None:
        """Forget one link's state."""
        old = self._states.pop(name, None)
        if old is not None:
            self._text -= len(old.target_watermark or "") + 200

    def forget(self, touched: Touched) -> None:
        """Drop the answers that a commit has made stale."""
        for link_id in touched.marks:
            self.last_marks.pop(link_id, None)
        self.last_marks.update(touched.newest)
        for link_id in touched.pairings:
            self.counts.pop(link_id, None)
        self.without_pairings -= touched.pairings
        self.without_intents -= touched.intents
        self.without_resolutions -= touched.resolutions
        self.without_conflicts -= touched.conflicts
        self.without_quarantined -= touched.quarantined
