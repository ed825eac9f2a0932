"""What no schema can say: names that must exist or be unique, and values that must mean something.

Every check works on the sound parts of the documents, so that its findings come together with the schemas'.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import available_timezones

from runner.config.attachments import check_attachments
from runner.config.documents import Document
from runner.config.findings import Findings, did_you_mean, suggestion
from runner.config.occurrences import check_occurrences
from runner.config.online import END_OF_EWS, is_online
from runner.config.participants import check_participants
from runner.config.secrets import SecretRef
from runner.config.yamlsource import Path, pointer
from runner.model.moments import zone_of
from runner.model.terms import Direction

TARGET_KINDS = ("exchange", "ldap")
UNOWNED = ("user", "group")
"""Entities whose records no user holds."""
_PASSWORD_PARAMETERS = ("password", "passwd", "pwd", "sslpassword")


@dataclass(slots=True)
class Catalogue:
    """The documents by what they are. ``complete`` is False when a file could not even be told what it is."""

    crm: Document | None = None
    service: Document | None = None
    targets: list[Document] = field(default_factory=list)
    mappings: dict[str, Document] = field(default_factory=dict)
    complete: bool = True


def catalogue(documents: Iterable[Document], *, complete: bool, findings: Findings, top: Document | None) -> Catalogue:
    """Sort documents by kind; exactly one CRM, and no name given twice. ``top`` is any document, for lack of a place."""
    found = Catalogue(complete=complete)
    servers: dict[str, Document] = {}
    for document in documents:
        name = document.name
        if document.kind == "mapping":
            _unique(document, found.mappings, "mapping", findings)
            continue
        if document.kind == "service":
            found.service = document
            continue
        if document.kind == "crm":
            if found.crm is None:
                found.crm = document
            else:
                _second_crm(document, found.crm, findings)
        elif document.kind in TARGET_KINDS:
            found.targets.append(document)
        if name is not None:
            _unique(document, servers, "target", findings)
        if document.kind not in ("crm", *TARGET_KINDS) or name is None:
            found.complete = False
    if any(document.name is None for document in found.mappings.values()):
        found.complete = False
    if found.crm is None and found.complete and top is not None:
        findings.error(
            "no-crm",
            "no document of kind crm: there is nothing to keep the targets in step with",
            top.source.key_span(("kind",)),
            hint="write targets.d/crm.yaml; `exsync schema target` prints what belongs in it",
        )
    return found


def _unique(document: Document, known: dict[str, Document], noun: str, findings: Findings) -> None:
    name = document.name
    if name is None:
        return
    first = known.setdefault(name, document)
    if first is not document:
        findings.error(
            "duplicate-name",
            f"a {noun} {name!r} is already described in {first.rule('name')}",
            document.span("name"),
            hint="names are identities in state and commands: choose another",
            pointer="/name",
            related=first.span("name"),
        )


def _second_crm(document: Document, first: Document, findings: Findings) -> None:
    findings.error(
        "two-crms",
        f"a second document of kind crm; the first is {first.rule('kind')}",
        document.span("kind"),
        hint="one CRM per deployment: run a second exsync for a second CRM",
        pointer="/kind",
        related=first.span("kind"),
    )


def secret_of(document: Document, path: tuple[str, ...], root: FilePath) -> SecretRef:
    """The reference to a secret at a path; files are taken from the root."""
    given: Any = document.data
    for part in path:
        given = given[part]
    ((kind, name),) = given.items()
    return SecretRef(kind, str(root / name) if kind == "file" else name, document.rule(*path))


def check_crm(document: Document, findings: Findings) -> None:
    """The URL holds no password, the zone exists, and no field writes what is ours or the database's to write."""
    url = document.data.get("url")
    if isinstance(url, str):
        _check_password(document, url, findings)
    _check_zone(document, ("time_zone",), findings)
    for entity, described in (document.data.get("entities") or {}).items():
        if isinstance(described, dict):
            _check_owners(document, entity, described, findings)
            _check_columns(document, entity, described, findings)
            check_occurrences(document, entity, described, findings)
            check_participants(document, entity, described, findings)
            check_attachments(document, entity, described, findings)


def _check_password(document: Document, url: str, findings: Findings) -> None:
    split = _split(url)
    parameters = unquote(split.query).lower() if split else ""
    if split is None or split.password or any(f"{word}=" in parameters for word in _PASSWORD_PARAMETERS):
        findings.error(
            "secret-literal",
            "the database URL holds a password in clear, or cannot be told not to",
            document.span("url"),
            hint="write url: {env: EXSYNC_CRM_URL}, and change the password that stood here",
            pointer="/url",
        )


