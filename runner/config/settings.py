"""What holds for one folder of one link, and which line of YAML said so.

Levels from weakest to strongest: built-in defaults, the target's ``defaults``, ``defaults.folders.<folder>``, the link,
``<link>.folders.<folder>``. The strongest that states a value gives it, with three exceptions: a direction can only be
narrowed (B-4), denied operations add up (B-5), windows, guards and mail merge key by key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from runner.config.documents import Document
from runner.config.durations import timedelta_of
from runner.config.expanding import Place, Schedule, expansion_of, schedule_of
from runner.config.findings import Findings
from runner.config.plan import Window
from runner.config.yamlsource import Path, pointer
from runner.model.files import FileRules
from runner.model.meetings import MailKind
from runner.model.privacy import TITLE
from runner.model.terms import (
    ConflictPolicy,
    Direction,
    EditVsDelete,
    Entity,
    Folder,
    OnDrift,
    OnLeave,
    Operation,
    Private,
    Side,
)
from runner.reconcile.expanding import Expansion
from runner.reconcile.firewall import MailPolicy
from runner.reconcile.guards import Limit, Limits
from runner.reconcile.restrictions import Restrictions

BUILT_IN = "built-in default"
UNLIMITED = "unlimited"
ENTITY_OF: Mapping[Folder, Entity] = MappingProxyType(
    {
        Folder.CALENDAR: Entity.SCHEDULE_ITEM,
        Folder.TASKS: Entity.TASK,
        Folder.CONTACTS: Entity.CONTACT,
        Folder.USERS: Entity.USER,
        Folder.GROUPS: Entity.GROUP,
    }
)
LEAVING: Mapping[Folder, OnLeave] = MappingProxyType({Folder.CONTACTS: OnLeave.REMOVE})
"""Folders whose copies go, by default, when their records leave the user (B-51)."""
_GUARDS = {Operation.DELETE: "max_deletes", Operation.UPDATE: "max_updates", Operation.CREATE: "max_creates"}
_PER_ITEM = "max_writes_per_item_per_hour"
_WRITTEN_BY = {Direction.INBOUND: Side.CRM, Direction.OUTBOUND: Side.TARGET}


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """The effective settings. ``origins`` gives ``file:line:column`` (or ``built-in default``) for each by name."""

    entity: Entity
    mapping: str
    mapping_path: Path
    direction: Direction
    conflict: ConflictPolicy
    edit_vs_delete: EditVsDelete
    on_drift: OnDrift
    on_leave: OnLeave
    private: Private
    private_title: str
    private_meetings: bool
    alerts: bool
    keep_items_older_than: timedelta | None
    expand: Expansion | None
    snapshot: Schedule | None
    restrictions: Restrictions
    files: FileRules | None
    filter: str | None
    filter_path: Path
    clock_tolerance: float
    time_zone: str
    window: Window
    denied: frozenset[tuple[Operation, Side]]
    limits: Limits
    mail: MailPolicy
    enabled: bool
    origins: Mapping[str, str]


class Levels:
    """The levels of one folder of one link, weakest first; those that the document does not have are left out.

    ``ignoring`` is the path of one statement that is not meant for the folder.
    """

    def __init__(self, document: Document, folder: Folder, paths: Sequence[Path], *, ignoring: Path = ()) -> None:
        self.document = document
        self.folder = folder
        self._ignoring = ignoring
        self._levels: list[tuple[Path, Mapping[str, Any]]] = []
        for path in paths:
            data: Any = document.data
            for part in path:
                data = data[part] if isinstance(part, int) else (data or {}).get(part)
            if isinstance(data, dict):
                self._levels.append((path, data))

    def stated(self, key: str) -> list[tuple[Any, Path]]:
        """Every statement of a key with its path, weakest first."""
        stated = [(data[key], (*path, key)) for path, data in self._levels if key in data]
        return [(value, path) for value, path in stated if path != self._ignoring]

    def refused(self, key: str) -> bool:
        """Whether some level states the key in a way that was refused: then nothing can be said about it."""
        return any(self.document.is_broken(*path, key) for path, _ in self._levels)

    def place(self) -> Path:
        """Where the folder is first spoken of."""
        named = [path for path, _ in self._levels if path[-1] == self.folder.value]
        return named[0] if named else self._levels[-1][0]


class _Choice:
    """Chooses values and keeps their origins."""

    def __init__(self, levels: Levels) -> None:
        self.levels = levels
        self.origins: dict[str, str] = {}

    def value(self, key: str, built_in: Any) -> Any:
        stated = self.levels.stated(key)
        if not stated:
            self.origins[key] = BUILT_IN
            return built_in
        value, path = stated[-1]
        self.origins[key] = self.levels.document.rule(*path)
        return value

    def window(self) -> Window:
        ends: dict[str, timedelta | None] = {"past": None, "future": None}
        self.origins["window"] = BUILT_IN
        for stated, path in self.levels.stated("window"):
            for end, text in stated.items():
                ends[end] = None if text == UNLIMITED else timedelta_of(text)
            self.origins["window"] = self.levels.document.rule(*path)
        return Window(**ends)

    def growth(
        self, window: Window, zone: str, direction: Direction, findings: Findings
    ) -> tuple[Expansion | None, Schedule | None]:
        """How the first sync grows, and the snapshot by schedule."""
        document = self.levels.document
        place = Place(document, findings)
        expand = schedule = None
        self.origins["expand"] = self.origins["snapshot"] = BUILT_IN
        for stated, path in self.levels.stated("expand"):
            self.origins["expand"] = document.rule(*path)
            expand = expansion_of(stated, path, (window.past, window.future), zone, place)
        for stated, path in self.levels.stated("snapshot"):
            self.origins["snapshot"] = document.rule(*path)
            schedule = schedule_of(stated, path, direction, zone, place)
        return expand, schedule

    def restrictions(self) -> Restrictions:
        most: dict[str, int | None] = {}
        self.origins["restrictions"] = BUILT_IN
        for stated, path in self.levels.stated("restrictions"):
            most |= {name: None if number == UNLIMITED else int(number) for name, number in stated.items()}
            self.origins["restrictions"] = self.levels.document.rule(*path)
        return Restrictions(**most)

    def files(self) -> FileRules | None:
        rules: FileRules | None = None
        self.origins["attachments"] = BUILT_IN
        for stated, path in self.levels.stated("attachments"):
            self.origins["attachments"] = self.levels.document.rule(*path)
            if stated is False:
                rules = None
                continue
            given = {} if stated is True else stated
            rules = rules or FileRules()
            blocked = given.get("blocked_extensions")
            rules = FileRules(
                one=int(given.get("max_bytes", rules.one)),
                total=int(given.get("max_total_bytes", rules.total)),
                blocked=rules.blocked if blocked is None else frozenset(word.lower() for word in blocked),
            )
        return rules

    def mail(self) -> MailPolicy:
        policy = MailPolicy()
        self.origins["mail"] = BUILT_IN
        for stated, path in self.levels.stated("mail"):
            rule = self.origins["mail"] = self.levels.document.rule(*path)
            policy = replace(policy, rule=rule)
            if "send" in stated:
                policy = replace(policy, send=frozenset(MailKind(word.removesuffix("s")) for word in stated["send"]))
            per_run, per_user, per_day = (
                (None if stated[name] == UNLIMITED else int(stated[name])) if name in stated else known
                for name, known in (
                    ("per_run", policy.per_run),
                    ("per_user", policy.per_user),
                    ("per_day", policy.per_day),
                )
            )
            policy = replace(policy, per_run=per_run, per_user=per_user, per_day=per_day)
        return policy

    def denied(self) -> frozenset[tuple[Operation, Side]]:
        denied: set[tuple[Operation, Side]] = set()
        self.origins["deny"] = BUILT_IN
        for stated, path in self.levels.stated("deny"):
            for word in filter(None, stated):
                direction, _, operation = word.partition("-")
                denied.add((Operation(operation), _WRITTEN_BY[Direction(direction)]))
            self.origins["deny"] = self.levels.document.rule(*path)
        return frozenset(denied)

    def limits(self, guards: Sequence[tuple[Mapping[str, Any], Path]]) -> Limits:
        by_operation = dict(Limits().by_operation)
        for operation, key in _GUARDS.items():
            limit = by_operation[operation]
            for stated, path in guards:
                if key not in stated:
                    continue
                given = stated[key]
                count, ratio = given.get("count", limit.count), given.get("ratio", limit.ratio)
                limit = Limit(
                    count=None if count in (None, UNLIMITED) else int(count),
                    ratio=None if ratio in (None, UNLIMITED) else float(ratio),
                    floor=limit.floor,
                    rule=self.levels.document.rule(*path, key),
                )
            by_operation[operation] = limit
            self.origins[f"guards.{key}"] = limit.rule
        per_item, rule = Limits().per_item, BUILT_IN
        for stated, path in guards:
            if _PER_ITEM in stated:
                given = stated[_PER_ITEM]
                per_item, rule = None if given == UNLIMITED else int(given), self.levels.document.rule(*path, _PER_ITEM)
        self.origins[f"guards.{_PER_ITEM}"] = rule
        wide = [
            self._wide(guards, key, built_in)
            for key, built_in in (("per_target", Limits().per_target), ("per_run", {}))
        ]
        return Limits(MappingProxyType(by_operation), per_item, rule, *wide)

    def _wide(
        self, guards: Sequence[tuple[Mapping[str, Any], Path]], scope: str, built_in: Mapping[Operation, Limit]
    ) -> Mapping[Operation, Limit]:
        """Limits over more than one link; only a target states them."""
        limits = dict(built_in)
        for stated, path in guards:
            for operation, key in _GUARDS.items():
                if key in stated.get(scope, {}):
                    given, before = stated[scope][key], limits.get(operation, Limit(floor=200))
                    count, ratio = given.get("count", before.count), given.get("ratio", before.ratio)
                    limits[operation] = Limit(
                        count=None if count in (None, UNLIMITED) else int(count),
                        ratio=None if ratio in (None, UNLIMITED) else float(ratio),
                        floor=before.floor,
                        rule=self.levels.document.rule(*path, scope, key),
                    )
        self.origins.update({f"guards.{scope}.max_{operation}s": limit.rule for operation, limit in limits.items()})
        return MappingProxyType(limits)

    def direction(self, findings: Findings) -> Direction:
        """The narrowest direction. Noted: nobody gives one, or a level would widen it; then no plan comes of it."""
        document = self.levels.document
        stated = self.levels.stated("direction")
        if self.levels.folder.of_directory:
            self.origins["direction"] = document.rule(*self.levels.place())
            return Direction.INBOUND
        if not stated:
            if not self.levels.refused("direction"):
                path = self.levels.place()
                findings.error(
                    "no-direction",
                    f"nothing says which way the {self.levels.folder} flows",
                    document.source.key_span(path),
                    hint="add direction: both, inbound (target to CRM) or outbound (CRM to target)",
                    pointer=pointer(path),
                )
            return Direction.NONE
        effective, outer = Direction(stated[0][0]), stated[0][1]
        for word, path in stated[1:]:
            wanted = Direction(word)
            narrowed = effective.narrowed(wanted)
            if narrowed is not wanted:
                left = f"leave it out, or write {narrowed}" if narrowed is not Direction.NONE else "leave it out"
                findings.error(
                    "direction-widened",
                    f"{word!r} widens {effective.value!r}, which {document.rule(*outer)} allows (B-4)",
                    document.span(*path),
                    hint=f"a deeper level can only narrow: {left}, or widen it there",
                    pointer=pointer(path),
                    related=document.span(*outer),
                )
            elif wanted is not effective:
                effective, outer = wanted, path
        self.origins["direction"] = document.rule(*outer)
        self._contacts_outbound(effective, outer, findings)
        return effective

    def _contacts_outbound(self, effective: Direction, outer: Path, findings: Findings) -> None:
        """Contacts flow out only (B-1), also where a level that speaks of every folder says otherwise. What is said of
        contacts themselves is checked where it stands."""
        stated_for_contacts = outer[-3:-1] == ("folders", Folder.CONTACTS.value)
        if self.levels.folder is Folder.CONTACTS and effective.writes(Side.CRM) and not stated_for_contacts:
            path = self.levels.place()
            findings.error(
                "contacts-outbound-only",
                f"contacts inherit {effective.value!r}: they go from the CRM to mailboxes only, and what users add in "
                "Outlook never reaches the CRM (B-1)",
                self.levels.document.source.key_span(path),
                hint="add direction: outbound to the folder",
                pointer=pointer(path),
                related=self.levels.document.span(*outer),
            )


def resolve(
    levels: Levels,
    guards: Levels,
    *,
    enabled: bool,
    time_zone: str,
    findings: Findings,
) -> FolderSettings | None:
    """The settings of one folder of one link; None when no mapping is named (noted).

    ``guards`` has the levels that may state limits; ``time_zone`` is the built-in default; ``enabled`` is what target and
    link say about themselves.
    """
    document = levels.document
    choice = _Choice(levels)
    direction = choice.direction(findings)
    mappings = levels.stated("mapping")
    if not mappings and not levels.refused("mapping"):
        path = levels.place()
        findings.error(
            "no-mapping",
            f"the {levels.folder} has no mapping",
            document.source.key_span(path),
            hint="add mapping: with the name of a document in mappings/",
            pointer=pointer(path),
        )
    if not mappings:
        return None
    mapping, mapping_path = mappings[-1]
    choice.origins["mapping"] = document.rule(*mapping_path)
    tolerance = choice.value("clock_tolerance", "2m")
    directory = levels.folder.of_directory
    window, zone = choice.window(), choice.value("time_zone", time_zone)
    expand, snapshot = choice.growth(window, zone, direction, findings)
    return FolderSettings(
        entity=Entity(choice.value("entity", ENTITY_OF[levels.folder])),
        mapping=mapping,
        mapping_path=mapping_path,
        direction=direction,
        conflict=ConflictPolicy(choice.value("conflict", ConflictPolicy.CRM_WINS)),
        edit_vs_delete=EditVsDelete(choice.value("edit_vs_delete", EditVsDelete.EDIT_WINS)),
        on_drift=OnDrift(choice.value("on_drift", OnDrift.REVERT if directory else OnDrift.IGNORE)),
        on_leave=OnLeave(choice.value("on_leave", LEAVING.get(levels.folder, OnLeave.DETACH))),
        private=Private(choice.value("private", Private.SYNC if directory else Private.SKIP)),
        private_title=choice.value("private_title", TITLE),
        private_meetings=bool(choice.value("private_meetings", False)),
        alerts=bool(choice.value("alerts", False)),
        keep_items_older_than=None
        if (kept := choice.value("keep_items_older_than", None)) is None
        else timedelta_of(kept),
        expand=expand,
        snapshot=snapshot,
        restrictions=choice.restrictions(),
        files=choice.files(),
        # A directory's filter is the server's to understand, not ours.
        filter=None if directory else choice.value("filter", None),
        filter_path=filters[-1][1] if not directory and (filters := levels.stated("filter")) else (),
        clock_tolerance=timedelta_of(tolerance).total_seconds(),
        time_zone=zone,
        window=window,
        denied=choice.denied(),
        limits=choice.limits(guards.stated("guards")),
        mail=choice.mail(),
        enabled=bool(choice.value("enabled", True)) and enabled,
        origins=MappingProxyType(choice.origins),
    )
