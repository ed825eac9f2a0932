"""Response codes, HTTP answers and broken connections → error classes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree

from runner.connectors.exchange.faults import DEFAULT_BACK_OFF, Scope, classed, of_fault, of_message, of_status
from runner.connectors.exchange.names import SOAP, Element
from runner.model import errors
from tests.exchange.canned import MESSAGES, TYPES, failure, fault, success

BACK_OFF = (
    '<{0}:MessageXml><t:Value Name="Other">1</t:Value>'
    '<t:Value Name="BackOffMilliseconds">2500</t:Value></{0}:MessageXml>'
)
NS = f'xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"'


def message(xml: str) -> Element:
    return etree.fromstring(f"<r {NS}>{xml}</r>")[0]


def item_error(code: str, extra: str = "", *, writing: bool = False, creating: bool = False) -> errors.ConnectorError:
    error = of_message(message(failure("X", code, extra)), scope=Scope.ITEM, writing=writing, creating=creating)
    assert error is not None
    return error


def soap_fault(document: bytes) -> Element:
    element = etree.fromstring(document).find(f".//{{{SOAP}}}Fault")
    assert element is not None
    return element


@pytest.mark.parametrize(
    ("code", "reading", "updating", "creating"),
    [
        ("ErrorItemNotFound", errors.Gone, errors.Gone, errors.ContainerGone),
        ("ErrorFolderNotFound", errors.ContainerGone, errors.ContainerGone, errors.ContainerGone),
        ("ErrorIrresolvableConflict", errors.VersionMoved, errors.VersionMoved, errors.VersionMoved),
        ("ErrorStaleObject", errors.VersionMoved, errors.VersionMoved, errors.VersionMoved),
        ("ErrorServerBusy", errors.Throttled, errors.Throttled, errors.Throttled),
        ("ErrorTooManyObjectsOpened", errors.Throttled, errors.Throttled, errors.Throttled),
        ("ErrorTimeoutExpired", errors.Transient, errors.OutcomeUnknown, errors.OutcomeUnknown),
        ("ErrorInternalServerError", errors.Transient, errors.OutcomeUnknown, errors.OutcomeUnknown),
        ("ErrorQuotaExceeded", errors.Transient, errors.Transient, errors.Transient),
        ("ErrorAccessDenied", errors.Invalid, errors.Invalid, errors.AccessDenied),
        ("ErrorImpersonateUserDenied", errors.Invalid, errors.Invalid, errors.AccessDenied),
        ("ErrorCorruptData", errors.Invalid, errors.Invalid, errors.Invalid),
        ("ErrorCalendarEndDateIsEarlierThanStartDate", errors.Invalid, errors.Invalid, errors.Invalid),
        ("ErrorNobodyHasEverHeardOf", errors.Invalid, errors.Invalid, errors.Invalid),
        # Codes of current servers for which exchangelib has no class at all.
        ("ErrorServiceUnavailable", errors.Transient, errors.Transient, errors.Transient),
        ("ErrorOrganizationAccessBlocked", errors.Invalid, errors.Invalid, errors.AccessDenied),
    ],
)
def test_an_items_response_code_is_classed_by_its_string(
    code: str,
    reading: type[errors.ConnectorError],
    updating: type[errors.ConnectorError],
    creating: type[errors.ConnectorError],
) -> None:
    for expected, error in (
        (reading, item_error(code)),
        (updating, item_error(code, writing=True)),
        (creating, item_error(code, writing=True, creating=True)),
    ):
        assert type(error) is expected
        assert error.code == code


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ErrorItemNotFound", errors.ContainerGone),
        ("ErrorSyncFolderNotFound", errors.ContainerGone),
        ("ErrorAccessDenied", errors.AccessDenied),
        ("ErrorInvalidSyncStateData", errors.WatermarkInvalid),
        ("ErrorNonExistentMailbox", errors.AccessDenied),
    ],
)
def test_the_same_code_about_a_folder_stops_the_link_not_the_item(
    code: str, expected: type[errors.ConnectorError]
) -> None:
    assert type(classed(code, "", scope=Scope.FOLDER)) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ErrorSchemaValidation", errors.ProtocolFault),
        ("ErrorNobodyHasEverHeardOf", errors.ProtocolFault),
        ("ErrorImpersonateUserDenied", errors.AccessDenied),
        ("ErrorNonExistentMailbox", errors.AccessDenied),
        ("ErrorPasswordExpired", errors.AuthRefused),
        ("ErrorServerBusy", errors.Throttled),
    ],
)
def test_a_soap_fault_is_about_the_whole_request(code: str, expected: type[errors.ConnectorError]) -> None:
    error = of_fault(soap_fault(fault(code)), writing=False)
    assert type(error) is expected
    assert error.code == code
    assert "The server says no." in str(error)


def test_a_fault_without_detail_is_named_by_its_fault_code() -> None:
    document = fault("ErrorInvalidServerVersion")
    cut = document[: document.index(b"<detail>")] + document[document.index(b"</detail>") + 9 :]
    assert of_fault(soap_fault(cut), writing=False).code == "ErrorInvalidServerVersion"


@pytest.mark.parametrize(
    "throttled",
    [
        lambda: of_fault(soap_fault(fault("ErrorServerBusy", BACK_OFF.format("t"))), writing=True),
        lambda: item_error("ErrorServerBusy", BACK_OFF.format("m"), writing=True),
        lambda: item_error(
            "ErrorInternalServerError",
            BACK_OFF.format("m").replace(
                "</m:M", '<t:Value Name="InnerErrorResponseCode">ErrorServerBusy</t:Value></m:M'
            ),
            writing=True,
        ),
    ],
    ids=["fault", "per item", "inner code"],
)
def test_the_back_off_hint_is_heard_in_every_form_and_position(throttled: Callable[[], errors.ConnectorError]) -> None:
    error = throttled()
    assert isinstance(error, errors.Throttled)
    assert error.after == 2.5


def test_throttling_by_http_is_heard_too() -> None:
    def after(status: int, headers: dict[str, str], *, writing: bool = False) -> float:
        error = of_status(status, headers, endpoint="https://x", writing=writing)
        assert isinstance(error, errors.Throttled)
        return error.after

    assert after(503, {"Retry-After": "7"}, writing=True) == 7
    assert after(503, {}) == DEFAULT_BACK_OFF
    assert after(429, {"Retry-After": "soon"}, writing=True) == DEFAULT_BACK_OFF
    assert after(503, {"Retry-After": "Wed, 01 Jan 2200 00:00:00 GMT"}) == 3600


@pytest.mark.parametrize(
    ("status", "headers", "reading", "writing"),
    [
        (401, {}, errors.AuthRefused, errors.AuthRefused),
        (403, {}, errors.AccessDenied, errors.AccessDenied),
        (404, {}, errors.Unreachable, errors.Unreachable),
        (302, {"Location": "https://x/owa"}, errors.ProtocolFault, errors.ProtocolFault),
        (302, {"Location": "/EWS/GenericErrorPage.htm?aspxerrorpath=/x"}, errors.Transient, errors.OutcomeUnknown),
        (400, {}, errors.ProtocolFault, errors.ProtocolFault),
        (500, {}, errors.Transient, errors.OutcomeUnknown),
        (502, {}, errors.Transient, errors.OutcomeUnknown),
        (503, {}, errors.Throttled, errors.OutcomeUnknown),
        (504, {"Connection": "close"}, errors.Transient, errors.OutcomeUnknown),
    ],
)
def test_http_answers_without_soap_are_classed_by_status(
    status: int,
    headers: dict[str, str],
    reading: type[errors.ConnectorError],
    writing: type[errors.ConnectorError],
) -> None:
    assert type(of_status(status, headers, endpoint="https://x", writing=False)) is reading
    assert type(of_status(status, headers, endpoint="https://x", writing=True)) is writing


def test_success_is_no_error_and_an_empty_code_is_a_fault_of_the_protocol() -> None:
    assert of_message(message(success("X")), scope=Scope.ITEM, writing=False, creating=False) is None
    assert isinstance(item_error(""), errors.ProtocolFault)
    assert isinstance(item_error("", writing=True), errors.OutcomeUnknown)
