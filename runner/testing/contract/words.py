"""The words the checks are written in."""

from __future__ import annotations

from runner.model.errors import ConnectorError
from runner.model.items import ChangePage, Found, Identity, Item, Write, WriteResult
from runner.model.record import Fields
from runner.model.terms import Operation
from runner.testing.contract.bench import Bench, ContractBroken


def demand(truth: bool, otherwise: str) -> None:
    """Raise :class:`ContractBroken` with what was seen unless it is true."""
    if not truth:
        raise ContractBroken(otherwise)


def demand_held(item: Item, values: Fields) -> None:
    """Every one of these values is held as given."""
    for name, value in values.items():
        demand(name in item.values, f"{name} is not among the values read: {sorted(item.values)}")
        demand(item.values[name] == value, f"{name} is {item.values[name]!r}, expected {value!r}")


def one(bench: Bench, write: Write) -> WriteResult:
    """Carry out one write and return its one result."""
    results = list(bench.connector.write(bench.link, [write]))
    demand(len(results) == 1, f"{len(results)} results for one write")
    return results[0]


def create(bench: Bench, values: Fields, stamp: str | None = None, native: str | None = None) -> WriteResult:
    """Make one item with these values under a stamp; the result is done, with key and version."""
    token = stamp or bench.token()
    result = one(bench, Write(Operation.CREATE, None, None, values, frozenset(values), token, native))
    done(result)
    demand(bool(result.key and result.version), f"a create without key or version: {result!r}")
    return result


def done(result: WriteResult) -> None:
    """The write has no error."""
    demand(result.error is None, f"refused: {result.error!r}")


def refused(result: WriteResult, kind: type[ConnectorError]) -> None:
    """The write was refused with exactly this class of error."""
    demand(type(result.error) is kind, f"expected {kind.__name__}, got {result!r}")


def item_of(bench: Bench, key: str | None) -> Item:
    """The item of a key that must be there."""
    answer = bench.connector.get(bench.link, [key or ""])[key or ""]
    if not isinstance(answer, Item):
        raise ContractBroken(f"no item {key!r}: {answer!r}")
    return answer


def find(bench: Bench, identity: Identity) -> list[Found]:
    """The holders of one identity."""
    return list(bench.connector.find(bench.link, [identity]))


def only(found: list[Found]) -> Found:
    """The one holder that there is."""
    if len(found) != 1:
        raise ContractBroken(f"expected one holder, found {found!r}")
    return found[0]


def summed(pages: list[ChangePage]) -> tuple[dict[str, str | None], set[str]]:
    """What a reader knows after these pages: a later page has the later word."""
    changed: dict[str, str | None] = {}
    deleted: set[str] = set()
    for page in pages:
        for ref in page.changed:
            changed[ref.key] = ref.version
            deleted.discard(ref.key)
        for key in page.deleted:
            deleted.add(key)
            changed.pop(key, None)
    return changed, deleted
