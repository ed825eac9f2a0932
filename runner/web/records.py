"""The records that the API's answers are made of, as JSON Schema, and the short way in which they are written.

A record is written as ``{"name": kind}``: a kind is a type's name, with ``?`` where null may stand, or a schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Schema = dict[str, Any]
Kinds = Mapping[str, str | Schema]
_TYPES = {"text": "string", "number": "number", "whole": "integer", "flag": "boolean", "any": None, "object": "object"}


def _of(kind: str | Schema) -> Schema:
    if isinstance(kind, dict):
        return kind
    name = _TYPES[kind.removesuffix("?")]
    if name is None:
        return {}
    return {"type": [name, "null"] if kind.endswith("?") else name}


def record(**kinds: str | Schema) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": {name: _of(kind) for name, kind in kinds.items()},
        "required": list(kinds),
        "additionalProperties": False,
    }


def some(kind: str | Schema) -> Schema:
    """A list of one kind."""
    return {"type": "array", "items": _of(kind)}


def named(kind: str | Schema) -> Schema:
    """An object whose keys are names, and whose values are of one kind."""
    return {"type": "object", "additionalProperties": _of(kind)}


def ref(name: str) -> Schema:
    """One of :data:`PARTS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def with_optional(schema: Schema, **kinds: str | Schema) -> Schema:
    """The record with further properties that may be missing."""
    return {**schema, "properties": {**schema["properties"], **{name: _of(kind) for name, kind in kinds.items()}}}


TARGET: Kinds = {
    "name": "text",
    "endpoint": "text?",
    "enabled": "flag",
    "paused": "flag",
    "suspended": "flag",
    "notifications": "text",
    "poll": "text",
    "connections": "whole",
    "circuit": "text",
    "since": "text?",
    "probed_at": "text?",
    "reason": "text?",
    "rule": "text",
    "backlog": "whole",
    "links": "whole",
    "standings": named("whole"),
}
LINK: Kinds = {
    "name": "text",
    "target": "text",
    "user": "text",
    "folder": "text",
    "direction": "text?",
    "mapping": "text?",
    "rule": "text?",
    "condition": "text",
    "reason": "text?",
    "pairs": "whole",
    "detached": "whole",
    "waiting": "whole",
    "held": "whole",
    "aside": "whole",
    "unsettled": "whole",
    "last_pass": "text?",
    "queue": "text?",
    "configured": "flag",
    "standing": "text",
}

PARTS: Mapping[str, Schema] = MappingProxyType(
    {
        "Finding": record(severity="text", code="text", at="text", message="text", hint="text?"),
        "Suspension": record(scope="text", name="text", by="text", since="text", reason="text?"),
        "Subscription": record(state="text", since="text?", last_renewed="text?", reason="text?"),
        "Message": record(
            id="whole",
            link="text",
            target="text",
            state="text",
            priority="whole",
            cause="text",
            hints="whole",
            attempts="whole",
            put_at="text",
            due="text?",
            held_since="text?",
            reason="text?",
        ),
        "Sample": record(
            target="text",
            at="text",
            sent="whole",
            received="whole",
            backlog="whole",
            blocked="whole",
            oldest="number",
            mean="number",
        ),
        "Pass": record(
            run="text",
            link="text",
            started="text",
            finished="text",
            seconds="number",
            waited="number?",
            outcome="text",
            code="text?",
            counts=named("whole"),
            message="text?",
        ),
        "Conflict": record(
            id="text",
            link="text",
            crm_key="text?",
            target_key="text?",
            field="text?",
            base="object?",
            crm="object?",
            target="object?",
            policy="text",
            winner="text?",
            rule="text",
            run="text",
            at="text",
            resolved_at="text?",
            resolution="text?",
        ),
        "Quarantined": record(
            link="text",
            side="text",
            key="text",
            code="text",
            reason={"type": "string", "x-personal": True},
            first_at="text",
            last_at="text",
            tries="whole",
            next_try="text?",
        ),
        "Mail": record(
            id="text",
            link="text",
            user="text",
            crm_key="text?",
            kind="text",
            addressees="whole",
            status="text",
            reason="text",
            title={"type": ["string", "null"], "x-personal": True},
            rule="text",
            run="text",
            at="text",
        ),
        "Write": record(
            id="whole",
            at="text",
            run="text",
            link="text",
            side="text",
            operation="text",
            key="text",
            counterpart="text?",
            before="object?",
            after="object?",
            reason="text",
            rule="text",
        ),
        "Act": record(at="text", who="text", what="text", subject="text", detail="text?"),
        "Target": record(**TARGET),
        "Link": record(**LINK),
        "Group": record(
            name="text",
            dn="text",
            ticked="flag?",
            rule="text?",
            description="text?",
            template="text?",
            priority="whole?",
            parents=some("text"),
            members="whole",
            users="whole",
        ),
        "Member": record(
            login="text", dn="text", takes_part="flag", groups=some("text"), through=named("text"), template="text?"
        ),
    }
)
"""Records that more than one answer is made of."""
