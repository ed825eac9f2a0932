"""Entries → records of users and groups: attribute by attribute, without the schema's help."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.connectors.ldap.kinds import Kind
from runner.connectors.ldap.port import Entry
from runner.model.directory import Participant
from runner.model.errors import Invalid
from runner.model.items import LinkRef
from runner.model.record import Fields, Value
from runner.reconcile.membership import LAST, Effect, Standing

ACCOUNT_DISABLED = 0x2
"""The bit of ``userAccountControl`` (MS-ADTS 2.2.16)."""
_ADDRESS = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
_TRUE = frozenset({"true", "yes", "1", "000001010000z"})
_EMAILS = frozenset({"email", "emails"})


@dataclass(frozen=True, slots=True)
class UserRecords:
    """Makes users' records for one link."""

    kind: Kind
    attributes: Mapping[str, tuple[str, ...]]
    """Record field → attributes, the server's usual ones with the configuration's in their place."""
    link: LinkRef
    target: str

    @property
    def wanted(self) -> tuple[str, ...]:
        """Attributes to ask for."""
        needed = {*self.link.record_fields, "login"}
        named = [name for field, names in self.attributes.items() if field in needed for name in names]
        named += self.attributes.get("emails", ()) if needed & _EMAILS else ()
        own = (*self.kind.identities, *self.kind.versions, *self.kind.further, "objectSid")
        return tuple(dict.fromkeys([*named, *own]))

    def login(self, entry: Entry) -> str | None:
        """The log-on name, lower case: no directory tells two apart by their case."""
        text = self._text(entry, "login")
        return text.lower() if text else None

    def participant(self, entry: Entry, login: str | None) -> Participant:
        """A user who takes part, by his main address, or with what he lacks for a link (B-73)."""
        if login is None:
            return Participant(entry.dn, None, f"no log-on name (attribute {self._named('login')})")
        emails = self._emails(entry)
        address = next((address for address, word in emails.items() if word == "main"), None)
        lacks = "" if address else f"no e-mail address (attribute {self._named('emails')})"
        return Participant(login, address, lacks)

    def record(self, entry: Entry, effect: Effect) -> Fields:
        """The record with the fields that the link needs. Raises ``Invalid`` for an entry that is no user to the CRM."""
        login = self.login(entry)
        if login is None:
            raise Invalid(f"{entry.dn} has no log-on name (attribute {self._named('login')})", code="no-login")
        emails = self._emails(entry) if self.link.record_fields & _EMAILS else {}
        computed: dict[str, Value] = {
            "login": login,
            "email": next((address for address, word in emails.items() if word == "main"), None),
            "emails": dict(sorted(emails.items())) or None,
            "disabled": self._disabled(entry),
            "groups": tuple(sorted(effect.groups)) or None,
            "template": effect.template,
            "directory": self.target,
            "managed": tuple(sorted(self.link.managed)) or None,
        }
        return {
            name: computed[name] if name in computed else self._text(entry, name)
            for name in sorted(self.link.record_fields)
        }

    def _named(self, field: str) -> str:
        return " or ".join(self.attributes.get(field, ()))

    def _text(self, entry: Entry, field: str) -> str | None:
        return _first(entry, self.attributes.get(field, ()))

    def _emails(self, entry: Entry) -> dict[str, str]:
        """Address → ``main`` or ``other``. Exchange marks the main one of ``proxyAddresses`` by capitals: ``SMTP:``."""
        plain: list[str] = []
        main: str | None = None
        for name in self.attributes.get("emails", ()):
            for text in entry.texts(name):
                scheme, sign, rest = text.partition(":")
                if sign and scheme.lower() != "smtp":
                    continue  # X400, SIP and others are no mail addresses
                address = (rest if sign else text).strip().lower()
                if not _ADDRESS.fullmatch(address):
                    continue
                if scheme == "SMTP" and sign and main is None:
                    main = address
                plain.append(address)
        main = main or next(iter(plain), None)
        return {address: "main" if address == main else "other" for address in plain}

    def _disabled(self, entry: Entry) -> bool:
        for name in self.attributes.get("disabled", ()):
            text = (entry.text(name) or "").strip().lower()
            if name.lower() == "useraccountcontrol" and text.lstrip("-").isdecimal():
                return bool(int(text) & ACCOUNT_DISABLED)
            if text in _TRUE:
                return True
        return False


def group_record(standing: Standing, parents: Sequence[str], link: LinkRef, target: str) -> Fields:
    """A group's record with the fields that the link needs."""
    rule, group = standing.rule, standing.group
    computed: dict[str, Value] = {
        "name": group.name,
        "description": (rule.description if rule else None) or group.described,
        "synchronize_users": bool(rule and rule.synchronize_users),
        "template": rule.template if rule else None,
        "priority": rule.priority if rule and rule.priority != LAST else None,
        "parents": tuple(sorted(parents)) or None,
        "directory": target,
        "managed": tuple(sorted(link.managed)) or None,
    }
    return {name: computed[name] for name in sorted(link.record_fields)}


def _first(entry: Entry, names: Sequence[str]) -> str | None:
    """The first attribute that has a value, as canonical text."""
    for name in names:
        text = entry.text(name)
        if text is not None and (kept := text.replace("\r\n", "\n").replace("\r", "\n").strip()):
            return kept
    return None
