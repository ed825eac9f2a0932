"""Where an item may lie that an operator means: in the state first, then on both sides of the links that may be asked.

Nobody pages through a whole company for one question: what was not asked is counted, so that the answer can say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from runner.config.plan import LinkPlan
from runner.engine.parts import record_of, ref_of
from runner.engine.runs import Runner
from runner.model.errors import NOT_OWNED, OUT_OF_SCOPE, ConnectorError, UsageError
from runner.model.items import Identity, Item, LinkRef
from runner.model.ports import Connector
from runner.model.state import LedgerEntry, Pairing
from runner.model.terms import Place, Side
from runner.reconcile.ordering import called

MOST = 20
"""Items that one question is answered for."""
ASKED = 50
"""Links that are asked by key for an item that nobody has paired."""
READ_IN = 5
"""Links whose folders are read in search of a subject."""
READ = 500
"""Items of one folder that are read for it."""
REMEMBERED = 2000
"""Newest entries of the ledger in which a subject is looked for."""
SHORTEST = 10
"""Characters of a word that may be a calendar UID."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an item was found: a key of one side of a link."""

    link: str
    side: Side
    key: str


class Search:
    """Where the item may lie that a word means. ``unasked`` counts links that were not asked; ``fault`` is why one could not
    be."""

    def __init__(self, runner: Runner, links: Mapping[str, LinkPlan], owners: Mapping[str, str]) -> None:
        self.runner, self.links, self.owners = runner, links, owners
        self.unasked = 0
        self.fault: ConnectorError | None = None
        self.unheld: set[str] = set()
        """Entities of the CRM that have a record by this key, which none of the links' users holds."""

    def paired(self, word: str) -> list[Spot]:
        """Items that the state knows: by pairing, or set aside."""
        store = self.runner.store
        pairs: Sequence[Pairing] = store.holders(word) or store.titled(word, 10 * MOST)
        spots = [Spot(pairing.link, Side.CRM, pairing.crm_key) for pairing in pairs]
        spots += [Spot(one.link, one.side, one.key) for one in store.quarantined() if one.key == word]
        return [spot for spot in dict.fromkeys(spots) if spot.link in self.links]

    def unpaired(self, word: str) -> list[Spot]:
        """Items that nobody has paired: both sides are asked, link by link, by key and identity and then by subject."""
        known = [link for link in self.links.values() if link.folder.of_directory or link.user in self.owners]
        found = [spot for link in known[:ASKED] for spot in self._asked(link, word, self._by_key)]
        found = found or [spot for link in known[:ASKED] for spot in self._asked(link, word, self._by_identity)]
        if not found:
            self.unasked = max(0, len(known) - READ_IN)
            found = [spot for link in known[:READ_IN] for spot in self._asked(link, word, self._by_subject)]
        return found

    def remembered(self, word: str, *, titled: bool) -> list[Spot]:
        """Items that the ledger knows by a key of either side or, if ``titled``, by a part of what they were called."""
        store, words = self.runner.store, word.casefold()
        entries: Sequence[LedgerEntry] = store.ledger(key=word, limit=MOST)
        if titled and not entries:
            newest = store.ledger(limit=REMEMBERED)
            entries = [entry for entry in newest if words in called(entry.before or entry.after or {}).casefold()]
        spots = [_at_the_crm(entry) or Spot(entry.link, entry.side, entry.key) for entry in entries]
        return [spot for spot in dict.fromkeys(spots) if spot.link in self.links]

    def _asked(self, link: LinkPlan, word: str, look: Callable[[LinkPlan, LinkRef, str], list[Spot]]) -> list[Spot]:
        try:
            return look(link, ref_of(link, self.owners.get(link.user)), word)
        except ConnectorError as error:
            self.fault = error
            return []

    def _by_key(self, link: LinkPlan, ref: LinkRef, word: str) -> list[Spot]:
        found = []
        for side, connector in self._sides(link).items():
            read = connector.get(ref, [word]).get(word)
            if _is_there(read):
                found.append(Spot(link.name, side, word))
            elif isinstance(read, ConnectorError) and read.code == NOT_OWNED:
                self.unheld.add(link.entity.value)
        return found

    def _by_identity(self, link: LinkPlan, ref: LinkRef, word: str) -> list[Spot]:
        if len(word) < SHORTEST:
            return []
        hits = self.runner.targets(link.target).find(ref, [Identity(native=word)])
        return [Spot(link.name, Side.TARGET, hit.key) for hit in hits if hit.key and hit.place is Place.FOLDER]

    def _by_subject(self, link: LinkPlan, ref: LinkRef, word: str) -> list[Spot]:
        found, words = [], word.casefold()
        for side, connector in self._sides(link).items():
            keys = list(islice(self._listed(side, link, ref), READ))
            for key, read in connector.get(ref, keys).items() if keys else ():
                if (
                    isinstance(read, Item)
                    and not read.masked
                    and words in called(record_of(link, side, read)).casefold()
                ):
                    found.append(Spot(link.name, side, key))
        return found

    def _listed(self, side: Side, link: LinkPlan, ref: LinkRef) -> Iterator[str]:
        crm, target = self.runner.crm, self.runner.targets(link.target)
        pages = crm.listing(ref) if side is Side.CRM else target.changes(ref, None)
        return (entry.key for page in pages for entry in page.changed)

    def _sides(self, link: LinkPlan) -> Mapping[Side, Connector]:
        return {Side.CRM: self.runner.crm, Side.TARGET: self.runner.targets(link.target)}


def unknown(word: str, search: Search, orphans: Sequence[str]) -> UsageError:
    """Why nothing can be told. ``orphans`` are links of which only the state knows."""
    if search.unheld:
        return UsageError(
            f"the CRM has the {' and the '.join(sorted(search.unheld))} {word}, but nobody who has a link holds it",
            remedy="give it to one of them in the CRM, or link its user: `exsync show links` tells who is",
        )
    if "@" in word:
        kept = [name for name in orphans if f"/{word.lower()}/" in name]
        earlier = f"; of earlier links the state keeps {', '.join(kept)}" if kept else ""
        return UsageError(
            f"nobody of the address {word} has a link, and no item is known by it{earlier}",
            remedy="add the user under links: of a target, or to the list that its links come from (`exsync status` tells"
            " rows of lists that give none)",
        )
    where = f"; {search.unasked} more were not read through" if search.unasked else ""
    return UsageError(
        f"nothing is known as {word!r} on either side of {len(search.links)} link(s), nor in the ledger{where}",
        remedy="give a CRM key, an Exchange id, a calendar UID, a part of the subject or a user's address; narrow the"
        " search with --link",
    )


def _at_the_crm(entry: LedgerEntry) -> Spot | None:
    key = entry.key if entry.side is Side.CRM else entry.counterpart
    return Spot(entry.link, Side.CRM, key) if key else None


def _is_there(read: Item | ConnectorError | None) -> bool:
    """Whether a side holds the item, be it outside of what the link asks for."""
    return isinstance(read, Item) or (read is not None and read.code == OUT_OF_SCOPE)
