"""Documents of ``kind: ldap``: what no schema can say about them, their links, and their part of the plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import urlsplit

from runner.config.documents import Document
from runner.config.durations import timedelta_of
from runner.config.findings import Findings, suggestion
from runner.config.links import ResolvedLink
from runner.config.plan import DirectoryScope, LdapAuth, LdapPlan, NotificationsPlan
from runner.config.references import is_loopback, secret_of
from runner.config.settings import ENTITY_OF, Levels, resolve
from runner.config.yamlsource import Path, pointer
from runner.mapping.compiled import CompiledMapping
from runner.model.record import SCHEMAS
from runner.model.terms import Folder
from runner.reconcile.membership import LAST, GroupRule

FOLDERS = (Folder.USERS, Folder.GROUPS)
COMPUTED = frozenset({"groups", "template", "directory", "managed", "synchronize_users", "priority", "parents"})
"""Record fields that no attribute gives."""
MEMBERS = "members"
"""Besides the record fields: the attributes that list a group's members."""


def check_ldap(document: Document, findings: Findings, *, has_file: bool) -> None:
    """The server is one to speak to, filters and DNs can be read, nothing but inbound is asked for, rules name one group."""
    _check_url(document, findings)
    if not has_file:
        findings.warning(
            "ca-file-missing",
            "there is no such file below the configuration's root",
            document.span("ca_file"),
            hint="without it no connection to this target can be trusted",
            pointer="/ca_file",
        )
    for folder in FOLDERS:
        part = document.get(folder.value)
        if isinstance(part, dict):
            _check_direction(document, (folder.value, "direction"), findings)
            _check_filter(document, (folder.value, "filter"), findings)
            _check_attributes(document, folder, part, findings)
    _check_rules(document, findings)


def _check_url(document: Document, findings: Findings) -> None:
    url = document.data.get("url")
    if not isinstance(url, str):
        return
    span, start_tls = document.span("url"), document.data.get("start_tls")
    try:
        split = urlsplit(url)
        host = split.hostname or ""
        _ = split.port  # Raises for a port that is none.
    except ValueError:
        host = ""
    if not host:
        hint = "for example ldaps://dc1.example.com"
        findings.error(
            "bad-endpoint", "the url has no host, or no port that could be one", span, hint=hint, pointer="/url"
        )
    elif split.scheme == "ldap" and not start_tls and not is_loopback(host):
        findings.error(
            "plain-ldap",
            f"the connection to {host} has no TLS: the password and everything read would cross the network in clear",
            span,
            hint="write ldaps://, or add start_tls: true; for a private authority add ca_file:",
            pointer="/url",
        )
    elif split.scheme == "ldaps" and start_tls:
        findings.error(
            "two-tls",
            "start_tls goes with ldap://; ldaps:// has TLS from the start",
            document.source.key_span(("start_tls",)),
            hint="leave start_tls out",
            pointer="/start_tls",
        )


def _check_direction(document: Document, path: Path, findings: Findings) -> None:
    word = document.get(*path)
    if word is not None and word != "inbound":
        findings.error(
            "ldap-inbound-only",
            f"a directory cannot be {word!r}: it says who people are, and is never written from the CRM (B-3)",
            document.span(*path),
            hint="leave direction out",
            pointer=pointer(path),
        )


def _check_filter(document: Document, path: Path, findings: Findings) -> None:
    text = document.get(*path)
    if isinstance(text, str) and (fault := filter_fault(text)) is not None:
        findings.error(
            "bad-filter",
            f"the filter cannot be read: {fault}",
            document.span(*path),
            hint="write it as in RFC 4515, such as (&(objectClass=person)(mail=*)); a literal ( or ) or * is \\28 \\29 \\2a",
            pointer=pointer(path),
        )


def filter_fault(text: str) -> str | None:
    """What keeps a text from being a filter (RFC 4515), as far as parentheses and comparisons go; None when nothing does."""

    def one(at: int) -> int:
        if at >= len(text) or text[at] != "(":
            raise ValueError(f"'(' expected at character {at + 1}")
        at += 1
        if at < len(text) and text[at] in "&|!":
            only, at, parts = text[at] == "!", at + 1, 0
            while at < len(text) and text[at] == "(":
                at, parts = one(at), parts + 1
            if parts == 0 or (only and parts != 1):
                raise ValueError(f"{'one part' if only else 'a part'} expected at character {at + 1}")
        else:
            end = at
            while end < len(text) and text[end] not in "()":
                end += 1
            name, sign, _ = text[at:end].partition("=")
            if not sign or not name.strip("<>~:"):
                raise ValueError(f"a comparison such as name=value expected at character {at + 1}")
            at = end
        if at >= len(text) or text[at] != ")":
            raise ValueError(f"')' expected at character {at + 1}")
        return at + 1

    try:
        end = one(0)
    except ValueError as error:
        return str(error)
    return None if end == len(text) else f"nothing expected after character {end}"


def _check_attributes(document: Document, folder: Folder, part: Mapping[str, Any], findings: Findings) -> None:
    fields = SCHEMAS[ENTITY_OF[folder]].keys() - COMPUTED
    known = fields | {MEMBERS} if folder is Folder.GROUPS else fields
    given = part.get("attributes")
    for name in given if isinstance(given, dict) else ():
        if name not in known:
            path: Path = (folder.value, "attributes", name)
            findings.error(
                "unknown-field",
                f"no attribute can give the record field {name!r}",
                document.source.key_span(path),
                hint=suggestion(str(name), known, "fields"),
                pointer=pointer(path),
            )


