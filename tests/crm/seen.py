"""What a random sequence knows of one CRM, the fake or a real one: how it is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from runner.model.errors import ConnectorError
from runner.model.items import Identity, Item, LinkRef, Write, WriteResult
from runner.model.ports import CrmConnector
from runner.model.record import Fields
from tests.crm.hands import Hands
from tests.support.crm import MEETING

TAKING_PART = ("participants", "responses")
WEEKLY: Fields = {
    **MEETING,
    "starts_at": "2026-03-05T08:00:00Z",
    "ends_at": "2026-03-05T09:00:00Z",
    "recurrence_rule": "FREQ=WEEKLY;BYDAY=TH",
}


@dataclass
class Seen:
    """One CRM: each name's key and the version last seen of it, where the feed stands, and who is who."""

    connector: CrmConnector
    hands: Hands
    owners: dict[str, str]
    links: dict[str, LinkRef]
    keys: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str | None] = field(default_factory=dict)
    watermark: str | None = None

    def name(self, key: str | None) -> str | None:
        """The name of a key."""
        return next((name for name, known in self.keys.items() if known == key), "unnamed") if key else None

    def write(self, who: str, write: Write, name: str) -> tuple[object, ...]:
        """Carry out one write: what became of it."""
        (result,) = self.connector.write(self.links[who], [write])
        return self._noted(name, result)

    def _noted(self, name: str, result: WriteResult) -> tuple[object, ...]:
        if result.error is not None:
            return type(result.error), result.error.code
        if result.key is not None and not result.adopted:
            self.keys[name] = result.key
        known = self.name(result.key)
        if result.version is not None:
            self.versions[known or ""] = result.version
        return known, result.version is not None, result.adopted, result.released

    def look(self, who: str, made: Collection[str]) -> dict[str, object]:
        """Every record by name: all values of what we made, the title of what users made."""
        answers = self.connector.get(self.links[who], list(self.keys.values()))
        told: dict[str, object] = {}
        for name, key in self.keys.items():
            answer = answers[key]
            if not isinstance(answer, Item):
                assert isinstance(answer, ConnectorError)
                told[name] = type(answer), answer.code
                continue
            fields = (*WEEKLY, "occurrences", *TAKING_PART) if name in made else ("subject", *TAKING_PART)
            known = self.versions.get(name) == answer.version
            self.versions[name] = answer.version
            told[name] = ({each: answer.values.get(each) for each in fields}, answer.stamp, answer.native, known)
        return told

    def listing(self, who: str) -> dict[str | None, bool]:
        """Whose records are whose, and whether their versions are those last seen."""
        refs = [ref for page in self.connector.listing(self.links[who]) for ref in page.changed]
        return {self.name(ref.key): self.versions.get(self.name(ref.key) or "") == ref.version for ref in refs}

    def read(self) -> dict[str | None, set[str]]:
        """The feed on from where it stands: which records changed, and who had to hear of it."""
        rows: dict[str | None, set[str]] = {}
        people = {owner: name for name, owner in self.owners.items()}
        for page in self.connector.feed(self.watermark):
            self.watermark = page.watermark
            for row in page.rows:
                rows.setdefault(self.name(row.key), set()).update(
                    people[owner] for owner in row.owners if owner in people
                )
        return rows

    def find(self, who: str, identity: Identity) -> object:
        """Where the holders of a stamp or of an identity are."""
        found = self.connector.find(self.links[who], [identity])
        return sorted((str(each.place), self.name(each.key) or "") for each in found)
