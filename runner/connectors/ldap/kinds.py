"""Kinds of directory server: how they name users, groups, identities and versions.

Active Directory is told by a capability in its rootDSE (MS-ADTS 3.1.1.3.2.13); everything else is taken for a server of RFC
4512 with the operational attributes of RFC 4530 (``entryUUID``) and OpenLDAP (``entryCSN``).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from runner.connectors.ldap.port import Entry

ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"
_PRIMARY = "primarygroupid"
_GUID = re.compile("[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

_SHARED: dict[str, tuple[str, ...]] = {
    "given_name": ("givenName",),
    "surname": ("sn",),
    "initials": ("initials",),
    "department": ("department", "ou"),
    "company": ("company", "o"),
    "job_title": ("title",),
    "office": ("physicalDeliveryOfficeName",),
    "employee_number": ("employeeNumber", "employeeID"),
    "language": ("preferredLanguage",),
    "description": ("description",),
    "phone_business": ("telephoneNumber",),
    "phone_mobile": ("mobile",),
    "fax_business": ("facsimileTelephoneNumber",),
    "street": ("streetAddress", "street"),
    "city": ("l",),
    "region": ("st",),
    "postcode": ("postalCode",),
    "country": ("co", "c"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of server. Attribute names are lower case where they are read, as written where they are asked for."""

    name: str
    identities: tuple[str, ...]
    versions: tuple[str, ...]
    users: str
    """Filter."""
    groups: str
    user_attributes: Mapping[str, tuple[str, ...]]
    group_attributes: Mapping[str, tuple[str, ...]]
    further: tuple[str, ...] = ()
    """Attributes of users that say in which groups they are beside the groups' own lists."""

    def identity(self, entry: Entry) -> str | None:
        """The identity that no rename and no move changes, as text; None when the server does not give it."""
        for name in self.identities:
            values = entry.attributes.get(name.lower())
            if values:
                if name == "objectGUID":
                    return str(uuid.UUID(bytes_le=values[0])) if len(values[0]) == 16 else None
                return values[0].decode("ascii", "replace").lower()
        return None

    def is_identity(self, text: str) -> bool:
        """Whether a text can be an identity at all; Active Directory refuses to look for one that cannot."""
        return self.identities != ("objectGUID",) or _GUID.fullmatch(text) is not None

    def version(self, entry: Entry) -> str:
        """What moves on with every change of the entry on this server."""
        return next((text for name in self.versions if (text := entry.text(name))), "")

    def primary(self, entry: Entry) -> str | None:
        """The number (RID) of the primary group, which lists its members nowhere."""
        return entry.text(_PRIMARY)


AD = Kind(
    name="active_directory",
    identities=("objectGUID",),
    versions=("uSNChanged",),
    users="(&(objectCategory=person)(objectClass=user))",
    groups="(objectClass=group)",
    user_attributes=MappingProxyType(
        _SHARED
        | {
            "login": ("sAMAccountName",),
            "full_name": ("displayName", "cn"),
            "emails": ("mail", "proxyAddresses"),
            "disabled": ("userAccountControl",),
        }
    ),
    group_attributes=MappingProxyType(
        {"name": ("cn",), "description": ("description",), "members": ("member",)},
    ),
    further=("primaryGroupID",),
)
STANDARD = Kind(
    name="standard",
    identities=("entryUUID", "nsUniqueId"),
    versions=("entryCSN", "modifyTimestamp"),
    users="(objectClass=inetOrgPerson)",
    groups="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
    user_attributes=MappingProxyType(
        _SHARED
        | {
            "login": ("uid",),
            "full_name": ("displayName", "cn"),
            "emails": ("mail", "mailAlternateAddress", "mailLocalAddress"),
            "disabled": ("nsAccountLock", "pwdAccountLockedTime"),
        }
    ),
    group_attributes=MappingProxyType(
        {"name": ("cn",), "description": ("description",), "members": ("member", "uniqueMember", "memberUid")},
    ),
)


def kind_of(root: Entry) -> Kind:
    """The kind of a server by its own description."""
    return AD if ACTIVE_DIRECTORY in root.texts("supportedCapabilities") else STANDARD


def rid_of(sid: bytes) -> str | None:
    """The last number of a binary security identifier (MS-DTYP 2.4.2.2): a group's number within its domain."""
    return str(int.from_bytes(sid[-4:], "little")) if len(sid) >= 12 else None


def domain_of(sid: bytes) -> bytes:
    """The part of a security identifier that all accounts of a domain share."""
    return sid[:-4]
