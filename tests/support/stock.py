"""The fields of the stock CRM's appointments, as ``targets.d/crm.yaml`` describes them."""

from __future__ import annotations

from collections.abc import Mapping

from runner.mapping.source import CrmFieldType
from runner.model.record import FieldType

INNER = frozenset(
    [
        "alarm",
        "subject",
        "notes",
        "place",
        "starts_at",
        "ends_at",
        "time_zone",
        "all_day",
        "priority",
        "show_as",
        "categories",
    ]
)
"""What the stock CRM's occurrences can have of their own."""

CRM_TYPES: Mapping[str, CrmFieldType] = {
    "subject": CrmFieldType(FieldType.TEXT),
    "notes": CrmFieldType(FieldType.TEXT),
    "place": CrmFieldType(FieldType.TEXT),
    "starts_at": CrmFieldType(FieldType.INSTANT),
    "ends_at": CrmFieldType(FieldType.INSTANT),
    "time_zone": CrmFieldType(FieldType.ZONE),
    "all_day": CrmFieldType(FieldType.BOOLEAN, nullable=False),
    "recurrence_rule": CrmFieldType(FieldType.RECURRENCE),
    "occurrences": CrmFieldType(FieldType.OVERRIDES, inner=INNER),
    "priority": CrmFieldType(FieldType.TEXT, nullable=False),
    "sensitivity": CrmFieldType(FieldType.TEXT, nullable=False),
    "show_as": CrmFieldType(FieldType.TEXT, nullable=False),
    "categories": CrmFieldType(FieldType.KEYWORDS),
    "alarm": CrmFieldType(FieldType.INTEGER),
    "organizer": CrmFieldType(FieldType.TEXT),
    "attachments": CrmFieldType(FieldType.FILES),
    **dict.fromkeys(("participants", "participant_names", "responses"), CrmFieldType(FieldType.ADDRESSES)),
}
