"""What the triggers in the CRM's database are called, and the words that both dialects write them with."""

from __future__ import annotations

import hashlib

from runner.config.participant_tables import ParticipantTable
from runner.config.plan import CrmEntity, CrmMaterialised, OwnerRelation
from runner.connectors.crm.tables import OUTBOX

EMAILS_COLUMNS = (
    "  crm_key {text} NOT NULL,\n  address {text} NOT NULL,\n  word {text} NOT NULL,\n  made integer NOT NULL,\n"
    "  PRIMARY KEY (crm_key, address)"
)


def quoted(name: str) -> str:
    """A name as standard SQL writes it. (SQLAlchemy's own also doubles per cent signs, for the driver's sake.)"""
    return '"' + name.replace('"', '""') + '"'


def outbox_triggers(entity: CrmEntity, dialect: str) -> tuple[str, ...]:
    """Names of the triggers that fill the outbox from one entity's table."""
    name = f"{OUTBOX}_{entity.entity}"
    return (name,) if dialect == "postgresql" else tuple(f"{name}_{event}" for event in ("insert", "update", "delete"))


def replaced_trigger(entity: CrmEntity) -> str:
    """Name of SQLite's trigger that notes the row that another one takes the place of. Nobody waits for it: where an older
    DDL has not made it, all else goes on."""
    return f"exsync_replaced_{entity.entity}"


def relation_triggers(entity: CrmEntity, relation: OwnerRelation, dialect: str) -> tuple[str, ...]:
    """Names of the triggers that fill the outbox from one table of owners. They tell every such table from every other,
    since a name that was given to another table once would change what that table's trigger does."""
    meaning = "\n".join((relation.table, relation.item, relation.user, relation.via or ""))
    name = f"{OUTBOX}_{entity.entity}_{hashlib.sha256(meaning.encode()).hexdigest()[:8]}"
    return (name,) if dialect == "postgresql" else tuple(f"{name}_{event}" for event in ("insert", "update", "delete"))


def spoken_of(entity: CrmEntity, relation: OwnerRelation) -> str:
    """What an outbox row of a relation speaks of: records, or a column's value that many records may have."""
    return f"{entity.entity}.{relation.via}" if relation.via else str(entity.entity)


def literal(text: str) -> str:
    """A text as standard SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def version_trigger(entity: CrmEntity) -> str:
    """Name of the trigger that moves the version column on."""
    return f"exsync_version_{entity.entity}"


def occurrence_triggers(entity: CrmEntity) -> tuple[str, ...]:
    """Names of the triggers on the table of occurrences, which touch the row of their series."""
    return tuple(f"exsync_occurrence_{entity.entity}_{event}" for event in ("insert", "update", "delete"))


def series_triggers(entity: CrmEntity, dialect: str) -> tuple[str, ...]:
    """Names of the triggers that note changed series; the last takes their materialised occurrences along when they go."""
    name = f"exsync_series_{entity.entity}"
    events = ("insert", "update", "delete") if dialect == "sqlite" else ("change", "delete")
    return tuple(f"{name}_{event}" for event in events)


def rule_of(entity: CrmEntity, table: CrmMaterialised) -> str:
    """The column with the recurrence rule."""
    return entity.fields[table.source["rule"]].column


def people_triggers(entity: CrmEntity, table: ParticipantTable) -> tuple[str, ...]:
    """Names of the triggers on one table of participants, which touch the row of their record. As those of relations, they
    tell every table from every other."""
    meaning = hashlib.sha256(f"{table.table}\n{table.item}".encode()).hexdigest()[:8]
    return tuple(f"exsync_people_{entity.entity}_{meaning}_{event}" for event in ("insert", "update", "delete"))


def file_triggers(entity: CrmEntity) -> tuple[str, ...]:
    """Names of the triggers on the table of attachments, which touch the row of their record."""
    return tuple(f"exsync_file_{entity.entity}_{event}" for event in ("insert", "update", "delete"))


def people_tables(entity: CrmEntity) -> tuple[ParticipantTable, ...]:
    """The tables of an entity's participants."""
    people = entity.participants
    if people is None:
        return ()
    return tuple(table for table in (people.users, people.contacts, people.external) if table)


def moved_on(version: str, *, counts: bool) -> str:
    """The version that a touched series gets: the next number, or what the CRM's own trigger makes of a write."""
    return f"{version} = coalesce({version}, 0) + 1" if counts else f"{version} = {version}"
