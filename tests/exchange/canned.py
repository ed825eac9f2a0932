"""A loopback HTTP server that answers what a test tells it to, byte for byte, and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from runner.config.plan import AuthPlan, ExchangePlan
from runner.config.secrets import SecretRef
from runner.model.items import LinkRef, Write
from runner.model.record import CONTACT, SCHEDULE_ITEM, TASK
from runner.model.terms import Entity, Folder, Operation, Private

TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
Responder = Callable[[BaseHTTPRequestHandler, bytes], None]


@dataclass
class Answer:
    """A whole HTTP answer."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, handler: BaseHTTPRequestHandler, request: bytes) -> None:
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(self.body)


class Canned:
    """The server. ``script`` answers in turn; ``always`` answers when the script is used up."""

    def __init__(self) -> None:
        self.script: list[Responder] = []
        self.always: Responder | None = None
        self.requests: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((dict(self.headers), body))
                responder = outer.script.pop(0) if outer.script else outer.always
                assert responder is not None, "the test told the server no further answer"
                responder(self, body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/EWS/Exchange.asmx"

    def asked(self, operation: str) -> list[bytes]:
        return [body for _, body in self.requests if f"<m:{operation}".encode() in body]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def hang_up(handler: BaseHTTPRequestHandler, request: bytes) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def soap(body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
        '<s:Header><h:ServerVersionInfo MajorVersion="15" MinorVersion="2" MajorBuildNumber="2562" '
        'MinorBuildNumber="17" Version="V2017_07_11" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/>'
        f'</s:Header><s:Body xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">{body}</s:Body></s:Envelope>'
    ).encode()


def response(operation: str, *messages: str) -> bytes:
    return soap(
        f"<m:{operation}Response><m:ResponseMessages>{''.join(messages)}</m:ResponseMessages></m:{operation}Response>"
    )


def success(operation: str, content: str = "", attributes: str = "") -> str:
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Success"{attributes}><m:ResponseCode>NoError</m:ResponseCode>'
        f"{content}</m:{operation}ResponseMessage>"
    )


def failure(operation: str, code: str, extra: str = "") -> str:
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Error"><m:MessageText>Some text.</m:MessageText>'
        f"<m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{extra}"
        f"</m:{operation}ResponseMessage>"
    )


def fault(code: str, message_xml: str = "") -> bytes:
    return soap(
        '<s:Fault xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><faultcode>a:' + code + "</faultcode>"
        '<faultstring xml:lang="en-US">The server says no.</faultstring><detail>'
        f'<e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">{code}</e:ResponseCode>'
        '<e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">The server says no.</e:Message>'
        f"{message_xml}</detail></s:Fault>"
    )


def folder_answer(*ids: str) -> bytes:
    return response(
        "GetFolder",
        *(
            success("GetFolder", f'<m:Folders><t:CalendarFolder><t:FolderId Id="{i}"/></t:CalendarFolder></m:Folders>')
            for i in ids
        ),
    )


def item(
    *,
    key: str = "AAMk1",
    version: str = "CQAA1",
    start: str = "2026-06-01T08:00:00Z",
    end: str = "2026-06-01T09:30:00Z",
    zone: str | None = "W. Europe Standard Time",
    all_day: bool = False,
    extra: str = "",
    kind: str = "Single",
) -> str:
    zones = f'<t:StartTimeZone Id="{zone}"/><t:EndTimeZone Id="{zone}"/>' if zone is not None else ""
    return (
        f'<t:CalendarItem xmlns:t="{TYPES}"><t:ItemId Id="{key}" ChangeKey="{version}"/>{extra}'
        f"<t:LastModifiedTime>2026-05-04T12:13:14Z</t:LastModifiedTime><t:UID>UID-{key}</t:UID>"
        f"<t:Start>{start}</t:Start><t:End>{end}</t:End><t:IsAllDayEvent>{str(all_day).lower()}</t:IsAllDayEvent>"
        f"<t:IsMeeting>false</t:IsMeeting><t:CalendarItemType>{kind}</t:CalendarItemType>{zones}</t:CalendarItem>"
    )


def items_answer(*items: str) -> bytes:
    return response("GetItem", *(success("GetItem", f"<m:Items>{one}</m:Items>") for one in items))


def plan_for(url: str, **changes: Any) -> ExchangePlan:
    auth = AuthPlan(changes.pop("auth", "basic"), changes.pop("username", "svc-exsync"), SecretRef("env", "P", "t:1:1"))
    defaults: dict[str, Any] = {"timeout": timedelta(seconds=10), "access": "impersonation"}
    return ExchangePlan(name="hq", endpoint=url, auth=auth, rule="hq.yaml:3:1", **(defaults | changes))


TASKS: dict[str, Any] = {
    "name": "hq/ann.lee@example.com/tasks",
    "folder": Folder.TASKS,
    "entity": Entity.TASK,
    "record_fields": frozenset(TASK),
}
CONTACTS: dict[str, Any] = {
    "name": "hq/ann.lee@example.com/contacts",
    "folder": Folder.CONTACTS,
    "entity": Entity.CONTACT,
    "record_fields": frozenset(CONTACT),
}


def link_to(user: str = "ann.lee@example.com", **changes: Any) -> LinkRef:
    defaults: dict[str, Any] = {
        "name": f"hq/{user}/calendar",
        "target": "hq",
        "user": user,
        "folder": Folder.CALENDAR,
        "entity": Entity.SCHEDULE_ITEM,
        "time_zone": "Europe/Vienna",
        "record_fields": frozenset(SCHEDULE_ITEM),
        "crm_fields": frozenset(),
        "private": Private.SYNC,
    }
    return LinkRef(**(defaults | changes))


CREATED = response(
    "CreateItem",
    success("CreateItem", '<m:Items><t:CalendarItem><t:ItemId Id="new" ChangeKey="CQ1"/></t:CalendarItem></m:Items>'),
)
CREATE = Write(
    Operation.CREATE,
    None,
    None,
    {
        "title": "x",
        "start": "2026-06-01T10:00:00",
        "time_zone": "Europe/Vienna",
        "duration": "PT1H",
        "show_without_time": False,
    },
    frozenset({"title", "start", "time_zone", "duration", "show_without_time"}),
    stamp="s",
)
"""A create as a connector writes it, and its answer."""
