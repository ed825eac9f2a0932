"""The edge: response codes, HTTP answers and broken connections → :mod:`runner.model.errors`, classed once.

Response codes are classed by their *string* (ResponseCode, web-service-reference): exchangelib has no class for a
quarter of the codes that current servers send, and where it has one it may sit in an unexpected branch of its tree.

The same code means different things in different places; ``Scope`` says where it stood. On a write the question is
always whether it can have happened: a code that the server sends before it acts keeps its class, one that may come after
the effect becomes ``OutcomeUnknown``.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

from requests import exceptions as http
from urllib3 import exceptions as transport

from runner.connectors.exchange.names import ERRORS, Element, m, t, text_in
from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ConnectorError,
    ContainerGone,
    Gone,
    Invalid,
    Moved,
    OutcomeUnknown,
    ProtocolFault,
    SubscriptionLost,
    Throttled,
    Transient,
    Unreachable,
    VersionMoved,
    WatermarkInvalid,
)


class Scope(Enum):
    """Where a response code stood."""

    REQUEST = auto()
    """In a SOAP fault: about the whole request."""
    FOLDER = auto()
    """About the folder that a request names (GetFolder, FindItem, SyncFolderItems, the parent of a new item)."""
    ITEM = auto()
    """About one item."""
    SUBSCRIPTION = auto()
    """About subscriptions, or about the folder that one is wished for."""


DEFAULT_BACK_OFF = 10.0
"""Seconds to wait when a throttling answer names none."""

LONGEST_BACK_OFF = 3600.0
"""Seconds; a larger hint is a fault of the server."""

CONNECTION_BROKEN = "connection-broken"
"""The code of a read whose connection ended before its answer was whole."""

_RESPONSE_CODE = m("ResponseCode")
_CODES: Mapping[str, type[ConnectorError]] = {
    code: error
    for error, codes in (
        (
            Throttled,
            """ErrorServerBusy ErrorExceededConnectionCount ErrorTooManyObjectsOpened ErrorInsufficientResources
            ErrorExceededSubscriptionCount ErrorClientDisconnected""",
        ),
        (
            Transient,
            """ErrorInternalServerTransientError ErrorInternalServerError ErrorTimeoutExpired ErrorServiceUnavailable
            ErrorMailboxStoreUnavailable ErrorMailboxMoveInProgress ErrorMailboxFailover ErrorADUnavailable
            ErrorADOperation ErrorADSessionFilter ErrorConnectionFailed ErrorConnectionFailedTransientError
            ErrorProxyCallFailed ErrorProxyRequestProcessingFailed
            ErrorNoRespondingCASInDestinationSite ErrorBatchProcessingStopped ErrorQuotaExceeded ErrorNotEnoughMemory
            ErrorExceededFindCountLimit""",
        ),
        (Moved, "ErrorProxyRequestNotAllowed"),
        (
            SubscriptionLost,
            """ErrorSubscriptionNotFound ErrorSubscriptionUnsubscribed ErrorExpiredSubscription ErrorInvalidSubscription
            ErrorSubscriptionAccessDenied ErrorReadEventsFailed ErrorMissedNotificationEvents""",
        ),
        (AuthRefused, "ErrorPasswordExpired ErrorPasswordChangeRequired ErrorInvalidAccessToken"),
        (
            AccessDenied,
            """ErrorAccessDenied ErrorNonExistentMailbox ErrorImpersonateUserDenied ErrorImpersonationDenied
            ErrorImpersonationFailed ErrorInvalidExchangeImpersonationHeaderData ErrorNonPrimarySmtpAddress
            ErrorAccountDisabled ErrorCallerIsInvalidADAccount ErrorOrganizationAccessBlocked ErrorNotDelegate
            ErrorDelegateNoUser ErrorMissingEmailAddress ErrorInvalidUserSid ErrorInvalidUserPrincipalName
            ErrorMissingUserIdInformation ErrorMailboxConfiguration ErrorMailboxVersionNotSupported
            ErrorInvalidSmtpAddress""",
        ),
        (
            ContainerGone,
            """ErrorFolderNotFound ErrorSyncFolderNotFound ErrorParentFolderNotFound ErrorToFolderNotFound
            ErrorManagedFolderNotFound""",
        ),
        (WatermarkInvalid, "ErrorInvalidSyncStateData ErrorInvalidWatermark"),
        (Gone, "ErrorItemNotFound"),
        (
            VersionMoved,
            "ErrorIrresolvableConflict ErrorStaleObject ErrorInvalidChangeKey ErrorObjectTypeChanged",
        ),
        (
            ProtocolFault,
            """ErrorSchemaValidation ErrorInvalidRequest ErrorInvalidServerVersion ErrorIncorrectSchemaVersion
            ErrorInvalidSchemaVersionForMailboxVersion ErrorChangeKeyRequired ErrorChangeKeyRequiredForWriteOperations
            ErrorInvalidOperation ErrorNotImplemented ErrorUnsupportedPathForQuery ErrorInvalidRestriction
            ErrorUnsupportedQueryFilter ErrorRestrictionTooComplex ErrorRestrictionTooLong ErrorInvalidPagingMaxRows
            ErrorInvalidIndexedPagingParameters ErrorInvalidExtendedProperty ErrorFolderPropertRequestFailed""",
        ),
    )
    for code in codes.split()
}

_UNSURE = frozenset(
    {
        "ErrorInternalServerError",
        "ErrorInternalServerTransientError",
        "ErrorTimeoutExpired",
        "ErrorConnectionFailed",
        "ErrorConnectionFailedTransientError",
        "ErrorMailboxFailover",
        "ErrorProxyCallFailed",
        "ErrorProxyRequestProcessingFailed",
        "ErrorClientDisconnected",
    }
)
"""Codes that may come after a write took effect."""

_REMEDIES: Mapping[str, str] = {
    "ErrorNonPrimarySmtpAddress": "name the mailbox by its primary SMTP address",
    "ErrorNonExistentMailbox": "check the link's address and that its mailbox still exists",
    "ErrorImpersonateUserDenied": "give the service account the ApplicationImpersonation role for this mailbox",
    "ErrorImpersonationDenied": "give the service account the ApplicationImpersonation role for this mailbox",
    "ErrorImpersonationFailed": "give the service account the ApplicationImpersonation role for this mailbox",
    "ErrorAccessDenied": "give the service account access to this folder",
    "ErrorQuotaExceeded": "the mailbox is full: free some space or raise its quota",
    "ErrorPasswordExpired": "set a new password for the service account, then update the secret",
    "ErrorOrganizationAccessBlocked": "EWS is switched off for this organisation",
    "ErrorIncorrectSchemaVersion": "set the target's version to one that the server speaks",
    "ErrorInvalidServerVersion": "set the target's version to one that the server speaks",
}


def classed(
    code: str, text: str, *, scope: Scope, writing: bool = False, creating: bool = False, after: float | None = None
) -> ConnectorError:
    """The error of a response code. ``after`` is the server's back-off hint in seconds."""
    error = _CODES.get(code)
    if error is SubscriptionLost and scope not in (Scope.SUBSCRIPTION, Scope.REQUEST):
        error = None  # nothing else has subscriptions
    if error is None:
        error = ProtocolFault if scope is Scope.REQUEST else Invalid
    elif writing and code in _UNSURE:
        error = OutcomeUnknown
    elif scope is Scope.SUBSCRIPTION and error is WatermarkInvalid:
        error = SubscriptionLost
    elif scope in (Scope.FOLDER, Scope.SUBSCRIPTION) or creating:
        if error is Gone:
            error = ContainerGone
    elif scope is Scope.ITEM and error in (AccessDenied, ProtocolFault):
        # About this one item (another one's private item, a read-only field): the rest of the folder can go on.
        error = Invalid
    message = f"{text} ({code})" if text else code
    if error is Throttled:
        return Throttled(message, after=bounded(after), code=code)
    return error(message, code=code, remedy=_REMEDIES.get(code))


