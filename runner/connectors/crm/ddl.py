"""The SQL that the CRM's database needs from us: the key table, the outbox, the triggers. Idempotent, and only printed
unless asked (``exsync target ddl CRM --apply``).

The triggers only ever add a row to the outbox (and move the version on where ``version_by: trigger``); those on tables
of occurrences, participants and attachments only touch the row of the record, so that its version moves on and its own
triggers fire.
They take NULL owners and keys, read no other table (which records a change of a parent's relation concerns is looked up by
the feed), and on PostgreSQL run with the rights of whoever writes: plain plpgsql, no SECURITY DEFINER.
So INSERT on the outbox is granted to PUBLIC, or the CRM's own writes would fail. A row there is a hint and reveals
nothing: nobody but its owner may read it.

Needs SQLite 3.24 or PostgreSQL 14.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from runner.config.plan import CrmEntity, CrmMaterialised, CrmPlan, OwnerRelation, ParticipantTable
from runner.connectors.crm.tables import EMAILS_GIVEN, KEYS, OUTBOX, SERIES
from runner.model.errors import UsageError
from runner.model.terms import Entity

_BODY = "$exsync$"
_EMAILS_COLUMNS = (
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


def relation_triggers(entity: CrmEntity, relation: OwnerRelation, dialect: str) -> tuple[str, ...]:
    """Names of the triggers that fill the outbox from one table of owners. They tell every such table from every other,
    since a name that was given to another table once would change what that table's trigger does."""
    meaning = "\n".join((relation.table, relation.item, relation.user, relation.via or ""))
    name = f"{OUTBOX}_{entity.entity}_{hashlib.sha256(meaning.encode()).hexdigest()[:8]}"
    return (name,) if dialect == "postgresql" else tuple(f"{name}_{event}" for event in ("insert", "update", "delete"))


def _subject(entity: CrmEntity, relation: OwnerRelation) -> str:
    """What an outbox row of a relation speaks of: records, or a column's value that many records may have."""
    return f"{entity.entity}.{relation.via}" if relation.via else str(entity.entity)


def _literal(text: str) -> str:
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


def _rule_of(entity: CrmEntity, table: CrmMaterialised) -> str:
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


def ddl(plan: CrmPlan, dialect: str, *, schema: str | None = None, untouched: Collection[Entity] = ()) -> str:
    """The SQL for one CRM as text, ready for ``psql`` or ``sqlite3``.

    ``schema`` is where PostgreSQL keeps the tables (default: the plan's, or ``public``). It is written into the triggers,
    because the CRM's own sessions may look elsewhere. ``untouched`` entities get no version trigger: their version is no
    number, so a trigger of the CRM's own must move it.
    """
    head = f"-- exsync: key table, outbox and triggers for CRM {plan.name} ({dialect}). Safe to run again."
    body = ";\n\n".join(statements(plan, dialect, schema=schema, untouched=untouched))
    return f"{head}\nBEGIN;\n\n{body};\n\nCOMMIT;\n"


def statements(
    plan: CrmPlan, dialect: str, *, schema: str | None = None, untouched: Collection[Entity] = ()
) -> tuple[str, ...]:
    """The same, statement by statement, without BEGIN and COMMIT."""
    if dialect == "sqlite":
        return _written(_Sqlite(), plan, untouched)
    if dialect == "postgresql":
        return _written(_Postgres(schema or plan.schema or "public", plan.rule), plan, untouched)
    raise UsageError(
        f"{plan.rule}: no triggers for {dialect}", remedy="use PostgreSQL or SQLite, or feed: version_column"
    )


def _written(words: _Sqlite | _Postgres, plan: CrmPlan, untouched: Collection[Entity]) -> tuple[str, ...]:
    made = [*words.keys()]
    if plan.feed == "outbox":
        made += words.outbox()
    for entity in plan.entities.values():
        if entity.version_by == "trigger" and entity.entity not in untouched:
            made += words.version(entity)
        if plan.feed == "outbox":
            made += words.triggers(entity)
            for relation in entity.relations:
                made += words.related(entity, relation)
        counts = entity.entity not in untouched
        if (table := entity.occurrences) is not None:
            made += words.touching(entity, occurrence_triggers(entity), table.table, table.series, counts=counts)
        for people in people_tables(entity):
            made += words.touching(entity, people_triggers(entity, people), people.table, people.item, counts=counts)
        if (files := entity.attachments) is not None:
            made += words.touching(entity, file_triggers(entity), files.table, files.item, counts=counts)
        if entity.materialised is not None:
            made += words.materialised(entity, entity.materialised)
        if entity.entity is Entity.USER:
            made.append(words.emails())
    return tuple(made)


