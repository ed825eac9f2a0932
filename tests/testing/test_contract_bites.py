"""The contract checks can fail: each broken connector is caught by the check that names the promise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from runner.model.errors import ConnectorError
from runner.model.items import ChangePage, Found, Identity, Item, LinkRef, Write, WriteResult
from runner.model.terms import Operation, Place
from runner.testing.contract import ContractBroken, both, crm, target
from runner.testing.crm import FakeCrm
from runner.testing.target import FakeTarget
from tests.testing.benches import FakeCrmBench, FakeTargetBench


class Blind(FakeTarget):
    """Overwrites whatever is there."""

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        for write in writes:
            item = self.item(write.key) if write.key else None
            yield from super().write(link, [replace(write, version=item.version) if item else write])


class Eager(FakeTarget):
    """Sends everything before the first result."""

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        return iter(list(super().write(link, writes)))


class Greedy(FakeTarget):
    """Writes fields that the write does not name."""

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        for write in writes:
            fields = frozenset(write.values) if write.operation is not Operation.DELETE else write.fields
            yield from super().write(link, [replace(write, fields=fields)])


class Restamped(FakeTarget):
    """Returns a version that is not the one it stored."""

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        for result in super().write(link, writes):
            yield replace(result, version=result.version and f"{result.version}x")


class Forgetful(FakeTarget):
    """Does not look into Deleted Items."""

    def find(self, link: LinkRef, identities: Sequence[Identity]) -> Sequence[Found]:
        return [hit for hit in super().find(link, identities) if hit.place is not Place.DELETED]


class Silent(FakeTarget):
    """Leaves keys without an answer."""

    def get(self, link: LinkRef, keys: Sequence[str]) -> Mapping[str, Item | ConnectorError]:
        return {key: item for key, item in super().get(link, keys).items() if isinstance(item, Item)}


class Trusting(FakeTarget):
    """Takes any watermark and starts from nothing with it."""

    def changes(self, link: LinkRef, since: str | None) -> Iterator[ChangePage]:
        return super().changes(link, since if since and "|" in since else None)


class Skipping(FakeTarget):
    """Gives the last watermark with the first page."""

    def changes(self, link: LinkRef, since: str | None) -> Iterator[ChangePage]:
        pages = list(super().changes(link, since))
        return iter([replace(page, watermark=pages[-1].watermark) for page in pages])


TARGETS = [
    (Blind, both.a_conditional_update_is_refused_on_a_stale_version),
    (Blind, both.a_conditional_delete_is_refused_on_a_stale_version),
    (Eager, target.writes_are_sent_lazily),
    (Greedy, both.an_update_changes_only_its_fields),
    (Restamped, both.a_created_item_is_read_back_as_written),
    (Restamped, target.a_write_comes_back_with_the_written_version),
    (Forgetful, both.a_deleted_item_is_found_as_deleted),
    (Forgetful, target.our_delete_leaves_the_item_in_deleted_items),
    (Silent, both.get_answers_for_every_key),
    (Trusting, target.a_foreign_watermark_is_refused),
    (Skipping, target.a_page_watermark_resumes_behind_its_page),
]


@pytest.mark.parametrize(("broken", "check"), TARGETS, ids=lambda value: value.__name__)
def test_a_broken_target_is_caught(broken: type[FakeTarget], check: Callable[[FakeTargetBench], None]) -> None:
    bench = FakeTargetBench()
    bench.connector.__class__ = broken
    with pytest.raises(ContractBroken):
        check(bench)


class Doubling(FakeCrm):
    """Has no key table: every create makes a record."""

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        for write in writes:
            if write.operation is Operation.CREATE:
                self._tables.keys.clear()
            yield from super().write(link, [write])


class Unsorted(FakeCrm):
    """Answers for records of every owner."""

    def get(self, link: LinkRef, keys: Sequence[str]) -> Mapping[str, Item | ConnectorError]:
        return {key: self.item(key) or answer for key, answer in super().get(link, keys).items()}


class Historic(FakeCrm):
    """Starts its feed at the beginning of time."""

    def feed(self, since: str | None) -> Iterator:
        return super().feed(since or "0:0")


CRMS = [
    (Doubling, crm.the_same_token_makes_one_record),
    (Doubling, crm.the_same_meeting_makes_one_record),
    (Doubling, crm.a_used_up_token_makes_nothing),
    (Unsorted, crm.another_owners_record_is_not_read),
    (Historic, crm.a_new_feed_starts_now),
]


@pytest.mark.parametrize(("broken", "check"), CRMS, ids=lambda value: value.__name__)
def test_a_broken_crm_is_caught(broken: type[FakeCrm], check: Callable[[FakeCrmBench], None]) -> None:
    bench = FakeCrmBench()
    bench.connector.__class__ = broken
    with pytest.raises(ContractBroken):
        check(bench)
