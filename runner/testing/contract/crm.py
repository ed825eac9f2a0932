"""What the CRM promises beyond what both sides do: users, one feed for all links, the key table."""

from __future__ import annotations

from collections.abc import Callable

from runner.model.errors import ConnectorError
from runner.model.items import Write
from runner.model.terms import Operation
from runner.testing.contract.bench import CrmBench
from runner.testing.contract.both import SHARED_CHECKS
from runner.testing.contract.words import create, demand, demand_held, done, item_of, one, summed


def users_are_known_by_every_address(bench: CrmBench) -> None:
    """A user is found by main address and alias, whatever the case; strangers to the CRM are absent."""
    main, alias = bench.addresses
    users = bench.connector.users([main, alias, "nobody@nowhere.example"])
    demand(set(users) == {main, alias}, f"users {sorted(users)}")
    demand({user.key for user in users.values()} == {bench.link.owner}, f"users {users!r}")
    demand({main, alias} <= users[main].addresses, f"addresses {users[main].addresses}")


def the_listing_names_the_owners_live_records(bench: CrmBench) -> None:
    """Every live record of the owner once, with its version; nobody else's, nothing deleted."""
    keys = {bench.user_create(f"Record {n}") for n in range(5)}
    bench.user_delete(bench.user_create("Deleted"))
    bench.user_assign(bench.user_create("Given away"))
    pages = list(bench.connector.listing(bench.link))
    listed, deleted = summed(pages)
    demand(pages[-1].complete, "the listing does not end")
    demand(set(listed) == keys and not deleted, f"listed {sorted(listed)}, expected {sorted(keys)}")
    for key in keys:
        demand(listed[key] == item_of(bench, key).version, "the listing's version is not the record's")


def a_new_feed_starts_now(bench: CrmBench) -> None:
    """Since None: no rows of the past, only the watermark of now; what comes later is in the feed."""
    bench.user_create("Before")
    rows, watermark = _feed(bench, None)
    demand(not rows, f"rows of the past: {rows}")
    key = bench.user_create("After")
    rows, watermark = _feed(bench, watermark)
    demand(set(rows) == {key}, f"rows {rows}")
    demand(bench.link.owner in rows[key], f"owners {rows[key]}")
    demand(not _feed(bench, watermark)[0], "the same change twice")


def the_feed_reports_creates_edits_and_deletes(bench: CrmBench) -> None:
    """Each kind of change is in the feed, our own writes too; what nobody touched is not."""
    edited, deleted = bench.user_create("To be edited"), bench.user_create("To be deleted")
    bench.user_create("Left alone")
    _, watermark = _feed(bench, None)
    bench.user_edit(edited, "Edited")
    bench.user_delete(deleted)
    made = create(bench, bench.sample("Ours"))
    rows, _ = _feed(bench, watermark)
    demand(set(rows) == {edited, deleted, made.key}, f"rows {sorted(rows)}")


def a_change_of_owner_names_both_owners(bench: CrmBench) -> None:
    """The link that loses a record must hear of it."""
    key = bench.user_create("Given away")
    _, watermark = _feed(bench, None)
    bench.user_assign(key)
    rows, _ = _feed(bench, watermark)
    owners = {bench.link.owner, bench.stranger.owner}
    demand(rows.get(key, set()) >= owners, f"owners {rows.get(key)}, expected {owners}")


def a_feed_watermark_survives_a_restart(bench: CrmBench) -> None:
    """A CRM watermark belongs to the database, not to the connector that read it."""
    _, watermark = _feed(bench, None)
    key = bench.user_create("Later")
    other = bench.reopened()
    try:
        rows = [row.key for page in other.feed(watermark) for row in page.rows]
    finally:
        other.close()
    demand(set(rows) == {key}, f"rows {rows}")


def another_owners_record_is_not_read(bench: CrmBench) -> None:
    """A record that changed hands is answered with a classed error of code ``not-owned``, not with its content."""
    key = bench.user_create("Given away")
    bench.user_assign(key)
    answer = bench.connector.get(bench.link, [key])[key]
    demand(isinstance(answer, ConnectorError) and answer.code == "not-owned", f"answer {answer!r}")


