"""One mailbox as exchangelib's services see an account: who is meant, on whose behalf, over which protocol.

It takes the place of exchangelib's ``Account``, whose construction consults the host's locale and time zone and binds
itself to a process-wide protocol cache.
"""

from __future__ import annotations

from lxml import etree

from runner.connectors.exchange.names import MESSAGES, SOAP, TYPES, Element, add, root
from runner.connectors.exchange.transport import EwsProtocol
from runner.model.terms import Folder

_DISTINGUISHED = {Folder.CALENDAR: "calendar", Folder.TASKS: "tasks", Folder.CONTACTS: "contacts"}


class Mailbox:
    """A mailbox by its primary SMTP address. Immutable but for its folder ids, which are found once."""

    def __init__(self, address: str, protocol: EwsProtocol, *, impersonate: bool, version: str) -> None:
        self.address = address
        self.protocol = protocol
        self.impersonate = impersonate
        self.folders: dict[Folder, str] = {}
        """Ids of the folders that have been looked up. A folder's id never changes (EWS identifiers in Exchange)."""
        self.headers = {"X-AnchorMailbox": address}
        self._before, self._after = _envelope(address if impersonate else None, version)

    def enveloped(self, request: bytes) -> bytes:
        """The SOAP envelope around a request of this mailbox."""
        return self._before + request + self._after

    def folder_name(self, folder: Folder) -> str:
        """Exchange's distinguished name of a folder."""
        return _DISTINGUISHED[folder]

    def add_folder(self, parent: Element, folder: Folder) -> None:
        """Name a folder in a request: by its id once that is known."""
        folder_id = self.folders.get(folder)
        if folder_id:
            add(parent, "t:FolderId", Id=folder_id)
        else:
            self.add_distinguished(parent, self.folder_name(folder))

    def add_distinguished(self, parent: Element, name: str) -> None:
        """Name a folder by its distinguished name; without impersonation it must say whose."""
        element = add(parent, "t:DistinguishedFolderId", Id=name)
        if not self.impersonate:
            add(add(element, "t:Mailbox"), "t:EmailAddress", self.address)


def _envelope(impersonated: str | None, version: str) -> tuple[bytes, bytes]:
    """What stands before and after a request. The header never changes for a mailbox, so it is built once.

    No TimeZoneContext: every time that is sent names its own offset, and answers then come in UTC.
    """
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"s": SOAP, "m": MESSAGES, "t": TYPES})
    header = etree.SubElement(envelope, f"{{{SOAP}}}Header")
    add(header, "t:RequestServerVersion", Version=version)
    if impersonated is not None:
        sid = add(add(header, "t:ExchangeImpersonation"), "t:ConnectingSID")
        add(sid, "t:PrimarySmtpAddress", impersonated)
    etree.SubElement(envelope, f"{{{SOAP}}}Body").append(root("Request"))
    document = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
    before, _, after = document.partition(b"<m:Request/>")
    return before, after
