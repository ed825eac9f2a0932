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
=================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from runner.model.terms import Entity

Value = str | int | bool | tuple[str, ...] | None
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


def _specs(*specs: FieldSpec) -> Mapping[str, FieldSpec]:
    return MappingProxyType({spec.name: spec for spec in specs})


SCHEDULE_ITEM = _specs(
    FieldSpec("title", FieldType.TEXT, "Subject"),
    FieldSpec(
        "description", FieldType.TEXT, "Body as plain text; the target's HTML stays untouched until it is written"
    ),
    FieldSpec("location", FieldType.TEXT, "Where, as free text"),
    FieldSpec("start", FieldType.LOCAL_DATETIME, "Start in the item's own zone; midnight when show_without_time"),
    FieldSpec("time_zone", FieldType.ZONE, "The item's own IANA zone; null when show_without_time"),
    FieldSpec("duration", FieldType.DURATION, "Length: exact time, or whole days when show_without_time"),
    FieldSpec("show_without_time", FieldType.BOOLEAN, "All-day: dates, never instants (B-46)"),
    FieldSpec("priority", FieldType.INTEGER, "RFC 8984 priority as Exchange's importance: 1 high, 5 normal, 9 low"),
    FieldSpec("privacy", FieldType.TEXT, "Sensitivity", values=("public", "personal", "private", "secret")),
    FieldSpec(
        "free_busy_status",
        FieldType.TEXT,
        "Free/busy",
        values=("free", "tentative", "busy", "out_of_office", "elsewhere"),
    ),
    FieldSpec("keywords", FieldType.KEYWORDS, "Categories"),
    FieldSpec("uid", FieldType.TEXT, "iCalendar UID, set by the target", writable=False),
)

SCHEMAS: Mapping[Entity, Mapping[str, FieldSpec]] = MappingProxyType({Entity.SCHEDULE_ITEM: SCHEDULE_ITEM})
"""The entities whose records this version carries. Tasks and contacts are not there yet."""
