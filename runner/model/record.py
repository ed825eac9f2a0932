"""The neutral record: the fields of one entity, free of both protocols (RFC 8984 names in snake_case).

A record is a flat mapping from field name to a JSON-able *canonical* value, so that two records are equal exactly when
they mean the same, and a base can be kept as JSON and compared without parsing:

=================  ==========================================================================================
field type         canonical value
=================  ==========================================================================================
``text``           ``str``, newlines as ``\\n``, no trailing white space on the whole, never empty (``None`` instead)
``boolean``        ``bool``
``integer``        ``int``
``local_datetime``  ``"2026-03-29T10:00:00"`` (RFC 8984 LocalDateTime, whole seconds)
``date``           ``"2026-03-29"``
``instant``        ``"2026-03-29T08:00:00Z"`` (UTC, whole seconds)
``duration``       ``"PT1H30M"``, ``"P1D"`` (RFC 8984 Duration as :func:`runner.model.moments.duration_of` writes it)
``zone``           IANA name, ``"Europe/Vienna"``
``keywords``       ``tuple[str, ...]``, sorted, unique, never empty (``None`` instead)
``recurrence``     an RFC 5545 rule in canonical form (see ``model.recurrence``): ``"FREQ=WEEKLY;BYDAY=MO,WE"``
``overrides``      ``{recurrence id: patch}``, never empty (``None`` instead); see ``model.overrides``
``addresses``      ``{lower-case e-mail address: word}``, never empty (``None`` instead)
``files``          ``{name/digest: size}``, never empty (``None`` instead); see ``model.files``
=================  ==========================================================================================

Mappings are treated as immutable and keep their keys sorted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from runner.model.terms import Entity

Value = str | int | bool | tuple[str, ...] | Mapping[str, "Value"] | None
Fields = Mapping[str, Value]


class FieldType(StrEnum):
    """Types of record fields and of CRM fields (see the module's table)."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    LOCAL_DATETIME = "local_datetime"
    DATE = "date"
    INSTANT = "instant"
    DURATION = "duration"
    ZONE = "zone"
    KEYWORDS = "keywords"
    RECURRENCE = "recurrence"
    OVERRIDES = "overrides"
    ADDRESSES = "addresses"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of an entity's neutral record."""

    name: str
    type: FieldType
    doc: str
    values: tuple[str, ...] = ()
    """For closed vocabularies: every value the field may take."""
    writable: bool = True
    """False for what only the target may say (read into the CRM, never written back)."""
    overridable: bool = False
    """Whether an occurrence of a series may have a value of its own."""
    carried: bool = True
    """False for what no connector reads and writes yet: no mapping may name it, since it would be dropped in silence."""


def _specs(*specs: FieldSpec) -> Mapping[str, FieldSpec]:
    return MappingProxyType({spec.name: spec for spec in specs})


PRIORITY = "Exchange's importance as RFC 8984 priority: 1 high, 5 normal, 9 low"
PRIVACY = ("public", "personal", "private", "secret")

SCHEDULE_ITEM = _specs(
    FieldSpec("title", FieldType.TEXT, "Subject", overridable=True),
    FieldSpec(
        "description",
        FieldType.TEXT,
        "Body as plain text; the target's HTML stays untouched until it is written",
        overridable=True,
    ),
    FieldSpec("location", FieldType.TEXT, "Where, as free text", overridable=True),
    FieldSpec(
        "start",
        FieldType.LOCAL_DATETIME,
        "Start in the item's own zone; midnight when show_without_time; of a series, that of its first occurrence",
        overridable=True,
    ),
    FieldSpec("time_zone", FieldType.ZONE, "The item's own IANA zone; null when show_without_time", overridable=True),
    FieldSpec(
        "duration",
        FieldType.DURATION,
        "Length: exact time, or whole days when show_without_time",
        overridable=True,
    ),
    FieldSpec("show_without_time", FieldType.BOOLEAN, "All-day: dates, never instants (B-46)", overridable=True),
    FieldSpec("recurrence_rule", FieldType.RECURRENCE, "The pattern of a series; null for a single item (B-36)"),
    FieldSpec(
        "recurrence_overrides",
        FieldType.OVERRIDES,
        "What single occurrences of a series have of their own, and which are left out (B-36)",
    ),
    FieldSpec("priority", FieldType.INTEGER, PRIORITY, overridable=True),
    FieldSpec("privacy", FieldType.TEXT, "Sensitivity", values=PRIVACY),
    FieldSpec(
        "free_busy_status",
        FieldType.TEXT,
        "Free/busy",
        values=("free", "tentative", "busy", "out_of_office", "elsewhere"),
        overridable=True,
    ),
    FieldSpec("keywords", FieldType.KEYWORDS, "Categories", overridable=True),
    FieldSpec(
        "alert",
        FieldType.INTEGER,
        "Reminder: minutes before the start; null: none (B-43)",
        overridable=True,
    ),
    FieldSpec(
        "participants",
        FieldType.ADDRESSES,
        "Who is invited, the organizer left out, and as what",
        values=("required", "optional", "resource"),
    ),
    FieldSpec(
        "participant_names",
        FieldType.ADDRESSES,
        "Display names of participants, as shown",
        writable=False,
    ),
    FieldSpec(
        "responses",
        FieldType.ADDRESSES,
        "What each participant answered",
        values=("needs_action", "accepted", "tentative", "declined"),
        writable=False,
    ),
    FieldSpec(
        "organizer",
        FieldType.TEXT,
        "The organizer's address, lower case; null: no meeting",
        writable=False,
    ),
    FieldSpec(
        "my_response",
        FieldType.TEXT,
        "What the mailbox's user answered; organizer when the meeting is his",
        values=("organizer", "needs_action", "accepted", "tentative", "declined"),
        writable=False,
    ),
    FieldSpec("online_meeting_url", FieldType.TEXT, "Where to join online (B-44)", writable=False),
    FieldSpec("uid", FieldType.TEXT, "iCalendar UID, set by the target", writable=False),
    FieldSpec("attachments", FieldType.FILES, "Attached files, by name and content (B-45); of a series, its own"),
)

TASK = _specs(
    FieldSpec("title", FieldType.TEXT, "Subject"),
    FieldSpec("description", FieldType.TEXT, "Body as plain text; HTML stays untouched until it is written"),
    FieldSpec("start", FieldType.DATE, "First day, a date without a zone"),
    FieldSpec("due", FieldType.DATE, "Last day, a date without a zone"),
    FieldSpec(
        "status",
        FieldType.TEXT,
        "How far it is (B-50); completed goes with 100 percent, not_started with 0",
        values=("not_started", "in_progress", "completed", "waiting", "deferred"),
    ),
    FieldSpec("percent_complete", FieldType.INTEGER, "0 to 100"),
    FieldSpec("completed", FieldType.DATE, "The day on which it was completed, set by the target", writable=False),
    FieldSpec("priority", FieldType.INTEGER, PRIORITY),
    FieldSpec("privacy", FieldType.TEXT, "Sensitivity", values=PRIVACY),
    FieldSpec("keywords", FieldType.KEYWORDS, "Categories"),
    FieldSpec("alert_at", FieldType.INSTANT, "Reminder; null: none (B-43)"),
    FieldSpec("recurrence_rule", FieldType.RECURRENCE, "The pattern of a recurring task; null for a single one"),
    FieldSpec(
        "regenerates", FieldType.BOOLEAN, "The rule counts from the day of completion (Outlook's regenerating task)"
    ),
)


def _address(place: str) -> tuple[FieldSpec, ...]:
    parts = {
        "street": "Street, lines as \\n",
        "city": "City",
        "region": "State or province",
        "postcode": "Postal code",
        "country": "Country or region",
    }
    return tuple(FieldSpec(f"{place}_{part}", FieldType.TEXT, f"{doc}, {place} address") for part, doc in parts.items())


CONTACT = _specs(
    FieldSpec("honorific", FieldType.TEXT, "Title before the name"),
    FieldSpec("given_name", FieldType.TEXT, "First name"),
    FieldSpec("middle_name", FieldType.TEXT, "Middle name"),
    FieldSpec("surname", FieldType.TEXT, "Last name"),
    FieldSpec("suffix", FieldType.TEXT, "Suffix after the name, such as Jr."),
    FieldSpec("initials", FieldType.TEXT, "Initials"),
    FieldSpec("full_name", FieldType.TEXT, "The name as displayed"),
    FieldSpec("file_as", FieldType.TEXT, "The name as filed, for sorting"),
    FieldSpec("company", FieldType.TEXT, "Organization"),
    FieldSpec("department", FieldType.TEXT, "Department"),
    FieldSpec("job_title", FieldType.TEXT, "Job title"),
    FieldSpec("notes", FieldType.TEXT, "Notes, as plain text"),
    FieldSpec("email_1", FieldType.TEXT, "First e-mail address"),
    FieldSpec("email_2", FieldType.TEXT, "Second e-mail address"),
    FieldSpec("email_3", FieldType.TEXT, "Third e-mail address"),
    FieldSpec("phone_business", FieldType.TEXT, "Business telephone"),
    FieldSpec("phone_home", FieldType.TEXT, "Home telephone"),
    FieldSpec("phone_mobile", FieldType.TEXT, "Mobile telephone"),
    FieldSpec("fax_business", FieldType.TEXT, "Business fax"),
    FieldSpec("fax_home", FieldType.TEXT, "Home fax"),
    *_address("business"),
    *_address("home"),
    FieldSpec("keywords", FieldType.KEYWORDS, "Categories"),
    FieldSpec("privacy", FieldType.TEXT, "Sensitivity", values=PRIVACY),
)
"""Only persons (B-52). Each e-mail, telephone and part of an address is a field of its own, since Exchange writes each
under its own label, and labels that no mapping names belong to the user."""

USER = _specs(
    FieldSpec("login", FieldType.TEXT, "Log-on name, lower case; no two users share one (B-81)"),
    FieldSpec("full_name", FieldType.TEXT, "The name as displayed"),
    FieldSpec("given_name", FieldType.TEXT, "First name"),
    FieldSpec("surname", FieldType.TEXT, "Last name"),
    FieldSpec("initials", FieldType.TEXT, "Initials"),
    FieldSpec("company", FieldType.TEXT, "Organization"),
    FieldSpec("department", FieldType.TEXT, "Department"),
    FieldSpec("job_title", FieldType.TEXT, "Job title"),
    FieldSpec("office", FieldType.TEXT, "Where the user sits"),
    FieldSpec("employee_number", FieldType.TEXT, "Number of the employee"),
    FieldSpec("language", FieldType.TEXT, "Preferred language"),
    FieldSpec("description", FieldType.TEXT, "Description"),
    FieldSpec("phone_business", FieldType.TEXT, "Business telephone"),
    FieldSpec("phone_mobile", FieldType.TEXT, "Mobile telephone"),
    FieldSpec("fax_business", FieldType.TEXT, "Business fax"),
    FieldSpec("street", FieldType.TEXT, "Street"),
    FieldSpec("city", FieldType.TEXT, "City"),
    FieldSpec("region", FieldType.TEXT, "State or province"),
    FieldSpec("postcode", FieldType.TEXT, "Postal code"),
    FieldSpec("country", FieldType.TEXT, "Country or region"),
    FieldSpec("email", FieldType.TEXT, "Main e-mail address, lower case"),
    FieldSpec(
        "emails", FieldType.ADDRESSES, "Every e-mail address that the directory gives (B-81)", values=("main", "other")
    ),
    FieldSpec("disabled", FieldType.BOOLEAN, "Whether the account is switched off in the directory"),
    *(FieldSpec(f"extra_{n}", FieldType.TEXT, "Any attribute that `attributes` names for it") for n in range(1, 9)),
    FieldSpec(
        "groups", FieldType.KEYWORDS, "Names of the ticked groups that the user is in, nested ones included (B-82)"
    ),
    FieldSpec(
        "template", FieldType.TEXT, "The user template for a new user, by the group with the lowest priority (B-82)"
    ),
    FieldSpec("directory", FieldType.TEXT, "The name of the target that the user comes from"),
    FieldSpec("managed", FieldType.KEYWORDS, "The CRM fields that come from there, read-only in the CRM (B-81)"),
)
"""What a directory says of a user. All of it flows into the CRM only (B-3)."""

GROUP = _specs(
    FieldSpec("name", FieldType.TEXT, "The group's name"),
    FieldSpec("description", FieldType.TEXT, "What the configuration says of the group, or else the directory"),
    FieldSpec("synchronize_users", FieldType.BOOLEAN, "Whether the group is ticked (B-82)"),
    FieldSpec("template", FieldType.TEXT, "The user template of the group's new users"),
    FieldSpec("priority", FieldType.INTEGER, "The lowest number picks the template"),
    FieldSpec("parents", FieldType.KEYWORDS, "Names of the groups that this one is a direct member of"),
    FieldSpec("directory", FieldType.TEXT, "The name of the target that the group comes from"),
    FieldSpec("managed", FieldType.KEYWORDS, "The CRM fields that come from there, read-only in the CRM"),
)

SCHEMAS: Mapping[Entity, Mapping[str, FieldSpec]] = MappingProxyType(
    {
        Entity.SCHEDULE_ITEM: SCHEDULE_ITEM,
        Entity.TASK: TASK,
        Entity.CONTACT: CONTACT,
        Entity.USER: USER,
        Entity.GROUP: GROUP,
    }
)
"""The entities whose records this version carries; an entity joins it when both connectors carry its records."""


def frozen(value: object) -> Value:
    """A value that came out of JSON in canonical form again: lists become tuples, at every depth.

    Raises ``TypeError`` for what no record holds.
    """
    if isinstance(value, list | tuple):
        return tuple(str(word) for word in value)
    if isinstance(value, Mapping):
        return {str(key): frozen(inner) for key, inner in value.items()}
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"no record holds a {type(value).__name__}")
