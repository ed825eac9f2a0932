"""Looks at one Exchange server for ``exsync doctor``: where it is, its clock and version, which mailboxes it opens.

Nothing is written. A refused log-on is tried once, like everywhere in this package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
from lxml import etree

from runner.config.plan import ExchangePlan
from runner.connectors.exchange.directory import Directory
from runner.connectors.exchange.faults import of_exception
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.names import SOAP, add, root, t
from runner.connectors.exchange.search import folder_ids
from runner.model.checkup import MailboxSeen, Reading
from runner.model.errors import ConnectorError
from runner.model.terms import Folder

PATIENCE = 10.0
"""Seconds for what needs no log-on."""

Now = Callable[[], datetime]


class Inspection:
    """One server. Close it when done."""

    def __init__(self, plan: ExchangePlan, password: str, now: Now) -> None:
        self._plan, self._now = plan, now
        self._directory = Directory(plan, password)

    def endpoint(self, user: str | None) -> str:
        """Where the server is: as the plan says, or where Autodiscover finds this user's mailbox. Raises what looking it up
        raises; empty when there is nobody to look up."""
        if not self._plan.autodiscover:
            return self._plan.endpoint
        return str(self._directory.mailbox(user).protocol.service_endpoint) if user else ""

    def clock(self, endpoint: str) -> Reading | None:
        """The server's clock, from the header Date (RFC 9110 §6.6.1) of whatever it answers to nobody in particular; None
        when it names no time. Raises ``Unreachable`` and the like."""
        before = self._now()
        with requests.Session() as session:
            session.trust_env = False
            session.verify = self._plan.ca_file or True
            try:
                answer = session.get(endpoint, timeout=PATIENCE, allow_redirects=False)
            except requests.RequestException as error:
                raise of_exception(error, endpoint=endpoint, writing=False) from None
        try:
            theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
        except ValueError:
            return None
        return Reading(before, theirs.astimezone(UTC), self._now())

    def build(self, user: str) -> tuple[int, int, int] | None:
        """Major and minor version and build of the server (SOAP header ServerVersionInfo); None when it does not say.
        Raises what a request for this mailbox raises."""
        mailbox = self._directory.mailbox(user)
        request = root("GetFolder")
        add(add(request, "m:FolderShape"), "t:BaseShape", "IdOnly")
        mailbox.add_distinguished(add(request, "m:FolderIds"), "calendar")
        answer = mailbox.protocol.post(mailbox.enveloped(etree.tostring(request)), mailbox.headers, writing=False)
        info = answer.find(f"{{{SOAP}}}Header/{t('ServerVersionInfo')}")
        if info is None:
            return None
        try:
            numbers = [int(info.get(name, "")) for name in ("MajorVersion", "MinorVersion", "MajorBuildNumber")]
        except ValueError:
            return None
        return numbers[0], numbers[1], numbers[2]

    def mailbox(self, user: str, folders: Sequence[Folder]) -> MailboxSeen:
        """Reach for folders of a mailbox, in one request."""
        try:
            mailbox: Mailbox = self._directory.mailbox(user)
            for answer in folder_ids(mailbox, [mailbox.folder_name(folder) for folder in folders]):
                if isinstance(answer, ConnectorError):
                    return MailboxSeen(user, answer)
        except ConnectorError as error:
            return MailboxSeen(user, error)
        return MailboxSeen(user)

    def close(self) -> None:
        """Close every connection."""
        self._directory.close()


def answer_at(url: str, ca_file: str | None) -> str:
    """What a post to an address below a push listener that nobody has is answered with, its first 4,096 characters.

    Raises ``Unreachable`` (code ``tls-not-trusted`` when the certificate is not trusted here) and the like.
    """
    with requests.Session() as session:
        session.trust_env = False
        session.verify = ca_file or True
        try:
            answer = session.post(f"{url}/doctor/doctor/doctor", b"", timeout=PATIENCE, allow_redirects=False)
        except requests.RequestException as error:
            raise of_exception(error, endpoint=url, writing=False) from None
    return answer.text[:4096]
