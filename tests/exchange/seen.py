"""What a random sequence knows of one side, the fake target or the simulated Exchange: how it is asked, what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runner.model.files import name_of
from runner.model.items import ChangePage, Identity, Item, Write, WriteResult
from runner.model.overrides import OVERRIDES
from runner.model.record import Fields
from runner.model.terms import Operation
from runner.testing.contract.words import summed

BESIDE = ("participants", "responses", "attachments")
"""What is looked at of everything, whoever made it."""
FILES = {"minutes.txt": b"minutes", "plan.pdf": b"the plan", "Plan (2).pdf": b"the plan"}


def content_of(file: str) -> bytes:
    """The bytes of a file that we write."""
    return FILES[name_of(file)]


@dataclass
class Seen:
    """What is known of one side: each name's id and the version last seen of it, and where the feed stands."""

    bench: Any
    move: Callable[[str], str]
    keys: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str | None] = field(default_factory=dict)
    watermark: str | None = None
    pages: list[ChangePage] = field(default_factory=list)

    def name(self, key: str | None) -> str | None:
        """The name of an id; a lying item that the sequence has no name for is ``unnamed``."""
        return next((name for name, known in self.keys.items() if known == key), "unnamed") if key else None

    def write(self, write: Write, name: str) -> object:
        """Carry out one write: what became of it."""
        (result,) = self.bench.connector.write(self.bench.link, [write])
        return self._noted(name, result)

    def patch(self, name: str, values: Fields) -> object:
        """Write a series' occurrences over the version last seen. Several requests make one such write, so Exchange tells no
        version of it: what is there then counts as seen."""
        key, version = self.keys[name], self.versions.get(name) or "none"
        (result,) = self.bench.connector.write(
            self.bench.link, [Write(Operation.UPDATE, key, version, values, frozenset({OVERRIDES}))]
        )
        if result.error is not None:
            return type(result.error)
        held = self.bench.connector.get(self.bench.link, [key])[key]
        self.versions[name] = held.version if isinstance(held, Item) else None
        return self.name(result.key), result.adopted, result.unfinished

    def bring(self, name: str, values: Fields) -> object:
        """Write participants or attachments over the version last seen, as the engine does: knowing what is there."""
        key, version = self.keys[name], self.versions.get(name) or "none"
        held = self.bench.connector.get(self.bench.link, [key])[key]
        before = held.values if isinstance(held, Item) else None
        return self.write(
            Write(Operation.UPDATE, key, version, values, frozenset(values), before=before, contents=content_of), name
        )

    def _noted(self, name: str, result: WriteResult) -> object:
        if result.error is not None:
            return type(result.error)
        if result.key is not None:
            self.keys[name] = result.key
        if result.version is not None:
            self.versions[name] = result.version
        return (self.name(result.key), result.version is not None, result.adopted, result.unfinished)

    def look(self, ours: set[str], title: str) -> dict[str, object]:
        """Every item by name: all values of what we made, the title of what users made."""
        answers = self.bench.connector.get(self.bench.link, list(self.keys.values()))
        told: dict[str, object] = {}
        for name, key in self.keys.items():
            answer = answers[key]
            if not isinstance(answer, Item):
                told[name] = type(answer)
                continue
            fields = self.bench.sample("") if name in ours else (title,)
            known = self.versions.get(name) == answer.version
            self.versions[name] = answer.version
            values = {each: answer.values.get(each) for each in (*fields, *BESIDE)}
            standing = (answer.shared, answer.organizer, answer.response)
            told[name] = (values, answer.stamp, answer.native is not None, standing, answer.masked, known)
        return told

    def read(self, pages: int | None) -> object:
        """The feed on from where it stands, to its end or for some pages only; a summary at its end."""
        for number, page in enumerate(self.bench.connector.changes(self.bench.link, self.watermark), 1):
            self.watermark = page.watermark
            self.pages.append(page)
            if number == pages:
                return None
        changed, deleted = summed(self.pages)
        self.pages.clear()
        return {self.name(key): self.versions.get(self.name(key) or "") == told for key, told in changed.items()}, {
            self.name(key) for key in deleted
        }

    def find(self, stamp: str) -> object:
        """Where the holders of a stamp lie."""
        found = self.bench.connector.find(self.bench.link, [Identity(stamp=stamp)])
        return sorted((str(each.place), self.name(each.key) or "") for each in found)
