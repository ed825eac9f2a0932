"""Key table, outbox and triggers as SQLite (3.24 or later) writes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from runner.config.plan import CrmEntity, CrmMaterialised, OwnerRelation
from runner.connectors.crm.tables import EMAILS_GIVEN, KEYS, OUTBOX, SERIES
from runner.connectors.crm.triggers import (
    EMAILS_COLUMNS,
    literal,
    moved_on,
    outbox_triggers,
    quoted,
    relation_triggers,
    replaced_trigger,
    rule_of,
    series_triggers,
    spoken_of,
    version_trigger,
)


class Sqlite:
    """SQLite: one trigger per event; AUTOINCREMENT ids are commit order, because there is one writer at a time."""

    def __init__(self) -> None:
        self.name = quoted

    def keys(self) -> tuple[str, ...]:
        """The key table."""
        return (
            f"CREATE TABLE IF NOT EXISTS {KEYS} (\n"
            "  token TEXT NOT NULL PRIMARY KEY,\n  entity TEXT NOT NULL,\n  identity TEXT,\n  crm_key TEXT NOT NULL,\n"
            "  created_at TEXT NOT NULL,\n  gone_at TEXT,\n  UNIQUE (entity, identity)\n)",
            f"CREATE INDEX IF NOT EXISTS {KEYS}_record ON {KEYS} (entity, crm_key)",
        )

    def emails(self) -> str:
        """The table of addresses that were given to users (B-81)."""
        return f"CREATE TABLE IF NOT EXISTS {EMAILS_GIVEN} (\n{EMAILS_COLUMNS.format(text='TEXT')}\n)"

    def outbox(self) -> tuple[str, ...]:
        """The outbox."""
        return (
            f"CREATE TABLE IF NOT EXISTS {OUTBOX} (\n"
            "  id INTEGER PRIMARY KEY AUTOINCREMENT,\n  entity TEXT NOT NULL,\n  crm_key TEXT NOT NULL,\n"
            "  owner TEXT,\n  old_owner TEXT,\n"
            "  changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),\n  txid INTEGER\n)",
            f"INSERT OR IGNORE INTO {OUTBOX} (id, entity, crm_key) VALUES (0, '', lower(hex(randomblob(8))))",  # noqa: S608
            f"CREATE INDEX IF NOT EXISTS {OUTBOX}_record ON {OUTBOX} (entity, crm_key)",
        )

    def version(self, entity: CrmEntity) -> tuple[str, ...]:
        """What moves the version column on."""
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

    def triggers(self, entity: CrmEntity, *, counts: bool) -> list[str]:
        """What notes an entity's changes in the outbox. ``counts``: our trigger moves its version on."""
        table, key, version = self.name(entity.table), self.name(entity.key), self.name(entity.version)
        owner = self.name(entity.owner) if entity.owner else None
        insert, update, delete = (self.name(name) for name in outbox_triggers(entity, "sqlite"))
        replaced = self.name(replaced_trigger(entity))
        into = f"INSERT INTO {OUTBOX} (entity, crm_key, owner, old_owner)"

        def row(record: str, now: str, before: str) -> str:
            owners = ", ".join(f"CAST({side}.{owner} AS TEXT)" if side and owner else "NULL" for side in (now, before))
            return f"  {into} SELECT '{entity.entity}', CAST({record}.{key} AS TEXT), {owners}"

        # INSERT OR REPLACE removes a row without a word, and a key may be given away again: the new row begins with a version
        # that no row of this key has had, or its first version would be taken for the former row's.
        renewed = (
            f"  UPDATE {table} SET {version} = coalesce({version}, 0) + (SELECT max(id) FROM {OUTBOX})\n"  # noqa: S608
            f"    WHERE {key} = NEW.{key} AND EXISTS (SELECT 1 FROM {OUTBOX}\n"
            f"      WHERE entity = '{entity.entity}' AND crm_key = CAST(NEW.{key} AS TEXT));\n"
        )
        former = f"{row(table, '', table)} FROM {table} WHERE {key} = NEW.{key}"
        bodies = {
            (replaced, "BEFORE INSERT"): f"{former};\n",
            (insert, "AFTER INSERT"): f"{renewed if counts else ''}{row('NEW', 'NEW', '')};\n",
            (update, "AFTER UPDATE"): f"{row('NEW', 'NEW', 'OLD')};\n"
            f"{row('OLD', '', 'OLD')} WHERE OLD.{key} IS NOT NEW.{key};\n",
            # SQLite gives a deleted row's key away again: what was created under it is gone for good.
            (delete, "AFTER DELETE"): f"{row('OLD', '', 'OLD')};\n"  # noqa: S608 - names quoted, entity is an enum
            f"  UPDATE {KEYS} SET gone_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')\n"
            f"    WHERE entity = '{entity.entity}' AND crm_key = CAST(OLD.{key} AS TEXT) AND gone_at IS NULL;\n",
        }
        return self._triggers(table, bodies)

    def related(self, entity: CrmEntity, relation: OwnerRelation) -> list[str]:
        """Triggers of a table of owners: whoever gains a record is its owner, whoever loses it its former owner."""
        item, user = self.name(relation.item), self.name(relation.user)
        insert, update, delete = (self.name(name) for name in relation_triggers(entity, relation, "sqlite"))
        subject = literal(spoken_of(entity, relation))

        def row(record: str, now: str, before: str, also: str = "") -> str:
            owners = ", ".join(f"CAST({side}.{user} AS TEXT)" if side else "NULL" for side in (now, before))
            return (
                f"  INSERT INTO {OUTBOX} (entity, crm_key, owner, old_owner)\n"
                f"    SELECT {subject}, CAST({record}.{item} AS TEXT), {owners} WHERE {record}.{item} IS NOT NULL{also};\n"
            )

        bodies = {
            (insert, "AFTER INSERT"): row("NEW", "NEW", ""),
            (update, "AFTER UPDATE"): row("NEW", "NEW", "OLD")
            + row("OLD", "", "OLD", f" AND OLD.{item} IS NOT NEW.{item}"),
            (delete, "AFTER DELETE"): row("OLD", "", "OLD"),
        }
        return self._triggers(self.name(relation.table), bodies)

    def _triggers(self, table: str, bodies: Mapping[tuple[str, str], str]) -> list[str]:
        made = []
        for (trigger, event), body in bodies.items():
            made.append(f"DROP TRIGGER IF EXISTS {trigger}")
            made.append(f"CREATE TRIGGER {trigger} {event} ON {table} FOR EACH ROW\nBEGIN\n{body}END")
        return made

    def touching(
        self, entity: CrmEntity, triggers: Collection[str], table: str, column: str, *, counts: bool
    ) -> list[str]:
        """Triggers on a table whose column names records: their rows are touched when a row of it comes or goes."""
        key, series, child = self.name(entity.key), self.name(column), self.name(table)
        touch = f"UPDATE {self.name(entity.table)} SET {moved_on(self.name(entity.version), counts=counts)}"  # noqa: S608
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
        key, rule, own = self.name(entity.key), self.name(rule_of(entity, table)), self.name(entity.table)
        insert, update, delete = map(self.name, series_triggers(entity, "sqlite"))
        what = literal(str(entity.entity))

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
