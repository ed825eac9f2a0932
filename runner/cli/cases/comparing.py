"""What was expected and what is there, as differences: pure, and exhaustive for whatever place was named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runner.cli.mapping_cases import ABSENT, Difference
from runner.model.diagnostics import Span
from runner.model.record import Fields, Value


@dataclass(frozen=True, slots=True)
class Wanted:
    """One item that shall be there. Fields that it does not name are not compared; ``item`` is the name that the case gave
    it, ``owners`` who must hold the record; ``alone``: and nobody else."""

    fields: Fields
    span: Span
    item: str | None = None
    owners: frozenset[str] = frozenset()
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """One item that is there, with the names that the case knows it by and who holds it. ``unreadable`` is why nobody can
    read it."""

    fields: Fields
    names: frozenset[str] = frozenset()
    owners: frozenset[str] = field(default=frozenset())
    unreadable: str | None = None


def compare_items(place: str, wanted: Sequence[Wanted], held: Sequence[Held], span: Span) -> Iterator[Difference]:
    """The differences of everything in one place: what is wrong with an item, what is missing, what nobody expected.

    Whoever fits exactly is paired first, in the way that pairs most; the rest by what they have in common.
    """
    pairs = _exactly(wanted, held)
    left = [index for index in range(len(wanted)) if index not in pairs]
    free = [index for index in range(len(held)) if index not in pairs.values()]
    for index in left:
        one = wanted[index]
        known = [other for other in free if one.item is None or one.item in held[other].names]
        best = max(known, key=lambda other: (_alike(one, held[other]), -other), default=None)
        if best is None or (one.item is None and not _alike(one, held[best]) and one.fields):
            note = "no such item" if one.item is None else f"no item here is {one.item!r}"
            yield Difference(place, dict(one.fields) or one.item, ABSENT, note, one.span)
        else:
            free.remove(best)
            yield from _unlike(place, one, held[best])
    named = {name for one in wanted for name in one.fields}
    for index in free:
        yield Difference(place, ABSENT, _shown(held[index], named), "nobody expected this item", span)


def compare_words(what: str, wanted: Sequence[str], got: Sequence[str], span: Span) -> Iterator[Difference]:
    """The differences of two lists whose order means nothing."""
    if sorted(wanted) != sorted(got):
        yield Difference(what, sorted(wanted), sorted(got), span=span)


def compare_counts(what: str, wanted: Mapping[str, int], got: Mapping[str, int], span: Span) -> Iterator[Difference]:
    """The differences of counts; what is not named is expected to be 0."""
    for name in sorted({*wanted, *got}):
        if wanted.get(name, 0) != got.get(name, 0):
            yield Difference(f"{what} {name}", wanted.get(name, 0), got.get(name, 0), span=span)


def _exactly(wanted: Sequence[Wanted], held: Sequence[Held]) -> dict[int, int]:
    """Wanted → held, for as many as fit in every respect (a maximum matching by augmenting paths)."""
    taken: dict[int, int] = {}

    def place(index: int, seen: set[int]) -> bool:
        for other, item in enumerate(held):
            if other not in seen and _fits(wanted[index], item):
                seen.add(other)
                if other not in taken or place(taken[other], seen):
                    taken[other] = index
                    return True
        return False

    for index in range(len(wanted)):
        place(index, set())
    return {index: other for other, index in taken.items()}


def _fits(one: Wanted, other: Held) -> bool:
    return (
        other.unreadable is None
        and (one.item is None or one.item in other.names)
        and _owned(one, other)
        and all(same(other.fields.get(name), value) for name, value in one.fields.items())
    )


def _owned(one: Wanted, other: Held) -> bool:
    return one.owners == other.owners if one.alone else one.owners <= other.owners


def _alike(one: Wanted, other: Held) -> int:
    return sum(same(other.fields.get(name), value) for name, value in one.fields.items())


def _unlike(place: str, one: Wanted, other: Held) -> Iterator[Difference]:
    if other.unreadable is not None:
        yield Difference(place, dict(one.fields), ABSENT, f"the item cannot be read: {other.unreadable}", one.span)
        return
    for name, value in one.fields.items():
        if not same(other.fields.get(name), value):
            yield Difference(f"{place} {name}", value, other.fields.get(name), span=one.span)
    if not _owned(one, other):
        yield Difference(f"{place} owners", sorted(one.owners), sorted(other.owners), span=one.span)


def same(one: Value, other: Value) -> bool:
    """Whether two canonical values are one; 1 is not true."""
    return one == other and type(one) is type(other)


def _shown(item: Held, named: set[str]) -> object:
    if item.unreadable is not None:
        return f"an item that cannot be read: {item.unreadable}"
    told = {name: value for name, value in item.fields.items() if name in named and value is not None}
    return told or {name: value for name, value in item.fields.items() if value is not None}
