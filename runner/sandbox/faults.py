"""Scripted faults: what goes wrong, in which call, and whether before or after the request took effect.

A :class:`Fault` names its calls (operation, mailbox, item, position in the batch, from the n-th matching call on, how
many times) and one effect. The functions below make the common ones; ``ErrorServerBusy`` comes in its three forms
(EWS throttling in Exchange).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from threading import Lock

from runner.sandbox.failures import EwsError, SoapFault


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """The response message of the item carries this code. ``values`` go out as ``MessageXml``; ``bare`` leaves out what
    the operation adds to its errors (the empty ``SyncState`` of SyncFolderItems)."""

    code: str
    text: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    bare: bool = False

    def error(self) -> EwsError:
        """The error to raise for the item."""
        return EwsError(self.code, self.text, values=dict(self.values))


@dataclass(frozen=True, slots=True)
class WholeFault:
    """The request is answered with a SOAP fault (HTTP 500)."""

    code: str
    text: str | None = None
    values: tuple[tuple[str, str], ...] = ()

    def error(self) -> SoapFault:
        """The fault to raise."""
        return SoapFault(self.code, self.text, values=dict(self.values))


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A bare HTTP answer without SOAP."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends without an answer; with ``after_bytes`` in the middle of one."""

    after_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """The answer comes late."""

    seconds: float


class PageFault(Enum):
    """What SyncFolderItems can do wrong with a page and still look well."""

    SHORT = "short"
    """Only the first change, although more were asked for; the state stands behind that one."""
    EMPTY = "empty"
    """No change and the old state, although there are changes."""
    DUPLICATE = "duplicate"
    """Each change twice."""
    REPEAT = "repeat"
    """A full page with the old state, so that the next call brings it again."""


@dataclass(frozen=True, slots=True)
class BadPage:
    """SyncFolderItems answers with a faulty page."""

    how: PageFault


Effect = ItemAnswer | WholeFault | HttpAnswer | Drop | Delay | BadPage


@dataclass(slots=True)
class Fault:
    """One scripted fault. ``nth`` counts matching calls from 1; ``times`` None means for good; ``after`` lets the
    request take effect first; ``index`` limits an :class:`ItemAnswer` to one place of the batch."""

    effect: Effect
    operation: str | None = None
    mailbox: str | None = None
    item: str | None = None
    index: int | None = None
    nth: int = 1
    times: int | None = 1
    after: bool = False
    seen: int = field(default=0, compare=False)
    fired: int = field(default=0, compare=False)

    def strikes(self, operation: str, mailbox: str | None, items: Sequence[str]) -> bool:
        """Whether this call is hit; counts the call."""
        if self.operation not in (None, operation) or (self.item is not None and self.item not in items):
            return False
        if self.mailbox is not None and self.mailbox.lower() != (mailbox or "").lower():
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True


class FaultScript:
    """The faults still to come."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, fault: Fault) -> Fault:
        """Arm one fault."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm all."""
        with self._lock:
            self._faults.clear()

    def strike(self, operation: str, mailbox: str | None, items: Sequence[str]) -> list[Fault]:
        """The faults that hit this call."""
        with self._lock:
            return [fault for fault in self._faults if fault.strikes(operation, mailbox, items)]


def busy_fault(back_off_ms: int = 1000) -> WholeFault:
    """``ErrorServerBusy`` as a SOAP fault with the server's hint."""
    return WholeFault("ErrorServerBusy", values=(("BackOffMilliseconds", str(back_off_ms)),))


def busy_item(back_off_ms: int = 1000) -> ItemAnswer:
    """``ErrorServerBusy`` in band: HTTP 200 and a response message of class Error."""
    return ItemAnswer("ErrorServerBusy", values=(("BackOffMilliseconds", str(back_off_ms)),))


def busy_inner(back_off_ms: int = 1000) -> ItemAnswer:
    """``ErrorInternalServerError`` in band, with ``ErrorServerBusy`` as its inner code."""
    return ItemAnswer(
        "ErrorInternalServerError",
        values=(
            ("InnerErrorMessageText", "The server cannot service this request right now. Try again later."),
            ("InnerErrorResponseCode", "ErrorServerBusy"),
            ("InnerErrorDescriptiveLinkKey", "0"),
            ("BackOffMilliseconds", str(back_off_ms)),
        ),
    )


def busy_http(retry_after: int | None = None) -> HttpAnswer:
    """HTTP 503, with or without ``Retry-After``."""
    return HttpAnswer(503, (("Retry-After", str(retry_after)),) if retry_after is not None else ())
