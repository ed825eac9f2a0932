"""Batches, fallbacks and writes: what the connector makes of each answer."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler

import pytest

from runner.model import errors
from runner.model.items import Item, Write
from runner.model.terms import Entity, Operation
from tests.exchange.canned import (
    Answer,
    Canned,
    failure,
    fault,
    hang_up,
    item,
    items_answer,
    link_to,
    response,
    success,
)
from tests.exchange.conftest import Connect


class Shelf:
    """Answers GetItem for any ids; whatever request holds a ``poison`` id fails as a whole, by ``how``."""

    def __init__(self, poison: str = "", how: Answer | None = None, missing: frozenset[str] = frozenset()) -> None:
        self.poison, self.how, self.missing = poison, how, missing

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        keys = re.findall(r'ItemId Id="([^"]+)"', body.decode())
        if self.how is not None and self.poison in keys:
            self.how(handler, body)
            return
        messages = (
            failure("GetItem", "ErrorItemNotFound", "<m:Items/>")
            if key in self.missing
            else success("GetItem", f"<m:Items>{item(key=key, version='CQ1')}</m:Items>")
            for key in keys
        )
        Answer(response("GetItem", *messages))(handler, body)


def keys(count: int) -> list[str]:
    return [f"k{n}" for n in range(count)]


def test_items_come_in_batches_of_the_plan_and_every_key_is_answered_once(canned: Canned, connected: Connect) -> None:
    canned.always = Shelf(missing=frozenset({"k3"}))
    got = connected(batch=4).get(link_to(), [*keys(10), "k0"])
    assert list(got) == keys(10)
    assert isinstance(got["k3"], errors.Gone)
    assert all(isinstance(got[key], Item) and got[key].key == key for key in keys(10) if key != "k3")  # type: ignore[union-attr]
    assert [body.count(b"<t:ItemId ") for body in canned.asked("GetItem")] == [4, 4, 2]
    assert connected().get(link_to(), []) == {}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Answer(fault("ErrorInternalServerError"), 500), errors.Transient),
        (Answer(b"oops", 500), errors.Transient),
        (Answer(items_answer(item())[:-60]), errors.Invalid),
        (Answer(items_answer(*[item()] * 7)), errors.Invalid),
        (Answer(fault("ErrorSchemaValidation"), 500), errors.Invalid),
    ],
)
def test_one_item_that_fails_the_whole_batch_costs_only_itself(
    canned: Canned, connected: Connect, how: Answer, expected: type[errors.ConnectorError]
) -> None:
    canned.always = Shelf("k5", how)
    got = connected(batch=10).get(link_to(), keys(10))
    assert type(got["k5"]) is expected
    assert all(isinstance(got[key], Item) for key in keys(10) if key != "k5")


def test_an_unreadable_item_stands_beside_its_readable_neighbours(canned: Canned, connected: Connect) -> None:
    unreadable = item(key="b", zone="tzone://Microsoft/Custom")
    series = item(key="c", kind="RecurringMaster")
    canned.always = Answer(items_answer(item(key="a"), unreadable, series, item(key="d")))
    got = connected().get(link_to(), ["a", "b", "c", "d"])
    assert [getattr(got[key], "code", "item") for key in got] == [
        "item",
        "unknown-time-zone",
        "recurrence-unknown",
        "item",
    ]
    assert len(canned.requests) == 1


def test_a_server_in_trouble_is_not_asked_for_every_item(canned: Canned, connected: Connect) -> None:
    canned.always = Answer(b"oops", 500)
    with pytest.raises(errors.Transient):
        connected(batch=50).get(link_to(), keys(50))
    assert len(canned.requests) == 4


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(fault("ErrorServerBusy"), 500), errors.Throttled),
        (Answer(b"", 401, {"WWW-Authenticate": "Basic"}), errors.AuthRefused),
        (Answer(fault("ErrorImpersonateUserDenied"), 500), errors.AccessDenied),
    ],
)
def test_faults_of_server_and_account_are_raised_after_one_request(
    canned: Canned, connected: Connect, answer: Answer, expected: type[errors.ConnectorError]
) -> None:
    canned.always = answer
    with pytest.raises(expected):
        connected().get(link_to(), keys(10))
    assert len(canned.requests) == 1


def test_answers_out_of_order_are_never_taken_for_one_another(canned: Canned, connected: Connect) -> None:
    canned.script = [
        Answer(items_answer(item(key="b"), item(key="a"))),
        Answer(items_answer(item(key="a"))),
        Answer(items_answer(item(key="b"))),
    ]
    got = connected().get(link_to(), ["a", "b"])
    assert [one.native for one in got.values() if isinstance(one, Item)] == ["UID-a", "UID-b"]


def test_an_item_asked_for_alone_keeps_the_id_it_was_asked_by(canned: Canned, connected: Connect) -> None:
    canned.always = Answer(items_answer(item(key="same-item-in-another-spelling")))
    got = connected().get(link_to(), ["a"])["a"]
    assert isinstance(got, Item)
    assert got.key == "a"


def update(version: str | None = "CQ1") -> Write:
    return Write(Operation.UPDATE, "k0", version, {"title": "New"}, frozenset({"title"}))


def delete(version: str | None = "CQ1") -> Write:
    return Write(Operation.DELETE, "k0", version)


def test_an_update_gives_the_new_version_and_a_new_id_if_there_is_one(canned: Canned, connected: Connect) -> None:
    content = (
        '<m:Items><t:CalendarItem><t:ItemId Id="k9" ChangeKey="CQ2"/></t:CalendarItem></m:Items>'
        "<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>"
    )
    canned.always = Answer(response("UpdateItem", success("UpdateItem", content)))
    (result,) = connected().write(link_to(), [update()])
    assert (result.key, result.version, result.error) == ("k9", "CQ2", None)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ErrorIrresolvableConflict", errors.VersionMoved),
        ("ErrorStaleObject", errors.VersionMoved),
        ("ErrorItemNotFound", errors.Gone),
        ("ErrorAccessDenied", errors.Invalid),
        ("ErrorMessageSizeExceeded", errors.Invalid),
    ],
)
def test_a_refused_update_is_a_result_and_the_next_write_goes_on(
    canned: Canned, connected: Connect, code: str, expected: type[errors.ConnectorError]
) -> None:
    canned.always = Answer(response("UpdateItem", failure("UpdateItem", code, "<m:Items/>")))
    results = list(connected().write(link_to(), [update(), update()]))
    assert [type(result.error) for result in results] == [expected, expected]
    assert results[0].key == "k0"
    assert len(canned.requests) == 2


def test_writes_are_lazy(canned: Canned, connected: Connect) -> None:
    canned.always = Answer(response("UpdateItem", failure("UpdateItem", "ErrorStaleObject", "<m:Items/>")))
    results = connected().write(link_to(), [update(), update(), update()])
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(canned.requests) == 1


def test_nothing_to_say_is_not_said(canned: Canned, connected: Connect) -> None:
    write = Write(Operation.UPDATE, "k0", "CQ1", {"title": "New"}, frozenset())
    (result,) = connected().write(link_to(), [write])
    assert (result.key, result.version, result.error) == ("k0", "CQ1", None)
    assert canned.requests == []


@pytest.mark.parametrize("write", [update(None), delete(None)])
def test_no_write_goes_out_without_its_precondition(canned: Canned, connected: Connect, write: Write) -> None:
    (result,) = connected().write(link_to(), [write])
    assert isinstance(result.error, errors.ProtocolFault)
    assert canned.requests == []


DELETED = Answer(response("DeleteItem", success("DeleteItem")))


def test_a_delete_checks_the_version_and_ends_without_one(canned: Canned, connected: Connect) -> None:
    canned.script = [Shelf(), DELETED]
    (result,) = connected().write(link_to(), [delete()])
    assert (result.key, result.version, result.error) == ("k0", None, None)
    assert b'<t:ItemId Id="k0" ChangeKey="CQ1"/>' in canned.asked("DeleteItem")[0]


def test_a_delete_of_something_that_moved_on_is_not_sent(canned: Canned, connected: Connect) -> None:
    canned.always = Shelf(missing=frozenset({"gone"}))
    moved, gone = connected().write(link_to(), [delete("CQ0"), Write(Operation.DELETE, "gone", "CQ1")])
    assert type(moved.error) is errors.VersionMoved
    assert type(gone.error) is errors.Gone
    assert canned.asked("DeleteItem") == []


def test_a_delete_without_answer_is_of_unknown_outcome_but_its_check_is_not(canned: Canned, connected: Connect) -> None:
    canned.script = [hang_up, Shelf(), hang_up]
    unchecked, unknown = connected().write(link_to(), [delete(), delete()])
    assert type(unchecked.error) is errors.Transient
    assert type(unknown.error) is errors.OutcomeUnknown


def test_capabilities_say_what_is_carried_and_the_rest_is_refused(canned: Canned, connected: Connect) -> None:
    connector = connected()
    assert connector.capabilities.entities == {Entity.SCHEDULE_ITEM, Entity.TASK, Entity.CONTACT}
    with pytest.raises(errors.ProtocolFault):
        list(connector.write(link_to(entity=Entity.GROUP), [Write(Operation.CREATE, None, None, stamp="s")]))
    assert canned.requests == []
