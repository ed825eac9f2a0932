"""Scripted faults: each kind hits the calls it names, and before or after the effect means what it says."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable

import pytest
from exchangelib.errors import ErrorServerBusy

from runner.sandbox.exchange import Sandbox
from runner.sandbox.faults import (
    BadPage,
    Delay,
    Drop,
    Fault,
    HttpAnswer,
    ItemAnswer,
    PageFault,
    WholeFault,
    busy_fault,
    busy_http,
    busy_inner,
    busy_item,
)
from tests.sandbox.raw import ask, create, get_item, set_subject, sync, update
from tests.sandbox.stock import ANN, BOB, account_of


def subjects(sandbox: Sandbox) -> list[str | None]:
    return [item.text("Subject") for item in sandbox.mailbox(ANN).items()]


def test_a_fault_before_the_effect_leaves_nothing_behind(sandbox: Sandbox) -> None:
    for effect in (ItemAnswer("ErrorQuotaExceeded"), WholeFault("ErrorInternalServerError"), HttpAnswer(500)):
        sandbox.inject(effect, "CreateItem")
        ask(sandbox, create("<t:Subject>x</t:Subject>"))
    assert subjects(sandbox) == []
    assert ask(sandbox, create("<t:Subject>x</t:Subject>")).codes == ["NoError"]


def test_a_fault_after_the_effect_hides_a_write_that_happened(sandbox: Sandbox) -> None:
    for effect in (ItemAnswer("ErrorTimeoutExpired"), WholeFault("ErrorInternalServerError"), HttpAnswer(502)):
        sandbox.inject(effect, "CreateItem", after=True)
        ask(sandbox, create("<t:Subject>x</t:Subject>"))
    assert subjects(sandbox) == ["x", "x", "x"]


@pytest.mark.parametrize("after", [False, True])
def test_a_dropped_connection_before_and_after_the_effect(sandbox: Sandbox, after: bool) -> None:
    sandbox.inject(Drop(), "CreateItem", after=after)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(sandbox, create("<t:Subject>x</t:Subject>"))
    assert subjects(sandbox) == (["x"] if after else [])


def test_an_answer_can_end_in_its_middle(sandbox: Sandbox) -> None:
    sandbox.inject(Drop(after_bytes=100), "GetItem", after=True)
    with pytest.raises(http.client.IncompleteRead):
        ask(sandbox, get_item(sandbox.mailbox(ANN).create(Subject="x")))


def test_a_late_answer_does_not_hold_up_the_end(sandbox: Sandbox) -> None:
    sandbox.inject(Delay(3600), "SyncFolderItems")
    ended: list[str] = []

    def call() -> None:
        try:
            ask(sandbox, sync())
        except (http.client.HTTPException, ConnectionError) as error:
            ended.append(type(error).__name__)

    caller = threading.Thread(target=call)
    caller.start()
    while not len(sandbox.requests):
        caller.join(0.01)
    assert caller.is_alive(), "the answer is late"
    sandbox.stop()
    caller.join()
    assert len(ended) == 1, "the end of the server ends the wait, without an answer"


def test_faults_name_their_call_their_mailbox_and_their_item(sandbox: Sandbox) -> None:
    first, second = (sandbox.mailbox(ANN).create(Subject=name) for name in "ab")
    sandbox.inject(Fault(ItemAnswer("ErrorItemCorrupt"), "GetItem", item=second, times=None))
    sandbox.inject(Fault(WholeFault("ErrorMailboxMoveInProgress"), "SyncFolderItems", mailbox=BOB))
    sandbox.inject(Fault(ItemAnswer("ErrorAccessDenied"), "FindFolder"))
    assert ask(sandbox, get_item(first, second)).codes == ["NoError", "ErrorItemCorrupt"]
    assert ask(sandbox, get_item(first)).codes == ["NoError"]
    assert ask(sandbox, get_item(second)).codes == ["ErrorItemCorrupt"]
    assert ask(sandbox, sync()).codes == ["NoError"]
    assert ask(sandbox, sync(), impersonate=BOB).text("//e:ResponseCode") == "ErrorMailboxMoveInProgress"
    sandbox.clear_faults()
    assert ask(sandbox, get_item(second)).codes == ["NoError"]


def test_the_nth_call_and_a_number_of_times(sandbox: Sandbox) -> None:
    sandbox.inject(ItemAnswer("ErrorAccessDenied"), "SyncFolderItems", nth=2, times=2)
    codes = [ask(sandbox, sync()).codes[0] for _ in range(5)]
    assert codes == ["NoError", "ErrorAccessDenied", "ErrorAccessDenied", "NoError", "NoError"]


def test_a_place_in_the_batch(sandbox: Sandbox) -> None:
    ids = [sandbox.mailbox(ANN).create(Subject=name) for name in "abc"]
    sandbox.inject(ItemAnswer("ErrorItemCorrupt"), "GetItem", index=1)
    assert ask(sandbox, get_item(*ids)).codes == ["NoError", "ErrorItemCorrupt", "NoError"]


def test_a_busy_server_stops_the_rest_of_the_batch(sandbox: Sandbox) -> None:
    """Page ResponseCode: ErrorBatchProcessingStopped, a warning for what was not reached."""
    ids = [sandbox.mailbox(ANN).create(Subject=name) for name in "abc"]
    sandbox.inject(busy_item(5000), "GetItem", index=1)
    answer = ask(sandbox, get_item(*ids))
    assert answer.codes == ["NoError", "ErrorServerBusy", "ErrorBatchProcessingStopped"]
    assert [element.get("ResponseClass") for element in answer.all("//m:GetItemResponseMessage")] == [
        "Success",
        "Error",
        "Warning",
    ]
    assert answer.text('//m:MessageXml/t:Value[@Name="BackOffMilliseconds"]') == "5000"


def test_busy_in_each_of_its_forms(sandbox: Sandbox) -> None:
    """EWS throttling in Exchange: a SOAP fault, in band, as an inner code, and below SOAP."""
    sandbox.inject(busy_fault(297749), "SyncFolderItems")
    fault = ask(sandbox, sync())
    assert (fault.status, fault.text("//faultcode")) == (500, "a:ErrorServerBusy")
    assert fault.text('//t:MessageXml/t:Value[@Name="BackOffMilliseconds"]') == "297749"
    sandbox.inject(busy_inner(1500), "SyncFolderItems")
    inner = ask(sandbox, sync())
    assert (inner.status, inner.codes) == (200, ["ErrorInternalServerError"])
    assert inner.text('//t:Value[@Name="InnerErrorResponseCode"]') == "ErrorServerBusy"
    sandbox.inject(busy_http(7), "SyncFolderItems")
    bare = ask(sandbox, sync())
    assert (bare.status, bare.headers.get("Retry-After"), bare.root) == (503, "7", None)


def test_stock_exchangelib_reads_the_hint_of_a_busy_fault(sandbox: Sandbox) -> None:
    calendar = account_of(sandbox).calendar
    sandbox.inject(busy_fault(3000), "FindItem")
    with pytest.raises(ErrorServerBusy) as caught:
        calendar.all().count()
    assert caught.value.back_off == 3


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_bare_http_answers(sandbox: Sandbox, status: int) -> None:
    sandbox.inject(HttpAnswer(status, (("X-Why", "test"),)), "SyncFolderItems")
    answer = ask(sandbox, sync())
    assert (answer.status, answer.headers["X-Why"]) == (status, "test")


def test_faulty_pages(make: Callable[..., Sandbox]) -> None:
    sandbox = make()
    user = sandbox.mailbox(ANN)
    ids = [user.create(Subject=name) for name in "abc"]

    def page(how: PageFault | None, state: str | None = None) -> tuple[list[str], str | None, str | None]:
        if how is not None:
            sandbox.inject(BadPage(how), "SyncFolderItems")
        answer = ask(sandbox, sync(state))
        found = [str(element.get("Id")) for element in answer.all("//t:ItemId")]
        return found, answer.text("//m:SyncState"), answer.text("//m:IncludesLastItemInRange")

    short, state, last = page(PageFault.SHORT)
    assert (short, last) == ([ids[2]], "false")
    assert page(None, state)[0] == [ids[1], ids[0]]
    doubled, _, last = page(PageFault.DUPLICATE)
    assert (doubled, last) == ([ids[2], ids[2], ids[1], ids[1], ids[0], ids[0]], "true")
    repeated, again, last = page(PageFault.REPEAT, state)
    assert (repeated, again, last) == ([ids[1], ids[0]], state, "false")
    nothing, again, last = page(PageFault.EMPTY, state)
    assert (nothing, again, last) == ([], state, "false")
    nothing, begun, last = page(PageFault.EMPTY)
    assert (nothing, last) == ([], "false")
    assert page(None, begun)[0] == ids[::-1]


def test_an_error_can_lack_what_real_servers_add_to_it(sandbox: Sandbox) -> None:
    sandbox.inject(ItemAnswer("ErrorInvalidSyncStateData", bare=True), "SyncFolderItems")
    assert ask(sandbox, sync()).all("//m:SyncState") == []
    sandbox.inject(ItemAnswer("ErrorInvalidSyncStateData"), "SyncFolderItems")
    assert len(ask(sandbox, sync()).all("//m:SyncState")) == 1


def test_an_update_that_timed_out_after_its_effect_shows_a_conflict_when_sent_again(sandbox: Sandbox) -> None:
    user = sandbox.mailbox(ANN)
    item = user.create(Subject="x")
    request = update(item, user.item(item).change_key, set_subject("y"))
    sandbox.inject(WholeFault("ErrorInternalServerTransientError"), "UpdateItem", after=True)
    assert ask(sandbox, request).status == 500
    assert ask(sandbox, request).codes == ["ErrorIrresolvableConflict"]
    assert user.item(item).text("Subject") == "y"