def bounded(after: float | None) -> float:
    """A back-off hint within sense; the default when there is none."""
    return DEFAULT_BACK_OFF if not after or after < 0 else min(after, LONGEST_BACK_OFF)


def of_message(message: Element, *, scope: Scope, writing: bool, creating: bool) -> ConnectorError | None:
    """The error of one response message, ``None`` when it reports success.

    Throttling inside an HTTP 200 answer carries its hint in ``m:MessageXml``; an ErrorInternalServerError may carry the
    real code there (InnerErrorResponseCode).
    """
    code = (text_in(message, _RESPONSE_CODE) or "").strip()
    if code == "NoError" and message.get("ResponseClass") != "Error":
        return None
    if not code:
        return unreadable("a response message without a response code", writing=writing)
    text = (message.findtext(m("MessageText")) or "").strip()
    return _detailed(code, text, message.find(m("MessageXml")), scope=scope, writing=writing, creating=creating)


def code_of(messages: Iterable[Element]) -> str:
    """The response code of the first message that reports no success; ``NoError`` when there is none."""
    for message in messages:
        code = (text_in(message, _RESPONSE_CODE) or "").strip()
        if code not in ("NoError", ""):
            return code
    return "NoError"


def of_fault(fault: Element, *, writing: bool) -> ConnectorError:
    """The error of a SOAP fault (`detail` holds e:ResponseCode, e:Message and t:MessageXml)."""
    detail = fault.find("detail")
    code = text = ""
    details: Element | None = None
    if detail is not None:
        code = (detail.findtext(f"{{{ERRORS}}}ResponseCode") or "").strip()
        text = (detail.findtext(f"{{{ERRORS}}}Message") or "").strip()
        details = detail.find(t("MessageXml"))
    text = text or (fault.findtext("faultstring") or "").strip()
    # Without e:ResponseCode the fault code itself names it, prefixed: a:ErrorSchemaValidation.
    code = code or (fault.findtext("faultcode") or "").rpartition(":")[2].strip() or "SOAP fault"
    return _detailed(code, text, details, scope=Scope.REQUEST, writing=writing, creating=False)