def the_same_token_makes_one_record(bench: CrmBench) -> None:
    """A lost COMMIT answer: the create is repeated and adopts the first record (design §5)."""
    token, values = bench.token(), bench.sample("Once")
    first = create(bench, values, token)
    bench.user_edit(first.key or "", "Edited meanwhile")
    write = Write(Operation.CREATE, None, None, values, frozenset(values), token)
    again = one(bench, write)
    done(again)
    demand((again.key, again.adopted) == (first.key, True), f"{again!r} after {first!r}")
    demand(len(summed(list(bench.connector.listing(bench.link)))[0]) == 1, "two records for one token")
    demand_held(item_of(bench, first.key), bench.retitled("Edited meanwhile"))


def the_same_meeting_makes_one_record(bench: CrmBench) -> None:
    """B-41: two attendees' passes, two tokens, one identity, one record."""
    first = create(bench, bench.sample("Meeting"), native="meeting:one")
    again = create(bench, bench.sample("Meeting"), native="meeting:one")
    other = create(bench, bench.sample("Another meeting"), native="meeting:two")
    demand((again.key, again.adopted) == (first.key, True), f"{again!r} after {first!r}")
    demand(other.key != first.key and not other.adopted, f"{other!r} after {first!r}")


def a_record_says_what_the_key_table_notes_of_it(bench: CrmBench) -> None:
    """A9: a record whose pair nobody knows any more leads back to the item it was made from."""
    token = bench.token()
    made = create(bench, bench.sample("Meeting"), token, native="meeting:known")
    item = item_of(bench, made.key)
    demand((item.stamp, item.native) == (token, "meeting:known"), f"stamp {item.stamp!r}, native {item.native!r}")
    item = item_of(bench, bench.user_create("A user's own"))
    demand((item.stamp, item.native) == (None, None), f"stamp {item.stamp!r}, native {item.native!r}")


def a_deleted_meeting_can_be_made_again(bench: CrmBench) -> None:
    """B-63: the edit wins over the delete, and the item is re-created under the same identity."""
    first = create(bench, bench.sample("Meeting"), native="meeting:again")
    bench.user_delete(first.key or "")
    again = create(bench, bench.sample("Meeting"), native="meeting:again")
    demand(again.key != first.key and not again.adopted, f"{again!r} after {first!r}")
    demand_held(item_of(bench, again.key), bench.sample("Meeting"))


def a_used_up_token_makes_nothing(bench: CrmBench) -> None:
    """L5: created, deleted by a user, and the create repeated: no record rises again."""
    token, values = bench.token(), bench.sample("Created and deleted")
    first = create(bench, values, token)
    bench.user_delete(first.key or "")
    one(bench, Write(Operation.CREATE, None, None, values, frozenset(values), token))
    demand(not summed(list(bench.connector.listing(bench.link)))[0], "the deleted record rose again")


CRM_CHECKS: tuple[Callable[[CrmBench], None], ...] = (
    *SHARED_CHECKS,
    users_are_known_by_every_address,
    the_listing_names_the_owners_live_records,
    a_new_feed_starts_now,
    the_feed_reports_creates_edits_and_deletes,
    a_change_of_owner_names_both_owners,
    a_feed_watermark_survives_a_restart,
    another_owners_record_is_not_read,
    the_same_token_makes_one_record,
    the_same_meeting_makes_one_record,
    a_record_says_what_the_key_table_notes_of_it,
    a_deleted_meeting_can_be_made_again,
    a_used_up_token_makes_nothing,
)
"""What the CRM promises."""


def _feed(bench: CrmBench, since: str | None) -> tuple[dict[str, set[str]], str]:
    rows: dict[str, set[str]] = {}
    watermark = since or ""
    for page in bench.connector.feed(since):
        watermark = page.watermark
        for row in page.rows:
            rows.setdefault(row.key, set()).update(row.owners)
    demand(bool(watermark), "no watermark")
    return rows, watermark