def _moved_on(version: str, *, counts: bool) -> str:
    """The version that a touched series gets: the next number, or what the CRM's own trigger makes of a write."""
    return f"{version} = coalesce({version}, 0) + 1" if counts else f"{version} = {version}"


class _Sqlite:
    """SQLite: one trigger per event; AUTOINCREMENT ids are commit order, because there is one writer at a time."""

    def __init__(self) -> None:
        self.name = quoted

    def keys(self) -> tuple[str, ...]:
        return (
            f"CREATE TABLE IF NOT EXISTS {KEYS} (\n"
            "  token TEXT NOT NULL PRIMARY KEY,\n  entity TEXT NOT NULL,\n  identity TEXT,\n  crm_key TEXT NOT NULL,\n"
            "  created_at TEXT NOT NULL,\n  gone_at TEXT,\n  UNIQUE (entity, identity)\n)",
            f"CREATE INDEX IF NOT EXISTS {KEYS}_record ON {KEYS} (entity, crm_key)",
        )

    def emails(self) -> str:
        return f"CREATE TABLE IF NOT EXISTS {EMAILS_GIVEN} (\n{_EMAILS_COLUMNS.format(text='TEXT')}\n)"

    def outbox(self) -> tuple[str, ...]:
        return (
            f"CREATE TABLE IF NOT EXISTS {OUTBOX} (\n"
            "  id INTEGER PRIMARY KEY AUTOINCREMENT,\n  entity TEXT NOT NULL,\n  crm_key TEXT NOT NULL,\n"
            "  owner TEXT,\n  old_owner TEXT,\n"
            "  changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),\n  txid INTEGER\n)",
            f"INSERT OR IGNORE INTO {OUTBOX} (id, entity, crm_key) VALUES (0, '', lower(hex(randomblob(8))))",  # noqa: S608
        )

    def version(self, entity: CrmEntity) -> tuple[str, ...]:
        trigger, table = self.name(version_trigger(entity)), self.name(entity.table)
        version, key = self.name(entity.version), self.name(entity.key)
        # The inner condition leaves a version alone that another trigger has moved by then: their order is not defined.
        return (
            f"DROP TRIGGER IF EXISTS {trigger}",
            f"CREATE TRIGGER {trigger} AFTER UPDATE ON {table} FOR EACH ROW\n"  # noqa: S608
            f"WHEN NEW.{version} IS OLD.{version}\nBEGIN\n"
            f"  UPDATE {table} SET {version} = coalesce(OLD.{version}, 0) + 1\n"
            f"    WHERE {key} = NEW.{key} AND {version} IS OLD.{version};\nEND",
        )

    def triggers(self, entity: CrmEntity) -> list[str]:
        table, key = self.name(entity.table), self.name(entity.key)
        owner = self.name(entity.owner) if entity.owner else None
        insert, update, delete = (self.name(name) for name in outbox_triggers(entity, "sqlite"))
        into = f"INSERT INTO {OUTBOX} (entity, crm_key, owner, old_owner)"

        def row(record: str, now: str, before: str) -> str:
            owners = ", ".join(f"CAST({side}.{owner} AS TEXT)" if side and owner else "NULL" for side in (now, before))
            return f"  {into} SELECT '{entity.entity}', CAST({record}.{key} AS TEXT), {owners}"

        bodies = {
            (insert, "INSERT"): f"{row('NEW', 'NEW', '')};\n",
            (update, "UPDATE"): f"{row('NEW', 'NEW', 'OLD')};\n"
            f"{row('OLD', '', 'OLD')} WHERE OLD.{key} IS NOT NEW.{key};\n",
            # SQLite gives a deleted row's key away again: what was created under it is gone for good.
            (delete, "DELETE"): f"{row('OLD', '', 'OLD')};\n"  # noqa: S608 - names quoted, entity is an enum
            f"  UPDATE {KEYS} SET gone_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')\n"
            f"    WHERE entity = '{entity.entity}' AND crm_key = CAST(OLD.{key} AS TEXT) AND gone_at IS NULL;\n",
        }
        return self._triggers(table, bodies)

    def related(self, entity: CrmEntity, relation: OwnerRelation) -> list[str]:
        """Triggers of a table of owners: whoever gains a record is its owner, whoever loses it its former owner."""
        item, user = self.name(relation.item), self.name(relation.user)
        insert, update, delete = (self.name(name) for name in relation_triggers(entity, relation, "sqlite"))
        subject = _literal(_subject(entity, relation))

        def row(record: str, now: str, before: str, also: str = "") -> str:
            owners = ", ".join(f"CAST({side}.{user} AS TEXT)" if side else "NULL" for side in (now, before))
            return (
                f"  INSERT INTO {OUTBOX} (entity, crm_key, owner, old_owner)\n"
                f"    SELECT {subject}, CAST({record}.{item} AS TEXT), {owners} WHERE {record}.{item} IS NOT NULL{also};\n"
            )

        bodies = {
            (insert, "INSERT"): row("NEW", "NEW", ""),
            (update, "UPDATE"): row("NEW", "NEW", "OLD") + row("OLD", "", "OLD", f" AND OLD.{item} IS NOT NEW.{item}"),
            (delete, "DELETE"): row("OLD", "", "OLD"),
        }
        return self._triggers(self.name(relation.table), bodies)

    def _triggers(self, table: str, bodies: Mapping[tuple[str, str], str]) -> list[str]:
        made = []
        for (trigger, event), body in bodies.items():
            made.append(f"DROP TRIGGER IF EXISTS {trigger}")
            made.append(f"CREATE TRIGGER {trigger} AFTER {event} ON {table} FOR EACH ROW\nBEGIN\n{body}END")
        return made

    def touching(
        self, entity: CrmEntity, triggers: Collection[str], table: str, column: str, *, counts: bool
    ) -> list[str]:
        """Triggers on a table whose column names records: their rows are touched when a row of it comes or goes."""
        key, series, child = self.name(entity.key), self.name(column), self.name(table)
        touch = f"UPDATE {self.name(entity.table)} SET {_moved_on(self.name(entity.version), counts=counts)}"  # noqa: S608
        events = (("INSERT", ("NEW",)), ("UPDATE", ("NEW", "OLD")), ("DELETE", ("OLD",)))
        made = []
        for trigger, (event, records) in zip(map(self.name, triggers), events, strict=True):
            rows = ", ".join(f"{record}.{series}" for record in records)
            made.append(f"DROP TRIGGER IF EXISTS {trigger}")
            made.append(
                f"CREATE TRIGGER {trigger} AFTER {event} ON {child} FOR EACH ROW\nBEGIN\n"
                f"  {touch} WHERE {key} IN ({rows});\nEND"
            )
        return made

    def materialised(self, entity: CrmEntity, table: CrmMaterialised) -> list[str]:
        """Series that exist already are noted here, once: from then on the triggers do it."""
        key, rule, own = self.name(entity.key), self.name(_rule_of(entity, table)), self.name(entity.table)
        insert, update, delete = map(self.name, series_triggers(entity, "sqlite"))
        what = _literal(str(entity.entity))

        def unknown(key: str, source: str) -> str:
            """Not INSERT OR IGNORE: inside a trigger the outer statement's own OR would take its place."""
            return (
                f"INSERT INTO {SERIES} (entity, crm_key, changes)\n  SELECT {what}, CAST({key} AS TEXT), 0 {source}"  # noqa: S608
                f" NOT EXISTS (SELECT 1 FROM {SERIES} WHERE entity = {what} AND crm_key = CAST({key} AS TEXT))"
            )

        def changed(record: str) -> str:
            return (
                f"  UPDATE {SERIES} SET until = NULL, changes = changes + 1\n"  # noqa: S608
                f"    WHERE entity = {what} AND crm_key = CAST({record}.{key} AS TEXT);\n"
            )

        note = f"  {unknown(f'NEW.{key}', 'WHERE')};\n{changed('NEW')}"
        take = f"  DELETE FROM {self.name(table.table)} WHERE {self.name(table.series)} = OLD.{key};\n{changed('OLD')}"  # noqa: S608
        was = f"WHEN NEW.{rule} IS NOT NULL OR OLD.{rule} IS NOT NULL\n"
        made = [
            f"CREATE TABLE IF NOT EXISTS {SERIES} (\n  entity TEXT NOT NULL,\n  crm_key TEXT NOT NULL,\n  until TEXT,\n"
            "  changes INTEGER NOT NULL,\n  PRIMARY KEY (entity, crm_key)\n)",
            f"CREATE INDEX IF NOT EXISTS {SERIES}_until ON {SERIES} (entity, until)",
            unknown(f"{own}.{key}", f"FROM {own} WHERE {rule} IS NOT NULL AND"),
        ]
        for trigger, event, when, body in (
            (insert, "AFTER INSERT", f"WHEN NEW.{rule} IS NOT NULL\n", note),
            (update, "AFTER UPDATE", was, note),
            (delete, "BEFORE DELETE", "", take),
        ):
            made.append(f"DROP TRIGGER IF EXISTS {trigger}")
            made.append(f"CREATE TRIGGER {trigger} {event} ON {own} FOR EACH ROW\n{when}BEGIN\n{body}END")
        return made


