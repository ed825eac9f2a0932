"""What is read of a directory: only what changed where the server tells that, everything otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import pytest

from runner.connectors.ldap.connector import LdapConnector
from runner.connectors.ldap.kinds import ACTIVE_DIRECTORY
from runner.connectors.ldap.port import Directory, Entry, Search
from runner.model.errors import Gone, WatermarkInvalid
from runner.model.items import ChangePage, LinkRef
from runner.model.terms import Entity, Folder, Operation
from runner.testing.clock import FakeClock
from tests.ldap.conftest import plan_for
from tests.ldap.firm import USERS, Firm
from tests.ldap.test_users import counts

Found = Callable[..., Firm]
LOGIN = frozenset({"login"})
LINK = LinkRef(USERS, "corp", "", Folder.USERS, Entity.USER, "UTC", record_fields=LOGIN, crm_fields=LOGIN)


def read(corp: Firm, since: str | None) -> tuple[set[str], bool, str]:
    """Keys that a feed names, whether it began at nothing, and the watermark behind it."""
    pages: list[ChangePage] = list(corp.connector.changes(corp.ref(), since))
    assert pages[-1].complete
    named = {ref.key for page in pages for ref in page.changed}
    return named, pages[-1].whole, pages[-1].watermark


def logins(corp: Firm, keys: set[str]) -> set[object]:
    return {item.values["login"] for item in corp.connector.get(corp.ref(), sorted(keys)).values()}  # type: ignore[union-attr]


def test_only_what_changed_is_read_and_a_quiet_directory_moves_nothing(firm: Found) -> None:
    corp = firm()
    corp.hire("ann", "bob", "eve")
    everybody, whole, mark = read(corp, None)
    assert (len(everybody), whole) == (3, True)
    corp.clock.advance(1)
    _, whole, quiet = read(corp, mark)
    assert (whole, quiet) == (False, mark)
    corp.change("bob", "title", "Buyer")
    named, whole, later = read(corp, mark)
    assert (logins(corp, named) >= {"bob"}, whole, later > mark) == (True, False, True)


def test_a_changed_group_or_an_old_comparison_means_that_everything_is_read(firm: Found) -> None:
    corp = firm(more="group_mapping:\n- {pattern: '*', synchronize_users: true}\n")
    corp.hire("ann", "bob")
    corp.team("Sales", "ann")
    _, _, mark = read(corp, None)
    assert not read(corp, mark)[1]
    corp.join("Sales", "bob")
    named, whole, mark = read(corp, mark)
    assert (logins(corp, named), whole) == ({"ann", "bob"}, True)
    corp.clock.advance(timedelta(hours=25))
    assert read(corp, mark)[1]


class Hasty:
    """An Active Directory in which a change with a lower number is not committed yet when a higher one is read."""

    def root(self) -> Entry:
        told = {"supportedcapabilities": [ACTIVE_DIRECTORY.encode()], "highestcommittedusn": [b"100"]}
        return Entry("", told)

    def pages(self, search: Search) -> Iterator[Sequence[Entry]]:
        numbers = () if "isDeleted" in search.filter else (99, 102)
        yield [
            Entry(f"CN={n},DC=x", {"objectguid": [bytes([n] * 16)], "usnchanged": [str(n).encode()]}) for n in numbers
        ]


@pytest.mark.parametrize(
    "since", [None, '{"server":"ldap://x","at":"90","groups":"","full":"2026-11-27T00:00:00+00:00"}']
)
def test_a_watermark_never_passes_what_the_server_had_committed(since: str | None) -> None:
    """MS-ADTS 3.1.1.1.9: numbers are given before they are committed; what was committed late is read the next time."""
    clock = FakeClock(datetime(2026, 11, 27, 1, tzinfo=UTC))
    connector = LdapConnector(plan_for("ldap://x"), cast(Directory, Hasty()), clock)
    *_, last = connector.changes(LINK, since)
    assert '"at":"100"' in last.watermark


class Noting:
    """An Active Directory without anybody in it, which notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def root(self) -> Entry:
        return Entry("", {"supportedcapabilities": [ACTIVE_DIRECTORY.encode()]})

    def pages(self, search: Search) -> Iterator[Sequence[Entry]]:
        self.asked.append((search.base, search.filter))
        yield []

    def find(self, search: Search) -> Sequence[Entry]:
        self.asked.append((search.base, search.filter))
        return []

    def read(self, dn: str, attributes: Sequence[str]) -> Entry | None:
        self.asked.append((dn, ""))
        return None


def test_identities_go_into_no_filter_on_active_directory() -> None:
    """The library mangles a GUID with a byte 5C before two hex digits in a filter, one in 1,800: nobody filters by it, and
    that somebody is gone is the server's word for his very GUID."""
    mangled = [str(UUID(bytes_le=bytes([n]) * 6 + b"\\41" + bytes(7))) for n in range(3)]
    noting = Noting()
    connector = LdapConnector(plan_for("ldap://x"), cast(Directory, noting), FakeClock())
    found = connector.get(LINK, mangled)
    assert {type(found[key]) for key in mangled} == {Gone}
    assert {base for base, _ in noting.asked} == {f"<GUID={key}>" for key in mangled}
    assert not any("guid" in filter_.lower() or "\\5c" in filter_.lower() for _, filter_ in noting.asked)


def test_another_server_or_a_foreign_watermark_is_never_gone_on_with(firm: Found) -> None:
    """A version means something only beside the server that gave it."""
    corp = firm()
    corp.hire("ann")
    _, _, mark = read(corp, None)
    assert read(corp, mark.replace("ldap://127.0.0.1", "ldap://127.0.0.9"))[1]
    for foreign in ("", "rubbish", '{"server": "x"}', '{"server":"x","at":"1","groups":"","full":"yesterday"}'):
        with pytest.raises(WatermarkInvalid):
            read(corp, foreign)


def test_without_increments_everything_is_compared_each_time_and_nothing_is_written(firm: Found) -> None:
    corp = firm(more="incremental: false\n")
    corp.hire(*(f"u{n}" for n in range(12)))
    assert counts(corp) == {"crm.create": 12}
    before = corp.store.link(USERS)
    assert counts(corp) == {}
    assert corp.store.link(USERS).target_watermark == before.target_watermark
    corp.server.delete(corp.dn("u3"))
    assert counts(corp) == {"crm.delete": 1}
    assert corp.store.writes_since(USERS, corp.clock.now() - timedelta(days=9))[Operation.DELETE] == 1