def _detailed(
    code: str, text: str, details: Element | None, *, scope: Scope, writing: bool, creating: bool
) -> ConnectorError:
    values: dict[str | None, str] = {}
    if details is not None:
        values = {value.get("Name"): (value.text or "").strip() for value in details.iter(t("Value"))}
    inner = values.get("InnerErrorResponseCode")
    if inner:
        text = values.get("InnerErrorMessageText") or text
        code = inner
    try:
        after = float(values["BackOffMilliseconds"]) / 1000
    except (KeyError, ValueError):
        after = None
    return classed(code, text, scope=scope, writing=writing, creating=creating, after=after)


def unreadable(what: str, *, writing: bool) -> ConnectorError:
    """An answer that cannot be understood: a read failed, a write may have happened."""
    if writing:
        return OutcomeUnknown(f"the server's answer to a write was {what}", code="unreadable-answer")
    return ProtocolFault(f"the server answered with {what}", code="unreadable-answer")


def of_status(status: int, headers: Mapping[str, str], *, endpoint: str, writing: bool) -> ConnectorError:
    """The error of an HTTP answer that carries no SOAP message."""
    after = _retry_after(headers.get("Retry-After"))
    code = f"http-{status}"
    where = f"{endpoint} answered HTTP {status}"
    if status == 401:
        return AuthRefused(
            f"{endpoint} refused the log-on",
            code=code,
            remedy="check user name, password and auth type of the target; nothing is retried, so that no account is locked",
        )
    if status == 403:
        return AccessDenied(where, code=code, remedy="allow EWS for the service account and this client's address")
    if status == 404:
        return Unreachable(
            f"{where}: there is no EWS", code=code, remedy="correct the endpoint; it ends in /EWS/Exchange.asmx"
        )
    if status == 429 or (status == 503 and (after or not writing)):
        return Throttled(where, after=bounded(after), code=code)
    if status in (301, 302, 303, 307, 308):
        location = headers.get("Location", "")
        if "genericerrorpage" in location.lower():
            return OutcomeUnknown(where, code=code) if writing else Transient(where, code=code)
        return ProtocolFault(
            f"{where}: a redirect, which is not followed", code=code, remedy="name the final address as endpoint"
        )
    if status >= 500:
        return OutcomeUnknown(where, code=code) if writing else Transient(where, code=code)
    return ProtocolFault(where, code=code)


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 §10.2.3), which is a number or a date."""
    if not value:
        return None
    try:
        return float(int(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


_NOT_SENT = (
    transport.NewConnectionError,
    transport.NameResolutionError,
    transport.ConnectTimeoutError,
    ssl.SSLCertVerificationError,
    transport.ProxyError,
)


def of_exception(error: Exception, *, endpoint: str, writing: bool) -> ConnectorError:
    """The error of a request that got no whole answer. What failed before the request left cannot have had an effect."""
    causes = list(_causes(error))
    kind = type(error).__name__
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or isinstance(error, http.SSLError):
        verification = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
        if verification:
            return Unreachable(
                f"the TLS certificate of {endpoint} is not trusted: {_certificate_reason(causes)}",
                code="tls-not-trusted",
                remedy="set ca_file to the CA that issued it, or use the name that the certificate bears",
            )
        if not writing:
            return Unreachable(f"no TLS connection to {endpoint}: {kind}", code="tls-failed")
    elif any(isinstance(cause, _NOT_SENT) for cause in causes):
        return Unreachable(
            f"nobody answers at {endpoint}",
            code="no-connection",
            remedy="check the endpoint, name resolution and the firewall between",
        )
    if writing:
        return OutcomeUnknown(f"the answer of {endpoint} to a write never came ({kind})", code="no-answer")
    if isinstance(error, http.Timeout) or any(isinstance(cause, TimeoutError) for cause in causes):
        return Transient(f"{endpoint} did not answer in time", code="timeout")
    return Transient(f"the connection to {endpoint} broke ({kind})", code=CONNECTION_BROKEN)


def _causes(error: BaseException) -> list[BaseException]:
    """The exception and everything it wraps: requests and urllib3 nest by argument, ``reason`` and ``__cause__``."""
    seen: list[BaseException] = []
    pending: list[Any] = [error]
    while pending:
        current = pending.pop()
        if isinstance(current, BaseException) and current not in seen:
            seen.append(current)
            pending += [*current.args, getattr(current, "reason", None), current.__cause__]
    return seen


def _certificate_reason(causes: list[BaseException]) -> str:
    return next(
        (cause.verify_message for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), "unknown"
    )
