"""The SOAP envelope: header read, operation dispatched, answer or fault written. Knows nothing of HTTP connections."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from threading import RLock
from zoneinfo import ZoneInfo

from lxml import etree

from runner.sandbox.accounts import Principal
from runner.sandbox.context import Context
from runner.sandbox.failures import TEXTS, EwsError, SchemaViolation, SoapFault
from runner.sandbox.faults import Delay, Drop, Fault, FaultScript, HttpAnswer, WholeFault
from runner.sandbox.limits import Limits
from runner.sandbox.mailboxes import Mail, Mailbox
from runner.sandbox.meetings import Post
from runner.sandbox.notices import Notices
from runner.sandbox.operations.registry import OPERATIONS, STREAMS
from runner.sandbox.wire import ERRORS, MESSAGES, SOAP, TYPES, Element, S, T, children, escape, local
from runner.sandbox.zones import zone_of

Validator = Callable[[Element], Sequence[str]]
VERSION = (15, 2, 1544, 14)
"""A build of Exchange 2019 (ServerVersionInfo)."""
_VERSIONS = frozenset(
    ["Exchange2007", "Exchange2007_SP1", "Exchange2010", "Exchange2010_SP1", "Exchange2010_SP2", "Exchange2013"]
) | frozenset(["Exchange2013_SP1", "Exchange2015", "Exchange2016", "Exchange2019", "V2017_07_11"])
_HEADER = (
    f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}"><s:Header>'
    f'<h:ServerVersionInfo MajorVersion="{VERSION[0]}" MinorVersion="{VERSION[1]}" MajorBuildNumber="{VERSION[2]}" '
    f'MinorBuildNumber="{VERSION[3]}" Version="V2017_07_11" xmlns:h="{TYPES}"/></s:Header><s:Body>'
)
_FOOTER = "</s:Body></s:Envelope>"


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back over HTTP; ``drop`` ends the connection, ``delay`` (seconds) comes first."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    drop: Drop | None = None
    delay: float = 0.0
    operation: str = "?"
    mailbox: str | None = None
    items: tuple[str, ...] = ()
    stream: Iterator[bytes | None] | None = None
    """Instead of the body: documents that follow one another; None cuts the line."""


@dataclass(slots=True)
class Service:
    """The mailboxes behind one endpoint."""

    notices: Notices
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    faults: FaultScript = field(default_factory=FaultScript)
    moved: set[str] = field(default_factory=set)
    """Mailboxes that live on another server now, in lower case."""
    mails: list[Mail] = field(default_factory=list)
    on_mail: Callable[[Mail], None] | None = None
    """Hears of each mail that a request made this server send."""
    validator: Validator | None = None
    schema_violations: list[str] = field(default_factory=list)
    response_validator: Validator | None = None
    response_violations: list[str] = field(default_factory=list)

    @property
    def lock(self) -> RLock:
        """Held by whoever looks at the mailboxes or changes them."""
        return self.notices.lock

    @property
    def post(self) -> Post:
        """Meeting mail between these mailboxes."""
        return Post(self.mailboxes, self.mails)

    def answer(self, body: bytes, principal: Principal) -> Reply:
        """Answer one request."""
        try:
            envelope = etree.fromstring(body, _parser())
        except etree.XMLSyntaxError as error:
            line, column = error.position
            return _fault_reply(SchemaViolation(str(error.msg), line=line or 1, column=column or 1))
        soap_body = envelope.find(S + "Body")
        request = next(iter(children(soap_body)), None) if soap_body is not None else None
        if envelope.tag != S + "Envelope" or request is None:
            return _fault_reply(SchemaViolation("The request is not a SOAP 1.1 envelope with a body."))
        operation = local(request)
        named = tuple(str(element.get("Id")) for element in request.iter(T + "ItemId") if element.get("Id"))
        address = _impersonated(envelope.find(S + "Header")) or principal.mailbox
        struck = self.faults.strike(operation, address, named)
        reply = self._before(struck) or self._run(envelope, request, principal, struck)
        reply = self._after(struck) or reply
        delay = sum(fault.effect.seconds for fault in struck if isinstance(fault.effect, Delay))
        drop = next((fault.effect for fault in struck if isinstance(fault.effect, Drop)), None)
        return Reply(reply.status, reply.body, reply.headers, drop, delay, operation, address, named, reply.stream)

    def _before(self, struck: list[Fault]) -> Reply | None:
        return next((_effect_reply(fault) for fault in struck if not fault.after and _replaces(fault)), None)

    def _after(self, struck: list[Fault]) -> Reply | None:
        return next((_effect_reply(fault) for fault in struck if fault.after and _replaces(fault)), None)

    def _run(self, envelope: Element, request: Element, principal: Principal, struck: list[Fault]) -> Reply:
        try:
            name = local(request)
            if request.tag != f"{{{MESSAGES}}}{name}" or (name not in OPERATIONS and name not in STREAMS):
                raise SoapFault("ErrorInvalidRequest", f"The sandbox does not know the operation {local(request)}.")
            if self.validator is not None and (findings := self.validator(request)):
                self.schema_violations.extend(findings)
                raise SchemaViolation(findings[0])
            with self.lock:
                context = self._context(envelope.find(S + "Header"), principal, struck)
                if name in STREAMS:
                    return Reply(200, b"", stream=self._streamed(name, STREAMS[name](context, request)))
                sent = len(self.mails)
                messages = "".join(OPERATIONS[name](context, request))
                if self.on_mail is not None:
                    for mail in self.mails[sent:]:
                        self.on_mail(mail)
        except SoapFault as fault:
            return _fault_reply(fault)
        return Reply(200, self._document(name, messages))

    def _streamed(self, name: str, documents: Iterator[str | None]) -> Iterator[bytes | None]:
        try:
            for messages in documents:
                yield None if messages is None else self._document(name, messages)
        finally:
            if isinstance(documents, Generator):
                documents.close()  # a client that went away ends the stream, too

    def _document(self, operation: str, messages: str) -> bytes:
        name = f"{operation}Response"
        text = (
            f'{_HEADER}<m:{name} xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:ResponseMessages>'
            f"{messages}</m:ResponseMessages></m:{name}>{_FOOTER}"
        )
        if self.response_validator is not None:
            # Microsoft's own examples have m:Notification in streams, where its schema wants t:Notification.
            lawful = text.replace("m:Notification>", "t:Notification>") if operation in STREAMS else text
            body = etree.fromstring(lawful.encode(), _parser()).find(S + "Body")
            found = [self.response_validator(element) for element in children(body)] if body is not None else []
            self.response_violations.extend(f"{name}: {finding}" for findings in found for finding in findings)
        return text.encode()

    def _context(self, header: Element | None, principal: Principal, struck: list[Fault]) -> Context:
        version = header.find(T + "RequestServerVersion") if header is not None else None
        if version is not None and version.get("Version") not in _VERSIONS:
            raise SoapFault("ErrorInvalidServerVersion")
        address = _impersonated(header)
        mailbox = self.mailboxes.get((address or principal.mailbox or "").lower())
        if address is not None:
            if mailbox is None and address.lower() in self.moved:
                raise SoapFault("ErrorProxyRequestNotAllowed")
            if mailbox is None:
                raise SoapFault("ErrorNonExistentMailbox", f"No mailbox with the address {address} exists.")
            if not principal.may_impersonate(mailbox.address):
                raise SoapFault("ErrorImpersonateUserDenied")
        modifier = mailbox.display_name if mailbox and (address or principal.mailbox) else principal.name
        return Context(
            mailbox,
            self.mailboxes,
            modifier,
            _context_zone(header),
            self.limits,
            struck,
            self.post,
            self.notices,
            principal.name,
            lambda box: principal.may_open(box.address),
        )


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)


def _impersonated(header: Element | None) -> str | None:
    if header is None:
        return None
    sid = header.find(f"{T}ExchangeImpersonation/{T}ConnectingSID")
    if sid is None:
        return None
    return next(((child.text or "").strip() for child in children(sid)), None)


def _context_zone(header: Element | None) -> ZoneInfo | None:
    zone = header.find(f"{T}TimeZoneContext/{T}TimeZoneDefinition") if header is not None else None
    return zone_of(zone.get("Id")) if zone is not None else None


def _replaces(fault: Fault) -> bool:
    # A drop before the effect must keep the request from running; after it, the answer is made and then thrown away.
    return isinstance(fault.effect, WholeFault | HttpAnswer) or (isinstance(fault.effect, Drop) and not fault.after)


def _effect_reply(fault: Fault) -> Reply:
    effect = fault.effect
    if isinstance(effect, WholeFault):
        return _fault_reply(effect.error())
    if isinstance(effect, HttpAnswer):
        return Reply(effect.status, effect.body, effect.headers)
    return Reply(200, b"")


def _fault_reply(fault: EwsError) -> Reply:
    values = "".join(f'<t:Value Name="{escape(name)}">{escape(text)}</t:Value>' for name, text in fault.values.items())
    message = fault.text
    if isinstance(fault, SchemaViolation):
        message = TEXTS[fault.code]
        values = (
            f"<t:LineNumber>{fault.line}</t:LineNumber><t:LinePosition>{fault.column}</t:LinePosition>"
            f"<t:Violation>{escape(fault.violation)}</t:Violation>"
        )
    message_xml = f'<t:MessageXml xmlns:t="{TYPES}">{values}</t:MessageXml>' if values else ""
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault>'
        f'<faultcode xmlns:a="{TYPES}">a:{fault.code}</faultcode>'
        f'<faultstring xml:lang="en-US">{escape(fault.text)}</faultstring><detail>'
        f'<e:ResponseCode xmlns:e="{ERRORS}">{fault.code}</e:ResponseCode>'
        f'<e:Message xmlns:e="{ERRORS}">{escape(message)}</e:Message>{message_xml}'
        f"</detail></s:Fault>{_FOOTER}"
    )
    return Reply(500, text.encode())
