"""EWS without a client library: requests as text, answers as elements."""

from __future__ import annotations

import base64
import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml import etree

from runner.sandbox.exchange import Sandbox
from runner.sandbox.wire import ERRORS, MESSAGES, SOAP, TYPES
from tests.sandbox.stock import ANN

NAMES = {"s": SOAP, "m": MESSAGES, "t": TYPES, "e": ERRORS}
CALENDAR = '<t:DistinguishedFolderId Id="calendar"/>'


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    root: etree._Element | None

    def text(self, path: str) -> str | None:
        """The text at an XPath below the envelope."""
        assert self.root is not None
        found = self.root.xpath(path, namespaces=NAMES)
        return found[0].text if found else None

    def all(self, path: str) -> list[etree._Element]:
        """The elements at an XPath."""
        assert self.root is not None
        return list(self.root.xpath(path, namespaces=NAMES))

    @property
    def codes(self) -> list[str | None]:
        """The response codes, one per response message."""
        return [element.text for element in self.all("//m:ResponseCode")]

    def children(self, path: str) -> list[str]:
        """Names of the children of the first element at an XPath, in order."""
        return [etree.QName(child).localname for child in self.all(path)[0]]


def envelope(body: str, *, impersonate: str | None = ANN, header: str = "") -> bytes:
    """A request around a body."""
    if impersonate:
        header += (
            f"<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{impersonate}</t:PrimarySmtpAddress>"
            "</t:ConnectingSID></t:ExchangeImpersonation>"
        )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def connect(sandbox: Sandbox) -> http.client.HTTPConnection:
    """A plain connection."""
    return http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)


def basic(sandbox: Sandbox) -> dict[str, str]:
    """The service account's credentials."""
    token = base64.b64encode(f"{sandbox.username}:{sandbox.password}".encode()).decode()
    return {"Authorization": f"Basic {token}", "Content-Type": "text/xml; charset=utf-8"}


def send(
    sandbox: Sandbox, data: bytes, *, connection: http.client.HTTPConnection | None = None, **headers: str
) -> Answer:
    """Post an envelope and read the answer."""
    own = connection or connect(sandbox)
    try:
        own.request("POST", urlsplit(sandbox.url).path, data, basic(sandbox) | headers)
        response = own.getresponse()
        body = response.read()
    finally:
        if connection is None:
            own.close()
    root = etree.fromstring(body) if body else None
    return Answer(response.status, dict(response.getheaders()), root)


def ask(sandbox: Sandbox, body: str, **options: str | None) -> Answer:
    """Post a body."""
    return send(sandbox, envelope(body, **options))  # type: ignore[arg-type]


def get_item(*ids: str, shape: str = "<t:BaseShape>IdOnly</t:BaseShape>") -> str:
    """A GetItem request."""
    rows = "".join(f'<t:ItemId Id="{item}"/>' for item in ids)
    return f"<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds>{rows}</m:ItemIds></m:GetItem>"


def sync(state: str | None = None, most: int = 100, folder: str = CALENDAR) -> str:
    """A SyncFolderItems request, IdOnly."""
    known = f"<m:SyncState>{state}</m:SyncState>" if state is not None else ""
    return (
        "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
        f"<m:SyncFolderId>{folder}</m:SyncFolderId>{known}<m:MaxChangesReturned>{most}</m:MaxChangesReturned>"
        "</m:SyncFolderItems>"
    )


def create(properties: str, invitations: str | None = "SendToNone") -> str:
    """A CreateItem request for a calendar item."""
    how = f' SendMeetingInvitations="{invitations}"' if invitations else ""
    return f"<m:CreateItem{how}><m:Items><t:CalendarItem>{properties}</t:CalendarItem></m:Items></m:CreateItem>"


def update(item: str, key: str | None, updates: str, mode: str = "NeverOverwrite") -> str:
    """An UpdateItem request for a calendar item."""
    known = f' ChangeKey="{key}"' if key else ""
    return (
        f'<m:UpdateItem ConflictResolution="{mode}" SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges>'
        f'<t:ItemChange><t:ItemId Id="{item}"{known}/><t:Updates>{updates}</t:Updates></t:ItemChange>'
        "</m:ItemChanges></m:UpdateItem>"
    )


def set_subject(text: str) -> str:
    """One change of the subject."""
    return (
        '<t:SetItemField><t:FieldURI FieldURI="item:Subject"/>'
        f"<t:CalendarItem><t:Subject>{text}</t:Subject></t:CalendarItem></t:SetItemField>"
    )


def find(restriction: str = "", folder: str = CALENDAR, traversal: str = "Shallow", page: str = "") -> str:
    """A FindItem request, IdOnly."""
    wanted = f"<m:Restriction>{restriction}</m:Restriction>" if restriction else ""
    return (
        f'<m:FindItem Traversal="{traversal}"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>{page}{wanted}'
        f"<m:ParentFolderIds>{folder}</m:ParentFolderIds></m:FindItem>"
    )


def equals(path: str, value: str) -> str:
    """An IsEqualTo expression."""
    return (
        f'<t:IsEqualTo>{path}<t:FieldURIOrConstant><t:Constant Value="{value}"/></t:FieldURIOrConstant></t:IsEqualTo>'
    )
