"""One attempt, whatever happens: what was sent is never sent again, but for a read whose kept connection has ended."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from datetime import timedelta

import pytest

from runner.model import errors
from tests.exchange.canned import (
    CREATE,
    CREATED,
    Answer,
    Canned,
    failure,
    fault,
    folder_answer,
    hang_up,
    link_to,
    response,
    soap,
    success,
)
from tests.exchange.conftest import Connect


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (hang_up, errors.OutcomeUnknown),
        (Answer(b"oops", 500), errors.OutcomeUnknown),
        (Answer(b"<html>bad gateway</html>", 502), errors.OutcomeUnknown),
        (Answer(b"", 503), errors.OutcomeUnknown),
        (Answer(CREATED[:-40]), errors.OutcomeUnknown),
        (Answer(CREATED[:-40], headers={"Content-Type": "text/xml"}), errors.OutcomeUnknown),
        (Answer(soap("<m:Nonsense/>")), errors.OutcomeUnknown),
        (Answer(response("CreateItem")), errors.OutcomeUnknown),
        (Answer(response("CreateItem", success("CreateItem", "<m:Items/>"))), errors.OutcomeUnknown),
        (Answer(response("CreateItem", failure("CreateItem", "ErrorTimeoutExpired"))), errors.OutcomeUnknown),
        (Answer(fault("ErrorInternalServerError"), 500), errors.OutcomeUnknown),
        (Answer(b"", 503, {"Retry-After": "3"}), errors.Throttled),
        (Answer(fault("ErrorServerBusy"), 500), errors.Throttled),
        (Answer(response("CreateItem", failure("CreateItem", "ErrorServerBusy"))), errors.Throttled),
        # The stock library sends the same write again for every older API version on this one.
        (Answer(fault("ErrorInvalidRequest"), 500), errors.ProtocolFault),
        (Answer(response("CreateItem", failure("CreateItem", "ErrorExceededConnectionCount"))), errors.Throttled),
        (
            Answer(response("CreateItem", failure("CreateItem", "ErrorInternalServerTransientError"))),
            errors.OutcomeUnknown,
        ),
        (Answer(response("CreateItem", failure("CreateItem", "ErrorSubscriptionUnsubscribed"))), errors.Invalid),
    ],
)
def test_a_create_is_sent_exactly_once_whatever_the_answer(
    canned: Canned, connected: Connect, answer: Answer, expected: type[errors.ConnectorError]
) -> None:
    canned.always = answer
    (result,) = connected(connections=4).write(link_to(), [CREATE])
    assert type(result.error) is expected
    assert len(canned.requests) == 1


def test_a_write_without_an_answer_in_time_is_of_unknown_outcome(canned: Canned, connected: Connect) -> None:
    release = threading.Event()
    canned.always = lambda handler, body: hang_up(handler, body) if release.wait(5) else None
    (result,) = connected(timeout=timedelta(seconds=0.2)).write(link_to(), [CREATE])
    release.set()
    assert type(result.error) is errors.OutcomeUnknown
    assert len(canned.requests) == 1


def test_a_refused_connection_cannot_have_written_anything(connected: Connect) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as vacant:
        port = vacant.getsockname()[1]
    (result,) = connected(f"http://127.0.0.1:{port}/EWS/Exchange.asmx").write(link_to(), [CREATE])
    assert type(result.error) is errors.Unreachable
    assert result.error.remedy


def test_an_unknown_host_is_unreachable(connected: Connect) -> None:
    with pytest.raises(errors.Unreachable):
        connected("https://no-such-host.invalid/EWS/Exchange.asmx").check(link_to())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (hang_up, errors.Transient),
        (Answer(b"oops", 500), errors.Transient),
        (Answer(folder_answer("F")[:-40]), errors.ProtocolFault),
        (Answer(b""), errors.ProtocolFault),
        (Answer(b"<html/>"), errors.ProtocolFault),
        (Answer(b"", 404), errors.Unreachable),
    ],
)
def test_a_read_that_fails_is_classed_and_not_repeated(
    canned: Canned, connected: Connect, answer: Answer, expected: type[errors.ConnectorError]
) -> None:
    canned.always = answer
    with pytest.raises(expected) as caught:
        connected().check(link_to())
    assert type(caught.value) is expected
    assert len(canned.requests) == 1


def test_a_read_whose_kept_connection_has_ended_is_asked_again_on_a_new_one(canned: Canned, connected: Connect) -> None:
    """RFC 9112 §9.5: a server that restarts, or ends idle connections, is no fault of a pass (B-76)."""
    answer = Answer(folder_answer("F"))
    canned.script = [answer, hang_up, answer]
    connector = connected()
    connector.check(link_to())
    connector.check(link_to())
    assert len(canned.requests) == 3


def test_a_read_that_a_new_connection_does_not_bring_either_fails(canned: Canned, connected: Connect) -> None:
    canned.script, canned.always = [Answer(folder_answer("F"))], hang_up
    connector = connected()
    connector.check(link_to())
    with pytest.raises(errors.Transient):
        connector.check(link_to())
    assert len(canned.requests) == 3


def test_a_write_whose_kept_connection_ends_is_not_sent_again(canned: Canned, connected: Connect) -> None:
    canned.script, canned.always = [Answer(folder_answer("F"))], hang_up
    connector = connected()
    connector.check(link_to())
    (result,) = connector.write(link_to(), [CREATE])
    assert type(result.error) is errors.OutcomeUnknown
    assert len(canned.requests) == 2


def test_no_round_trips_for_guessing_version_or_auth_type(canned: Canned, connected: Connect) -> None:
    canned.always = Answer(folder_answer("F"))
    connected(version="Exchange2013_SP1").check(link_to())
    ((headers, body),) = canned.requests
    assert b'RequestServerVersion Version="Exchange2013_SP1"' in body
    assert b"<t:PrimarySmtpAddress>ann.lee@example.com</t:PrimarySmtpAddress>" in body
    assert headers["X-AnchorMailbox"] == "ann.lee@example.com"


def test_delegate_access_impersonates_nobody_and_says_whose_folder_it_means(canned: Canned, connected: Connect) -> None:
    canned.always = Answer(folder_answer("F"))
    connected(access="delegate").check(link_to())
    ((_, body),) = canned.requests
    assert b"ExchangeImpersonation" not in body
    assert b"<t:EmailAddress>ann.lee@example.com</t:EmailAddress>" in body