def _check_owners(document: Document, entity: str, described: dict[str, Any], findings: Findings) -> None:
    """A record is held by somebody, and by one column at most; what a feed cannot see is said."""
    path: Path = ("entities", entity)
    if entity in UNOWNED:
        _check_unowned(document, entity, described, findings)
        return
    if "owner" in described and "owners" in described:
        findings.error(
            "two-owners",
            f"{entity} has both owner and owners",
            document.source.key_span((*path, "owner")),
            hint=f"make it one of the ways: - {{column: {described['owner']}}}",
            pointer=pointer((*path, "owner")),
            related=document.source.key_span((*path, "owners")),
        )
    refused = any(document.is_broken(*path, key) for key in ("owner", "owners"))
    if not refused and "owner" not in described and "owners" not in described:
        findings.error(
            "no-owner",
            f"nothing says which user holds a record of {entity}",
            document.source.key_span(path),
            hint="add owner: with a column of the row, or owners: with tables that relate records to users",
            pointer=pointer(path),
        )
    ways = [(index, way) for index, way in enumerate(described.get("owners") or ()) if isinstance(way, dict)]
    columns = [index for index, way in ways if "column" in way]
    for index in columns[1:]:
        findings.error(
            "two-owners",
            f"{entity} has two owner columns",
            document.source.key_span((*path, "owners", index, "column")),
            hint="keep one column, and relate further users by a table",
            pointer=pointer((*path, "owners", index)),
            related=document.span(*path, "owners", columns[0], "column"),
        )
    related = [index for index, way in ways if "column" not in way]
    for index, way in ways:
        if way.get("table", 0) == described.get("table"):
            findings.error(
                "bad-value",
                f"{described['table']!r} is the {entity}'s own table, not one that relates it to users",
                document.span(*path, "owners", index, "table"),
                hint="write - {column: ...} for a column of the record",
                pointer=pointer((*path, "owners", index, "table")),
            )
    if related and document.data.get("feed") == "version_column":
        findings.warning(
            "relation-unseen",
            f"a row that comes or goes in a table of owners is not seen by feed: version_column, unless the {entity}'s own "
            "row changes too",
            document.span(*path, "owners", related[0]),
            hint="use feed: outbox, or let the CRM touch the record whenever it is assigned",
            pointer=pointer((*path, "owners", related[0])),
        )


def _check_unowned(document: Document, entity: str, described: dict[str, Any], findings: Findings) -> None:
    """Users and groups are nobody's; a user is the same row that addresses are looked up in, and what is unique is there."""
    path: Path = ("entities", entity)
    for key in ("owner", "owners"):
        if key in described:
            findings.error(
                "unowned",
                f"a {entity} is held by nobody",
                document.source.key_span((*path, key)),
                hint=f"leave {key} out",
                pointer=pointer((*path, key)),
            )
    users = document.get("users", "table")
    if entity == "user" and "table" in described and users is not None and described["table"] != users:
        findings.error(
            "two-user-tables",
            f"users are in {described['table']!r} here, and in {users!r} where their addresses are looked up",
            document.span(*path, "table"),
            hint="name the same table",
            pointer=pointer((*path, "table")),
            related=document.span("users", "table"),
        )
    fields, unique = described.get("fields"), described.get("unique")
    if isinstance(fields, dict) and isinstance(unique, str) and unique not in fields:
        findings.error(
            "unknown-field",
            f"the {entity} has no CRM field {unique!r}",
            document.span(*path, "unique"),
            hint=suggestion(unique, fields, "fields"),
            pointer=pointer((*path, "unique")),
        )


def _check_columns(document: Document, entity: str, described: dict[str, Any], findings: Findings) -> None:
    soft_delete = described.get("soft_delete")
    ours: dict[str, str] = {str(described[role]): role for role in ("key", "version", "owner") if role in described}
    for way in described.get("owners") or ():
        if isinstance(way, dict) and "column" in way:
            ours[str(way["column"])] = "owner"
    if isinstance(soft_delete, dict) and "column" in soft_delete:
        ours[str(soft_delete["column"])] = "soft_delete"
    fields = described.get("fields")
    taken: dict[str, Path] = {}
    for name, given in (fields if isinstance(fields, dict) else {}).items():
        long = given if isinstance(given, dict) else {"type": given}
        path: Path = ("entities", entity, "fields", name)
        column = str(long.get("column", name))
        if "max_length" in long and long.get("type") not in ("text", "keywords", None):
            findings.error(
                "bad-value",
                f"max_length belongs to text, not to {long['type']}",
                document.source.key_span((*path, "max_length")),
                hint="leave it out",
                pointer=pointer((*path, "max_length")),
            )
        if not long.get("writable", True):
            continue
        if column in ours:
            findings.error(
                "reserved-column",
                f"the field {name!r} would write {column!r}, the entity's {ours[column]} column",
                document.source.key_span(path),
                hint="add writable: false, or leave the field out",
                pointer=pointer(path),
            )
        first = taken.setdefault(column, path)
        if first != path:
            findings.error(
                "duplicate-column",
                f"the fields {first[-1]!r} and {name!r} both write the column {column!r}",
                document.source.key_span(path),
                hint="keep one of them, or make one writable: false",
                pointer=pointer(path),
                related=document.source.key_span(first),
            )


