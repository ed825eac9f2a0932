"""The steps of plain entries: a rename, a value map, a codec; each in one direction. Straight Python, built once.

A step reads ``source`` and fills ``result``. A *lenient* step leaves its fields empty where it would raise: it only
presents the side that its entry never writes, and what is not sent must not set an item aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.mapping.canonical import Canonical, kind_of
from runner.mapping.codecs import Convert
from runner.model.errors import Invalid
from runner.model.record import Fields, Value

Step = Callable[[Fields, dict[str, Value]], None]
"""Reads a source's fields, writes the result's. Raises ``Invalid`` with field and place."""

REMEDY = (
    "correct the value on the side it came from, or widen the mapping's entry; the item is tried again when it changes"
)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a step's result goes: the field, its canonical form, and what an empty value becomes there.

    ``required`` refuses an empty value unless ``default`` is declared. ``entry`` names entry and place in messages.
    """

    field: str
    canonical: Canonical
    entry: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    """The closed vocabulary of a record field; empty = open."""
    has_default: bool = False
    default: Value = None
    lenient: bool = False

    def _are_words(self, found: Value) -> bool:
        """Whether this is words by address, each of the vocabulary."""
        return isinstance(found, Mapping) and all(word in self.allowed for word in found.values())

    def refuse(self, reason: str) -> Invalid:
        """The error of one item: place, field and reason, never a value."""
        return Invalid(f"{self.entry}: {self.field}: {reason}", code="mapping", remedy=REMEDY)

    def settle(self, value: object) -> Value:
        """The canonical value for this field. Raises ``Invalid``."""
        try:
            found = self.canonical(value)
        except ValueError as error:
            if self.lenient:
                return None
            raise self.refuse(str(error)) from None
        if found is None:
            if self.has_default:
                return self.default
            if self.required:
                raise self.refuse("the field must not be empty, and the mapping declares no default for it")
        elif self.allowed and found not in self.allowed and not self._are_words(found):
            if self.lenient:
                return None
            raise self.refuse(f"the value is none of {', '.join(self.allowed)}")
        return found


@dataclass(frozen=True, slots=True)
class Rename:
    """The same value under another name."""

    read: str
    slot: Slot

    @property
    def plain(self) -> bool:
        """Whether nothing is nothing here, and anything else only has to be canonical."""
        slot = self.slot
        return not (slot.required or slot.has_default or slot.lenient or slot.allowed)

    def __call__(self, source: Fields, result: dict[str, Value]) -> None:
        """The step by itself."""
        result[self.slot.field] = self.slot.settle(source.get(self.read))


def together(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Steps of which none reads what another one fills, with all plain renames as one: most entries are such, and to
    call each of them would take longer than what it does."""
    plain = [step for step in steps if isinstance(step, Rename) and step.plain]
    rest = [step for step in steps if not (isinstance(step, Rename) and step.plain)]
    return (_copies(plain), *rest) if plain else tuple(rest)


def _copies(renames: Sequence[Rename]) -> Step:
    rows = tuple((one.read, one.slot.field, one.slot.canonical, one.slot) for one in renames)

    def copies(source: Fields, result: dict[str, Value]) -> None:
        get = source.get
        for read, write, canonical, slot in rows:
            value = get(read)
            if value is not None:  # nothing is nothing in every canonical form
                try:
                    value = canonical(value)
                except ValueError as error:
                    raise slot.refuse(str(error)) from None
            result[write] = value

    return copies


def look_up(read: str, slot: Slot, values: Mapping[Value, Value]) -> Step:
    """A value map. What the map does not know becomes the declared default, or sets the item aside."""
    write = slot.field
    known = dict(values)

    def step(source: Fields, result: dict[str, Value]) -> None:
        value = source.get(read)
        found = known.get(value)
        if found is None:
            if value is not None and not slot.has_default and not slot.lenient:
                raise slot.refuse(f"the {kind_of(value)} in {read!r} is not in the entry's value map")
            found = slot.settle(None)
        result[write] = found

    return step


def codec(reads: Sequence[str | None], slots: Sequence[Slot | None], convert: Convert, lead: Slot) -> Step:
    """A codec's one direction; ``reads`` and ``slots`` follow its order, None = left out. ``lead`` signs errors."""
    names = tuple(reads)
    targets = tuple((index, slot.field) for index, slot in enumerate(slots) if slot is not None)
    strict = tuple(slot for slot in slots if slot is not None and slot.required)

    def step(source: Fields, result: dict[str, Value]) -> None:
        get = source.get
        try:
            row = convert(tuple([None if name is None else get(name) for name in names]))
        except (ValueError, OverflowError) as error:
            if lead.lenient:
                for _, field in targets:
                    result[field] = None
                return
            reason = "a date out of range" if isinstance(error, OverflowError) else str(error)
            raise lead.refuse(reason) from None
        for index, field in targets:
            result[field] = row[index]
        for slot in strict:
            if result[slot.field] is None:  # anything else is canonical: a codec says nothing else
                slot.settle(None)

    return step
