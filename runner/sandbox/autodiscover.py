"""Autodiscover by SOAP: GetUserSettings for mailboxes of this and other servers (page GetUserSettings operation (SOAP)).

A mailbox that lives here is told with this server's own EWS endpoint, one that has moved with the endpoint it moved to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from runner.sandbox.wire import SOAP, Element, escape

PATH = "/autodiscover/autodiscover.svc"
_A = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
_ADDRESSING = "http://www.w3.org/2005/08/addressing"


@dataclass(slots=True)
class Directory:
    """What Autodiscover knows: address in lower case → EWS endpoint; ``redirects`` sends an address to another one.

    ``groups`` are the back ends (GroupingInformation) of those that have another than the site's one.
    """

    endpoints: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Every address that was asked for."""

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Status and document for a request; 500 for what is none."""
        try:
            root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
        except etree.XMLSyntaxError:
            return 500, b""
        request = root.find(f"{{{SOAP}}}Body/{{{_A}}}GetUserSettingsRequestMessage/{{{_A}}}Request")
        if request is None:
            return 500, b""
        wanted = [(element.text or "").strip() for element in request.iter(f"{{{_A}}}Setting")]
        users = "".join(self._user(address, wanted) for address in _addresses(request))
        text = (
            f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}" xmlns:a="{_ADDRESSING}"><s:Header>'
            f'<a:Action s:mustUnderstand="1">{_A}/Autodiscover/GetUserSettingsResponse</a:Action></s:Header><s:Body>'
            f'<GetUserSettingsResponseMessage xmlns="{_A}"><Response><ErrorCode>NoError</ErrorCode><ErrorMessage/>'
            f"<UserResponses>{users}</UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"
        )
        return 200, text.encode()

    def _user(self, address: str, wanted: list[str]) -> str:
        self.asked.append(address)
        key = address.lower()
        if key in self.redirects:
            return _response("RedirectAddress", self.redirects[key])
        if key in self.urls:
            return _response("RedirectUrl", self.urls[key])
        endpoint = self.endpoints.get(key)
        if endpoint is None:
            return _response("InvalidUser", None)
        known: Mapping[str, str] = {
            "ExternalEwsUrl": endpoint,
            "InternalEwsUrl": endpoint,
            "GroupingInformation": self.groups.get(key, "Default-First-Site-Name"),
            "EwsSupportedSchemas": "Exchange2010_SP2, Exchange2013, Exchange2016",
        }
        settings = "".join(
            f'<UserSetting i:type="StringSetting" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">'
            f"<Name>{name}</Name><Value>{escape(known[name])}</Value></UserSetting>"
            for name in wanted
            if name in known
        )
        return _response("NoError", None, settings)


def _addresses(request: Element) -> Iterator[str]:
    for element in request.iter(f"{{{_A}}}Mailbox"):
        yield (element.text or "").strip()


def _response(code: str, target: str | None, settings: str = "") -> str:
    redirect = f"<RedirectTarget>{escape(target)}</RedirectTarget>" if target else "<RedirectTarget/>"
    return (
        f"<UserResponse><ErrorCode>{code}</ErrorCode><ErrorMessage>{code}.</ErrorMessage>{redirect}"
        f"<UserSettingErrors/><UserSettings>{settings}</UserSettings></UserResponse>"
    )