def check_exchange(document: Document, findings: Findings, *, has_file: bool) -> None:
    """The endpoint is one to speak to, zones exist, and contacts flow out only. ``has_file``: ``ca_file`` is there."""
    endpoint = document.data.get("endpoint")
    if isinstance(endpoint, str):
        _check_endpoint(document, endpoint, findings)
    looked_up = document.data.get("autodiscover")
    if isinstance(looked_up, str):
        _check_endpoint(document, looked_up, findings, "autodiscover")
    if looked_up and endpoint is not None:
        hint = "leave one of them out: endpoint is one fixed server, autodiscover looks each mailbox up"
        findings.error("two-endpoints", "both endpoint and autodiscover are given", document.span("autodiscover"), hint=hint,
                       pointer="/autodiscover")  # fmt: skip
    if not has_file:
        findings.warning(
            "ca-file-missing",
            "there is no such file below the configuration's root",
            document.span("ca_file"),
            hint="without it no connection to this target can be trusted",
            pointer="/ca_file",
        )
    for path in document.source.values:
        if path[-1:] == ("time_zone",):
            _check_zone(document, path, findings)
        elif path[-3:-1] == ("folders", "contacts") and path[-1] == "direction":
            _check_contacts(document, path, findings)
    if not document.data.get("links") and not document.is_broken("links"):
        findings.warning(
            "no-links",
            f"the target {document.name!r} has no links: nothing is synchronised",
            document.source.key_span(("links",)) if "links" in document.data else document.span("name"),
            hint="list mailboxes under links:",
            pointer="/links",
        )


def _check_endpoint(document: Document, endpoint: str, findings: Findings, key: str = "endpoint") -> None:
    span, place = document.span(key), f"/{key}"
    split = _split(endpoint)
    host = (split.hostname or "") if split else ""
    if split is None or not host:
        hint = "for example https://mail.example.com/EWS/Exchange.asmx"
        findings.error("bad-endpoint", "the endpoint is not a URL with a host", span, hint=hint, pointer=place)
        return
    if split.password or split.username:
        hint = "put the account under auth:, and change the password that stood here"
        findings.error("secret-literal", "the endpoint holds an account in clear", span, hint=hint, pointer=place)
    if split.scheme == "http" and not is_loopback(host):
        findings.error(
            "plain-http",
            f"the endpoint on {host} is not https: passwords and mail would cross the network in clear",
            span,
            hint="write https://; for a private authority add ca_file:",
            pointer=place,
        )
    if is_online(host):
        findings.warning(
            "exchange-online-retired",
            f"{host} is Exchange Online, where EWS ends on {END_OF_EWS}: this target stops working then",
            span,
            hint="plan the move; exsync speaks EWS, which stays with Exchange Server",
            pointer=place,
        )


def _check_contacts(document: Document, path: Path, findings: Findings) -> None:
    word = document.source.value(path)
    if word in (Direction.INBOUND.value, Direction.BOTH.value):
        findings.error(
            "contacts-outbound-only",
            f"contacts cannot be {word!r}: they go from the CRM to mailboxes only, and what users add in Outlook never "
            "reaches the CRM (B-1)",
            document.span(*path),
            hint="write direction: outbound",
            pointer=pointer(path),
        )


def _check_zone(document: Document, path: Path, findings: Findings) -> None:
    zone = document.get(*path)
    if not isinstance(zone, str):
        return
    try:
        zone_of(zone)
    except ValueError:
        findings.error(
            "unknown-time-zone",
            f"unknown time zone {zone!r}",
            document.span(*path),
            hint=did_you_mean(zone, _zones()) or "use an IANA name such as Europe/Vienna",
            pointer=pointer(path),
        )


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _split(url: str) -> SplitResult | None:
    try:
        split = urlsplit(url)
        _ = split.port  # Raises for a port that is none.
    except ValueError:
        return None
    return split


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
