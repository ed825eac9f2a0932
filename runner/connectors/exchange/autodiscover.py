"""Autodiscover by SOAP: a user's address → his EWS endpoint and back-end group (page GetUserSettings operation (SOAP)).

Request and answer are exchangelib's; how it looks for servers is not. That one would send the service account's
credentials to whatever host DNS records or a redirect name. Here they go, over TLS, to the one address that the
configuration gives, or to the two that lie in the user's own domain (Autodiscover for Exchange: ``DOMAIN`` and
``autodiscover.DOMAIN``), and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from exchangelib import services as stock
from exchangelib.properties import UserResponse

from runner.config.plan import DOMAIN, ExchangePlan
from runner.connectors.exchange.names import SOAP, Element
from runner.connectors.exchange.transport import EwsProtocol, is_loopback
from runner.model.errors import AccessDenied, ConnectorError, ProtocolFault, Throttled, Transient, Unreachable
from runner.model.places import Place
from runner.model.ports import Meter

PATH = "/autodiscover/autodiscover.svc"
MOST_REDIRECTS = 3
_SETTINGS = ("external_ews_url", "internal_ews_url", "grouping_information")
_NAMES = "http://schemas.microsoft.com/exchange/2010/Autodiscover"


class Autodiscover:
    """The directory of one target. Safe to share between threads."""

    def __init__(
        self, plan: ExchangePlan, password: str, now: Callable[[], datetime], meter: Meter | None = None
    ) -> None:
        self._plan, self._password, self._now, self._meter = plan, password, now, meter
        self._protocols: dict[str, EwsProtocol] = {}

    def find(self, user: str) -> Place:
        """Where a user's mailbox lives. Raises the classed error of the last address that was asked."""
        address = user
        for _ in range(MOST_REDIRECTS):
            answer = self._asked(address)
            if answer.redirect_address:
                address = answer.redirect_address
                continue
            return self._place(user, answer)
        raise ProtocolFault(f"Autodiscover sends {user} from address to address", code="redirects-without-end")

    def close(self) -> None:
        """Close every connection."""
        for protocol in self._protocols.values():
            protocol.close()

    def _asked(self, address: str) -> UserResponse:
        failed: ConnectorError = ProtocolFault(f"{address} has no domain to look in", code="no-domain")
        for url in self._urls(address):
            try:
                return self._settings(url, address)
            except Throttled:
                raise
            except (Unreachable, Transient, ProtocolFault) as error:
                failed = error
        raise failed

    def _urls(self, address: str) -> Iterator[str]:
        if self._plan.autodiscover != DOMAIN:
            yield self._plan.autodiscover
            return
        domain = address.rpartition("@")[2]
        yield f"https://{domain}{PATH}"
        yield f"https://autodiscover.{domain}{PATH}"

    def _settings(self, url: str, address: str) -> UserResponse:
        protocol = self._protocols.get(url)
        if protocol is None:
            plan = replace(self._plan, endpoint=url)
            protocol = self._protocols.setdefault(
                url, EwsProtocol(plan, self._password, connections=2, meter=self._meter)
            )
        service = stock.GetUserSettings(protocol=protocol)
        request = service.wrap(service.get_payload([address], _SETTINGS), self._plan.version)
        with protocol.metered("GetUserSettings"):
            answer = protocol.post(request, {}, writing=False)
        response = answer.find(f"{{{SOAP}}}Body/{{{_NAMES}}}GetUserSettingsResponseMessage/{{{_NAMES}}}Response")
        if response is None:
            raise ProtocolFault(f"{url} is no Autodiscover service", code="unreadable-answer")
        _demand_success(_text(response, "ErrorCode"), _text(response, "ErrorMessage"), address)
        user = response.find(f"{{{_NAMES}}}UserResponses/{{{_NAMES}}}UserResponse")
        if user is None:
            raise ProtocolFault(f"{url} answered without {address}", code="unreadable-answer")
        _demand_success(_text(user, "ErrorCode"), _text(user, "ErrorMessage"), address)
        return UserResponse.from_xml(user, account=None)

    def _place(self, user: str, answer: Any) -> Place:
        if answer.redirect_url:
            raise ProtocolFault(
                f"Autodiscover sends {user} to {answer.redirect_url}, which is not followed: the account's credentials go "
                "to no host that the configuration does not name",
                code="redirect-not-followed",
                remedy="if that host is yours, write autodiscover: URL",
            )
        settings = answer.user_settings or {}
        endpoint = settings.get("external_ews_url") or settings.get("internal_ews_url") or ""
        parts = urlsplit(endpoint)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ProtocolFault(f"Autodiscover names no https endpoint for {user}", code="no-endpoint")
        return Place(endpoint, settings.get("grouping_information") or "", self._now())


def _demand_success(code: str, text: str, address: str) -> None:
    """Raise the classed error of an error code (page ErrorCode (SOAP))."""
    if code in ("", "NoError", "RedirectAddress", "RedirectUrl"):
        return
    told = f"Autodiscover says of {address}: {text or code}"
    if code == "ServerBusy":
        raise Throttled(told, after=10.0, code="autodiscover-busy")
    if code == "InternalServerError":
        raise Transient(told, code="autodiscover-failed")
    if code in ("InvalidUser", "InvalidDomain"):
        raise AccessDenied(
            told,
            code=f"autodiscover-{code.lower()}",
            remedy="check the link's address and that its mailbox still exists",
        )
    raise ProtocolFault(told, code=f"autodiscover-{code.lower()}")


def _text(element: Element, name: str) -> str:
    return (element.findtext(f"{{{_NAMES}}}{name}") or "").strip()