class _Postgres:
    """PostgreSQL: the writing transaction's id stands in every row, so that a reader can tell late commits."""

    def __init__(self, schema: str, rule: str) -> None:
        self.rule = rule
        self.quote = quoted
        self.schema = self.quote(schema)

    def name(self, name: str) -> str:
        """A name inside our schema."""
        return f"{self.schema}.{self.quote(name)}"

    def keys(self) -> tuple[str, ...]:
        return (
            f"CREATE TABLE IF NOT EXISTS {self.name(KEYS)} (\n"
            "  token text PRIMARY KEY,\n  entity text NOT NULL,\n  identity text,\n  crm_key text NOT NULL,\n"
            "  created_at timestamptz NOT NULL,\n  gone_at timestamptz,\n  UNIQUE (entity, identity)\n)",
            f"CREATE INDEX IF NOT EXISTS {KEYS}_record ON {self.name(KEYS)} (entity, crm_key)",
        )

    def emails(self) -> str:
        return f"CREATE TABLE IF NOT EXISTS {self.name(EMAILS_GIVEN)} (\n{_EMAILS_COLUMNS.format(text='text')}\n)"

    def outbox(self) -> tuple[str, ...]:
        table = self.name(OUTBOX)
        return (
            f"CREATE TABLE IF NOT EXISTS {table} (\n"
            "  id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,\n  entity text NOT NULL,\n  crm_key text NOT NULL,\n"
            "  owner text,\n  old_owner text,\n  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),\n"
            "  txid xid8 NOT NULL DEFAULT pg_current_xact_id()\n)",
            f"CREATE INDEX IF NOT EXISTS {OUTBOX}_txid ON {table} (txid)",
            f"INSERT INTO {table} (id, entity, crm_key) VALUES (0, '', gen_random_uuid()::text) ON CONFLICT DO NOTHING",  # noqa: S608
            f"GRANT INSERT ON {table} TO PUBLIC",
            self._function(f"{OUTBOX}_notify", f"BEGIN\n  NOTIFY {OUTBOX};\n  RETURN NULL;\nEND\n"),
            "-- One wake-up per commit; without this trigger the service looks every few seconds. A CRM that uses two-phase\n"
            "-- commits (PREPARE TRANSACTION) must leave it out: PostgreSQL allows no NOTIFY in those.\n"
            f"CREATE OR REPLACE TRIGGER {self.quote(f'{OUTBOX}_notify')} AFTER INSERT ON {table}\n"
            f"  FOR EACH STATEMENT EXECUTE FUNCTION {self.name(f'{OUTBOX}_notify')}()",
        )

    def _function(self, name: str, body: str) -> str:
        if _BODY in body:
            raise UsageError(f"{self.rule}: a name contains {_BODY}", remedy="rename that table or column")
        return (
            f"CREATE OR REPLACE FUNCTION {self.name(name)}() RETURNS trigger LANGUAGE plpgsql AS {_BODY}\n{body}{_BODY}"
        )

    def version(self, entity: CrmEntity) -> tuple[str, ...]:
        trigger, version = version_trigger(entity), self.quote(entity.version)
        body = (
            f"BEGIN\n  IF NEW.{version} IS NOT DISTINCT FROM OLD.{version} THEN\n"
            f"    NEW.{version} := coalesce(OLD.{version}, 0) + 1;\n  END IF;\n  RETURN NEW;\nEND\n"
        )
        return (
            self._function(trigger, body),
            f"CREATE OR REPLACE TRIGGER {self.quote(trigger)} BEFORE UPDATE ON {self.name(entity.table)}\n"
            f"  FOR EACH ROW EXECUTE FUNCTION {self.name(trigger)}()",
        )

    def triggers(self, entity: CrmEntity) -> tuple[str, ...]:
        (trigger,) = outbox_triggers(entity, "postgresql")
        key = self.quote(entity.key)
        owner = self.quote(entity.owner) if entity.owner else None
        into = f"INSERT INTO {self.name(OUTBOX)} (entity, crm_key, owner, old_owner)\n"

        def row(record: str, now: str, before: str) -> str:
            owners = ", ".join(f"{side}.{owner}::text" if side and owner else "NULL" for side in (now, before))
            return f"{into}    VALUES ('{entity.entity}', {record}.{key}::text, {owners});\n"

        body = (
            f"BEGIN\n  IF TG_OP = 'DELETE' THEN\n    {row('OLD', '', 'OLD')}"
            f"  ELSIF TG_OP = 'INSERT' THEN\n    {row('NEW', 'NEW', '')}"
            f"  ELSE\n    {row('NEW', 'NEW', 'OLD')}"
            f"    IF NEW.{key} IS DISTINCT FROM OLD.{key} THEN\n    {row('OLD', '', 'OLD')}    END IF;\n"
            "  END IF;\n  RETURN NULL;\nEND\n"
        )
        return self._trigger(trigger, entity.table, body)

    def related(self, entity: CrmEntity, relation: OwnerRelation) -> tuple[str, ...]:
        """The trigger of a table of owners: whoever gains a record is its owner, whoever loses it its former owner."""
        (trigger,) = relation_triggers(entity, relation, "postgresql")
        item, user = self.quote(relation.item), self.quote(relation.user)
        subject = _literal(_subject(entity, relation))

        def row(record: str, now: str, before: str, also: str = "") -> str:
            owners = ", ".join(f"{side}.{user}::text" if side else "NULL" for side in (now, before))
            return (
                f"    IF {record}.{item} IS NOT NULL{also} THEN\n"  # noqa: S608 - names quoted
                f"      INSERT INTO {self.name(OUTBOX)} (entity, crm_key, owner, old_owner)\n"
                f"        VALUES ({subject}, {record}.{item}::text, {owners});\n    END IF;\n"
            )

        body = (
            f"BEGIN\n  IF TG_OP = 'DELETE' THEN\n{row('OLD', '', 'OLD')}"
            f"  ELSIF TG_OP = 'INSERT' THEN\n{row('NEW', 'NEW', '')}"
            f"  ELSE\n{row('NEW', 'NEW', 'OLD')}"
            f"{row('OLD', '', 'OLD', f' AND OLD.{item} IS DISTINCT FROM NEW.{item}')}"
            "  END IF;\n  RETURN NULL;\nEND\n"
        )
        return self._trigger(trigger, relation.table, body)

    def _trigger(self, trigger: str, table: str, body: str) -> tuple[str, ...]:
        return (
            self._function(trigger, body),
            f"CREATE OR REPLACE TRIGGER {self.quote(trigger)} AFTER INSERT OR UPDATE OR DELETE"
            f" ON {self.name(table)}\n  FOR EACH ROW EXECUTE FUNCTION {self.name(trigger)}()",
        )

    def touching(
        self, entity: CrmEntity, triggers: Collection[str], table: str, column: str, *, counts: bool
    ) -> list[str]:
        """Once per statement, not per row: a series may have thousands of occurrences, and each touch copies its row."""
        key, series, child = self.quote(entity.key), self.quote(column), self.name(table)
        moved = _moved_on(self.quote(entity.version), counts=counts)
        touch = f"UPDATE {self.name(entity.table)} SET {moved}\n    WHERE {key} IN"  # noqa: S608 - names quoted
        tables = {"INSERT": ("NEW",), "UPDATE": ("NEW", "OLD"), "DELETE": ("OLD",)}
        made = []
        for trigger, (event, records) in zip(triggers, tables.items(), strict=True):
            rows = " UNION ".join(f"SELECT {series} FROM exsync_{record.lower()}" for record in records)  # noqa: S608
            seen = " ".join(f"{record} TABLE AS exsync_{record.lower()}" for record in records)
            made.append(self._function(trigger, f"BEGIN\n  {touch} ({rows});\n  RETURN NULL;\nEND\n"))
            made.append(
                f"CREATE OR REPLACE TRIGGER {self.quote(trigger)} AFTER {event} ON {child}\n  REFERENCING {seen}\n"
                f"  FOR EACH STATEMENT EXECUTE FUNCTION {self.name(trigger)}()"
            )
        return made

    def materialised(self, entity: CrmEntity, table: CrmMaterialised) -> list[str]:
        """Series that exist already are noted here, once: from then on the triggers do it."""
        key, rule, own = self.quote(entity.key), self.quote(_rule_of(entity, table)), self.name(entity.table)
        noted, gone = series_triggers(entity, "postgresql")
        what, series = _literal(str(entity.entity)), self.name(SERIES)
        insert = f"INSERT INTO {series} AS s (entity, crm_key, changes)"
        note = (
            f"BEGIN\n  IF NEW.{rule} IS NULL AND (TG_OP = 'INSERT' OR OLD.{rule} IS NULL) THEN\n    RETURN NULL;\n  END IF;\n"
            f"  {insert} VALUES ({what}, NEW.{key}::text, 0)\n"
            "    ON CONFLICT (entity, crm_key) DO UPDATE SET until = NULL, changes = s.changes + 1;\n  RETURN NULL;\nEND\n"
        )
        # BEFORE: a foreign key of the materialised rows would refuse the delete first.
        take = (
            f"BEGIN\n  DELETE FROM {self.name(table.table)} WHERE {self.quote(table.series)} = OLD.{key};\n"  # noqa: S608
            f"  UPDATE {series} SET until = NULL, changes = changes + 1\n"
            f"    WHERE entity = {what} AND crm_key = OLD.{key}::text;\n"
            "  RETURN OLD;\nEND\n"
        )
        return [
            f"CREATE TABLE IF NOT EXISTS {series} (\n  entity text NOT NULL,\n  crm_key text NOT NULL,\n  until text,\n"
            "  changes bigint NOT NULL,\n  PRIMARY KEY (entity, crm_key)\n)",
            f"CREATE INDEX IF NOT EXISTS {SERIES}_until ON {series} (entity, until)",
            f"GRANT SELECT, INSERT, UPDATE ON {series} TO PUBLIC",
            f"{insert} SELECT {what}, {key}::text, 0 FROM {own} WHERE {rule} IS NOT NULL ON CONFLICT DO NOTHING",  # noqa: S608
            self._function(noted, note),
            f"CREATE OR REPLACE TRIGGER {self.quote(noted)} AFTER INSERT OR UPDATE ON {own}\n"
            f"  FOR EACH ROW EXECUTE FUNCTION {self.name(noted)}()",
            self._function(gone, take),
            f"CREATE OR REPLACE TRIGGER {self.quote(gone)} BEFORE DELETE ON {own}\n"
            f"  FOR EACH ROW EXECUTE FUNCTION {self.name(gone)}()",
        ]