def _check_rules(document: Document, findings: Findings) -> None:
    rules = document.data.get("group_mapping")
    if not isinstance(rules, list):
        return
    if not isinstance(document.data.get("groups"), dict) and not document.is_broken("groups"):
        findings.error(
            "no-groups",
            "group_mapping needs to know where groups are",
            document.source.key_span(("group_mapping",)),
            hint="add groups: with bases:",
            pointer="/group_mapping",
        )
    seen: dict[str, Path] = {}
    for index, rule in enumerate(rules):
        if not isinstance(rule, dict):
            continue
        path: Path = ("group_mapping", index)
        named = [key for key in ("group", "pattern") if key in rule]
        if len(named) != 1 and not document.is_broken(*path):
            findings.error(
                "group-unnamed",
                "a rule is about one group, or about one pattern",
                document.span(*path),
                hint="write either group: (a name or a DN) or pattern:",
                pointer=pointer(path),
            )
            continue
        key = f"{named[0]} {str(rule[named[0]]).casefold()}" if named else ""
        first = seen.setdefault(key, path)
        if first != path:
            findings.error(
                "duplicate-group",
                f"{rule[named[0]]!r} has a rule already, in {document.rule(*first)}",
                document.span(*path),
                hint="keep one of them",
                pointer=pointer(path),
                related=document.span(*first),
            )


def resolve_directory(document: Document, *, time_zone: str, findings: Findings) -> list[ResolvedLink]:
    """A directory's links, at most two: its users, and its groups when they have a mapping."""
    return list(_links(document, time_zone, findings))


def _links(document: Document, time_zone: str, findings: Findings) -> Iterator[ResolvedLink]:
    data = document.data
    for folder in FOLDERS:
        part = data.get(folder.value)
        if not isinstance(part, dict) or document.name is None:
            continue
        if folder is Folder.GROUPS and "mapping" not in part:
            continue
        levels = Levels(document, folder, [(folder.value,)])
        guards = Levels(document, folder, [(), (folder.value,)])
        enabled = bool(data.get("enabled", True))
        settings = resolve(levels, guards, enabled=enabled, time_zone=time_zone, findings=findings)
        if settings is not None:
            span = document.span(folder.value)
            scope = _scope_digest(data, folder)
            yield ResolvedLink(document.name, "", folder, settings, str(span), span, scope=scope)


def _scope_digest(data: Mapping[str, Any], folder: Folder) -> str:
    asked = [data.get(folder.value), data.get("groups"), data.get("group_mapping"), data.get("url")]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:32]


def check_templates(document: Document, crm: Document, findings: Findings) -> None:
    """Templates that group rules name are described by the CRM, where it describes any."""
    known = crm.get("entities", "user", "templates")
    rules = document.data.get("group_mapping")
    if not isinstance(known, dict) or not isinstance(rules, list):
        return
    for index, rule in enumerate(rules):
        template = rule.get("template") if isinstance(rule, dict) else None
        if isinstance(template, str) and template not in known:
            path: Path = ("group_mapping", index, "template")
            findings.error(
                "unknown-template",
                f"the CRM describes no user template {template!r}",
                document.span(*path),
                hint=suggestion(template, known, "templates"),
                pointer=pointer(path),
                related=crm.source.key_span(("entities", "user", "templates")),
            )


def check_inbound(
    document: Document, links: list[ResolvedLink], mappings: Mapping[str, CompiledMapping], findings: Findings
) -> None:
    """Entries of a directory's mapping can flow into the CRM: one that only flows out would do nothing, in silence."""
    for link in links:
        mapping = mappings.get(link.settings.mapping)
        if mapping is not None and not any(unit.direction.value in ("both", "inbound") for unit in mapping.units):
            path = link.settings.mapping_path
            findings.error(
                "nothing-inbound",
                f"no entry of the mapping {mapping.name!r} flows into the CRM",
                document.span(*path),
                hint="leave direction out of its entries",
                pointer=pointer(path),
            )


def compile_ldap(document: Document, root: FilePath) -> LdapPlan:
    """One directory's part of the plan."""
    data, auth = document.data, document.data["auth"]
    optional: dict[str, Any] = {
        name: data[name] for name in ("start_tls", "incremental", "enabled", "paused") if name in data
    }
    optional |= {n: timedelta_of(data[n]) for n in ("timeout", "connect_timeout", "full_every") if n in data}
    if "page" in data:
        optional["page"] = int(data["page"])
    if "interval" in data:
        optional["notifications"] = NotificationsPlan("poll", poll=timedelta_of(data["interval"]))
    return LdapPlan(
        name=data["name"],
        url=data["url"],
        auth=LdapAuth(
            auth["type"],
            auth.get("username", ""),
            secret_of(document, ("auth", "password"), root) if "password" in auth else None,
        ),
        rule=document.rule(),
        users=_scope(document, "users"),
        groups=_scope(document, "groups") if "groups" in data else None,
        group_rules=tuple(_rule(document, index, rule) for index, rule in enumerate(data.get("group_mapping", ()))),
        ca_file=str(root / data["ca_file"]) if "ca_file" in data else None,
        **optional,
    )


def _scope(document: Document, part: str) -> DirectoryScope:
    given = document.data[part]
    attributes = {
        name: (names,) if isinstance(names, str) else tuple(names)
        for name, names in given.get("attributes", {}).items()
    }
    return DirectoryScope(
        bases=tuple(given["bases"]),
        scope=given.get("scope", "subtree"),
        filter=given.get("filter"),
        attributes=attributes,
        rule=document.rule(part),
    )


def _rule(document: Document, index: int, given: Mapping[str, Any]) -> GroupRule:
    return GroupRule(
        group=given.get("group"),
        pattern=given.get("pattern"),
        synchronize_users=given["synchronize_users"],
        rule=document.rule("group_mapping", index),
        description=given.get("description"),
        template=given.get("template"),
        priority=int(given.get("priority", LAST)),
    )
