"""Files → plan: what holds for a link, which line decided it, and what a digest covers."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from runner.config import load, load_plan
from runner.config.compile import compile_mappings
from runner.config.documents import Document
from runner.config.findings import Findings
from runner.config.links import check_mappings, resolve_links
from runner.config.plan import LinkPlan, Window
from runner.config.yamlsource import read
from runner.model.errands import Items
from runner.model.files import FileRules
from runner.model.record import FieldType
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
from runner.reconcile.guards import Limit, Limits
from runner.reconcile.hours import Hours
from tests.config.conftest import APPOINTMENTS, CRM, HQ, Write
from tests.config.test_findings_catalogue import MATERIALISE, SERIES

ANN = "hq/ann@example.com/calendar"
BOB = "hq/bob@example.com/calendar"
LEVELS = """\
version: 1
kind: exchange
name: hq
endpoint: https://mail.example.com/EWS/Exchange.asmx
auth: {type: basic, username: svc, password: {file: secrets/hq}}
access: delegate
ca_file: ca.pem
timeout: 90s
page: 100
guards: {max_deletes: {count: 9}, max_updates: {ratio: unlimited}}
defaults:
  conflict: manual
  direction: both
  deny: [inbound-delete]
  time_zone: Europe/Vienna
  folders:
    calendar: {mapping: appointments, window: {past: 30d, future: 2h}, conflict: target_wins}
links:
- user: Ann@Example.com
- user: bob@example.com
  conflict: newest_wins
  direction: inbound
  edit_vs_delete: manual
  on_drift: report
  private: sync
  clock_tolerance: 30s
  deny: [outbound-create]
  guards: {max_deletes: {ratio: 0.1}}
  folders:
    calendar: {window: {past: unlimited}, time_zone: Asia/Tokyo, guards: {max_creates: {count: 5},
        max_writes_per_item_per_hour: 6}, enabled: false}
  on_leave: remove
  mail: {send: [updates], per_run: unlimited}
  private_title: Busy
  private_meetings: true
  alerts: true
  keep_items_older_than: 7d
  restrictions: {attendees: 3}
  filter: record.title is not none
  expand: false
  snapshot: false
  attachments: {max_bytes: 1000, blocked_extensions: [EXE]}
"""


@pytest.fixture
def links(write: Write) -> dict[str, LinkPlan]:
    root = write(hq=LEVELS)
    (root / "ca.pem").write_text("")
    return dict(load_plan(root).links)


def test_a_link_is_named_by_target_lower_case_user_and_folder(links: dict[str, LinkPlan]) -> None:
    assert list(links) == [ANN, BOB]
    ann = links[ANN]
    assert (ann.target, ann.user, ann.folder, ann.entity) == (
        "hq",
        "ann@example.com",
        Folder.CALENDAR,
        Entity.SCHEDULE_ITEM,
    )
    assert ann.rule == "targets.d/hq.yaml:19:3"


def test_the_nearest_level_wins(links: dict[str, LinkPlan]) -> None:
    ann, bob = links[ANN], links[BOB]
    assert [unit.conflict for unit in ann.rules.units] == [ConflictPolicy.TARGET_WINS] * 2
    assert [unit.conflict for unit in bob.rules.units] == [ConflictPolicy.NEWEST_WINS] * 2
    assert ann.rules.units[0].rule == "targets.d/hq.yaml:17:82"
    assert bob.rules.units[0].rule == "targets.d/hq.yaml:21:13"
    assert (ann.time_zone, bob.time_zone) == ("Europe/Vienna", "Asia/Tokyo")
    assert (ann.rules.edit_vs_delete, bob.rules.edit_vs_delete) == (EditVsDelete.EDIT_WINS, EditVsDelete.MANUAL)
    assert (ann.rules.on_drift, bob.rules.on_drift) == (OnDrift.IGNORE, OnDrift.REPORT)
    assert (ann.rules.on_leave, bob.rules.on_leave) == (OnLeave.DETACH, OnLeave.REMOVE)
    assert (ann.rules.clock_tolerance, bob.rules.clock_tolerance) == (120.0, 30.0)
    assert (ann.rules.rule, bob.rules.rule) == ("targets.d/hq.yaml:13:14", "targets.d/hq.yaml:23:19")


def test_nothing_private_leaves_the_target_unless_told_so(links: dict[str, LinkPlan]) -> None:
    """B-35."""
    assert (links[ANN].private, links[BOB].private) == (Private.SKIP, Private.SYNC)


def test_b36_the_table_of_occurrences_is_part_of_the_plan_and_a_field_of_mappings(write: Write) -> None:
    long = SERIES.replace("subject: text", "subject: {type: text, column: title, max_length: 9}")
    crm = load_plan(write(crm=CRM.replace("notes: text\n", long))).crm
    occurrences = crm.entities[Entity.SCHEDULE_ITEM].occurrences
    assert occurrences is not None
    assert (occurrences.table, occurrences.series, occurrences.day, occurrences.key, occurrences.modified) == (
        "occurrence", "appointment_id", "original_day", None, None,
    )  # fmt: skip
    assert occurrences.excluded == ("cancelled", True, False)
    subject = occurrences.fields["subject"]
    assert (subject.column, subject.type, subject.max_length) == ("title", FieldType.TEXT, 9)
    mapping = APPOINTMENTS + "- {crm: occurrences, record: recurrence_overrides}\n"
    codes = [each.code for each in load(write(crm=CRM.replace("notes: text\n", long), mapping=mapping)).diagnostics]
    assert codes == ["half-a-series"]


def test_b38_the_table_of_materialised_occurrences_is_part_of_the_plan(write: Write) -> None:
    timed = SERIES.replace("rule: recurrence\n", "rule: recurrence\n      begins: instant\n      ends: instant\n")
    table = MATERIALISE.replace("start: notes, end: from_time", "start: begins, end: ends")
    crm = load_plan(write(crm=CRM.replace("notes: text\n", timed) + table)).crm
    made = crm.entities[Entity.SCHEDULE_ITEM].materialised
    assert made is not None
    assert (made.table, made.series, made.day, made.start, made.end, made.horizon) == (
        "appointment_day", "appointment_id", "day", "begins", "ends", timedelta(days=365),
    )  # fmt: skip
    assert made.source == {"rule": "rule", "start": "begins", "end": "ends"}


@pytest.mark.parametrize(("value", "otherwise"), [("0", 1), ("gone", None), ("gone, otherwise: here", "here")])
def test_what_a_row_holds_that_is_not_left_out(write: Write, value: str, otherwise: object) -> None:
    series = SERIES.replace("value: true", f"value: {value}")
    crm = load_plan(write(crm=CRM.replace("notes: text\n", series))).crm
    occurrences = crm.entities[Entity.SCHEDULE_ITEM].occurrences
    assert occurrences is not None
    assert occurrences.excluded[2] == otherwise


def test_windows_merge_end_by_end(links: dict[str, LinkPlan]) -> None:
    """B-47."""
    assert links[ANN].window == Window(timedelta(days=30), timedelta(hours=2))
    assert links[BOB].window == Window(None, timedelta(hours=2))


def test_denied_operations_add_up(links: dict[str, LinkPlan]) -> None:
    """B-5: inbound writes the CRM, outbound the target."""
    assert links[ANN].rules.denied == {(Operation.DELETE, Side.CRM)}
    assert links[BOB].rules.denied == {(Operation.DELETE, Side.CRM), (Operation.CREATE, Side.TARGET)}


def test_guards_merge_key_by_key_and_know_their_line(links: dict[str, LinkPlan]) -> None:
    """B-101: a key left out keeps what is set further out, or the built-in limit; ``unlimited`` lifts it."""
    ann, bob = links[ANN].limits.by_operation, links[BOB].limits.by_operation
    assert ann[Operation.DELETE] == Limit(9, 0.3, rule="targets.d/hq.yaml:10:23")
    assert bob[Operation.DELETE] == Limit(9, 0.1, rule="targets.d/hq.yaml:28:25")
    assert ann[Operation.UPDATE] == Limit(None, None, floor=100, rule="targets.d/hq.yaml:10:48")
    assert ann[Operation.CREATE] == Limit()
    assert bob[Operation.CREATE].count == 5


def test_a_target_and_its_runs_have_limits_of_their_own(write: Write) -> None:
    """B-101: only the target states them, and every link of it has them."""
    wide = "guards: {per_target: {max_deletes: {count: 90}}, per_run: {max_creates: {count: 7}}}"
    limits = load_plan(write(hq=HQ.replace("access:", f"{wide}\naccess:"))).links[BOB].limits
    assert limits.per_target[Operation.DELETE] == Limit(90, 0.1, floor=200, rule="targets.d/hq.yaml:6:36")
    assert limits.per_run[Operation.CREATE] == Limit(7, None, floor=200, rule="targets.d/hq.yaml:6:73")
    assert Limits().per_target[Operation.DELETE] == Limit(None, 0.1, floor=200)


def test_the_loop_breaker_can_be_set_per_folder(links: dict[str, LinkPlan]) -> None:
    """B-65."""
    assert (links[ANN].limits.per_item, links[BOB].limits.per_item) == (20, 6)
    assert links[BOB].limits.per_item_rule == "targets.d/hq.yaml:31:39"


def test_a_link_narrows_its_target_and_a_field_its_link(write: Write) -> None:
    """B-4, B-5: the rule of a unit is the line that decided."""
    mapping = APPOINTMENTS.replace("record: title}", "record: title, direction: outbound}")
    mapping = mapping.replace("record: description}", "record: description, conflict: manual}")
    plan = load_plan(write(mapping=mapping, hq=HQ.replace("bob@example.com", "bob@example.com\n  direction: outbound")))
    title, description = plan.links[ANN].rules.units
    assert (title.direction, title.rule) == (Direction.OUTBOUND, "mappings/appointments.yaml:6:3")
    assert (description.direction, description.conflict) == (Direction.BOTH, ConflictPolicy.MANUAL)
    assert description.rule == "mappings/appointments.yaml:7:3"
    assert {unit.direction for unit in plan.links[BOB].rules.units} == {Direction.OUTBOUND}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("access:", "enabled: false\naccess:"),
        ("- user: ann@example.com", "- {user: ann@example.com, enabled: false}"),
        ("direction: both", "direction: both, enabled: false"),
        ("- user: ann@example.com", "- {user: ann@example.com, folders: {calendar: {enabled: false}}}"),
    ],
)
def test_a_link_runs_only_when_target_link_and_folder_are_enabled(write: Write, old: str, new: str) -> None:
    """B-4."""
    assert not load_plan(write(hq=HQ.replace(old, new))).links[ANN].enabled
    assert load_plan(write(hq=HQ)).links[ANN].enabled


def test_a_folder_that_only_a_link_names_is_its_own(write: Write) -> None:
    plan = load_plan(
        write(
            hq=HQ.replace("defaults:\n  folders:\n    calendar: {mapping: appointments, direction: both}\n", "")
            .replace(
                "ann@example.com", "ann@example.com\n  folders: {calendar: {mapping: appointments, direction: inbound}}"
            )
            .replace("- user: bob@example.com\n", "")
        )
    )
    assert plan.links[ANN].rules.direction is Direction.INBOUND


def test_the_exchange_part(write: Write) -> None:
    root = write(hq=LEVELS)
    (root / "ca.pem").write_text("")
    hq = load_plan(root).targets["hq"]
    assert (hq.access, hq.page, hq.timeout, hq.rule) == (
        "delegate",
        100,
        timedelta(seconds=90),
        "targets.d/hq.yaml:1:1",
    )
    assert (hq.ca_file, hq.auth.password.name) == (str(root / "ca.pem"), str(root / "secrets/hq"))
    assert hq.auth.password.rule == "targets.d/hq.yaml:5:46"


def test_the_crm_part(write: Write) -> None:
    crm = CRM.replace(
        "owner: owner_id", "owner: owner_id\n    soft_delete: {column: gone, value: 1}\n    defaults: {src: x}"
    )
    crm = crm.replace(
        "notes: text", "notes: {type: text, column: memo, nullable: false}\n      at: {type: instant, writable: false}"
    )
    plan = load_plan(write(crm=crm)).crm
    entity = plan.entities[Entity.SCHEDULE_ITEM]
    assert repr(plan.url) == "SecretRef(env:CRM_URL)"
    assert (entity.soft_delete, dict(entity.defaults), entity.version_by) == (("gone", 1), {"src": "x"}, "trigger")
    assert (entity.fields["notes"].column, entity.fields["notes"].nullable) == ("memo", False)
    assert (entity.fields["at"].type, entity.fields["at"].writable) == (FieldType.INSTANT, False)
    assert entity.fields["subject"].max_length == 255


def test_a_mailbox_without_a_zone_takes_the_crms(write: Write) -> None:
    assert load_plan(write()).links[ANN].time_zone == "Etc/UTC"
    assert load_plan(write(crm=CRM + "time_zone: Europe/Rome\n")).links[ANN].time_zone == "Europe/Rome"


def test_a_plan_cannot_be_changed(write: Write) -> None:
    plan = load_plan(write())
    with pytest.raises(FrozenInstanceError):
        plan.digest = "x"  # type: ignore[misc]
    for held in (plan.links, plan.targets, plan.crm.entities, plan.crm.entities[Entity.SCHEDULE_ITEM].fields):
        with pytest.raises(TypeError):
            held["x"] = None  # type: ignore[index]


def test_a_links_digest_is_over_meaning(write: Write) -> None:
    first = load_plan(write())
    formatted = HQ.replace("links:", "# a comment\n\nlinks:").replace(
        "{mapping: appointments, ", "{ 'mapping':  appointments,"
    )
    other = load_plan(write(hq=formatted))
    assert other.digest != first.digest
    assert {name: link.digest for name, link in other.links.items()} == {
        n: link.digest for n, link in first.links.items()
    }


@pytest.mark.parametrize(
    "setting",
    [
        "conflict: manual",
        "direction: inbound",
        "edit_vs_delete: manual",
        "on_drift: revert",
        "on_leave: remove",
        "private: sync",
        "private: busy_only",
        "private_title: Busy",
        "private_meetings: true",
        "keep_items_older_than: 7d",
        "restrictions: {attendees: 3}",
        "filter: record.title is not none",
        "expand: {initial: {past: 1d, future: 7d}}",
        "snapshot: {direction: send, at: '30 3 * * 0'}",
        "clock_tolerance: 3m",
        "time_zone: Asia/Tokyo",
        "window: {past: 1d}",
        "deny: [inbound-delete]",
        "guards: {max_creates: {count: 3}}",
        "guards: {max_writes_per_item_per_hour: unlimited}",
        "enabled: false",
    ],
)
def test_a_links_digest_changes_with_every_setting_and_only_its_own(write: Write, setting: str) -> None:
    before = load_plan(write()).links
    after = load_plan(write(hq=HQ.replace("bob@example.com", f"bob@example.com\n  {setting}"))).links
    assert after[BOB].digest != before[BOB].digest
    assert after[ANN].digest == before[ANN].digest


def test_a_changed_mapping_changes_its_links(write: Write) -> None:
    before = load_plan(write()).links
    after = load_plan(write(mapping=APPOINTMENTS.replace("- {crm: notes, record: description}\n", ""))).links
    assert before[ANN].digest != after[ANN].digest


def test_links_that_say_nothing_of_their_own_share_their_rules(write: Write) -> None:
    many = HQ + "".join(f"- user: user{number}@example.com\n" for number in range(300))
    plan = load_plan(write(hq=many))
    assert len(plan.links) == 302
    assert len({id(link.rules) for link in plan.links.values()}) == 1
    assert len({link.digest for link in plan.links.values()}) == 302


def test_every_setting_has_an_origin(write: Write) -> None:
    root = write(hq=LEVELS)
    (root / "ca.pem").write_text("")
    origins = load(root).settings[BOB].origins
    assert origins["direction"] == "targets.d/hq.yaml:22:14"
    assert origins["guards.max_updates"] == "targets.d/hq.yaml:10:48"
    assert origins["mapping"] == "targets.d/hq.yaml:17:25"
    built_in = {"entity", "guards.per_target.max_deletes"}
    assert "built-in default" not in {origins[name] for name in origins.keys() - built_in}


@pytest.mark.parametrize(
    ("said", "files"),
    [
        ("", FileRules(one=1000, blocked=frozenset({"exe"}))),
        ("attachments: {max_total_bytes: 7}, ", FileRules(one=1000, total=7, blocked=frozenset({"exe"}))),
        ("attachments: true, ", FileRules(one=1000, blocked=frozenset({"exe"}))),
        ("attachments: false, ", None),
    ],
)
def test_limits_of_attachments_merge_and_are_switched_off_by_false(
    write: Write, said: str, files: FileRules | None
) -> None:
    """B-45: off by default; what a link says is narrowed, widened or switched off by its folder."""
    root = write(
        hq=LEVELS.replace(
            "    calendar: {window: {past: unlimited}", f"    calendar: {{{said}window: {{past: unlimited}}"
        )
    )
    (root / "ca.pem").write_text("")
    loaded = load(root)
    assert loaded.settings[BOB].files == files
    assert loaded.settings[ANN].files is None


def document(kind: str, text: str) -> Document:
    source = read(text.encode(), f"{kind}.yaml")
    return Document(source, kind, source.data)


def test_a_mapping_for_another_entity_is_refused() -> None:
    findings, target = Findings(), document("exchange", HQ)
    task = document("mapping", APPOINTMENTS.replace("schedule_item", "task"))
    links = resolve_links(target, time_zone="Etc/UTC", findings=findings)
    check_mappings(target, links, {"appointments": task}, complete=True, findings=findings)
    wrong = document("exchange", HQ.replace("direction: both", "direction: both, entity: task"))
    links = resolve_links(wrong, time_zone="Etc/UTC", findings=findings)
    check_mappings(wrong, links, {"appointments": task}, complete=True, findings=findings)
    assert [each.code for each in findings.sorted()] == ["entity-mismatch", "entity-mismatch"]


def test_a_mapping_for_an_entity_that_the_crm_does_not_describe_is_refused() -> None:
    findings = Findings()
    task = document("mapping", APPOINTMENTS.replace("entity: schedule_item", "entity: task"))
    assert compile_mappings({"appointments": task}, document("crm", CRM), findings) == {}
    (found,) = findings.sorted()
    assert (found.code, str(found.span)) == ("unknown-entity", "mapping.yaml:4:9")


def test_an_unreadable_mapping_file_does_not_make_its_name_unknown(write: Write) -> None:
    loaded = load(write(mapping="name: 'unclosed\n"))
    assert [each.code for each in loaded.diagnostics] == ["yaml-syntax"]


def test_the_shipped_samples_are_valid_and_carry_the_editors_modeline() -> None:
    root = Path(__file__).parents[2]
    assert load(root).diagnostics == ()
    for sample in [*root.glob("targets.d/*.yaml"), *root.glob("mappings/*.yaml")]:
        first, schema = sample.read_text(encoding="utf-8").split("\n", 1)[0].split("$schema=")
        assert first == "# yaml-language-server: "
        assert (sample.parent / schema).is_file()


def test_a_filter_is_compiled_once_and_its_mistakes_have_their_place(write: Write) -> None:
    """B-47: an expression like those of mappings, over the fields that the link's mapping carries."""
    root = write(
        hq=HQ.replace("bob@example.com", "bob@example.com\n  filter: record.titel == 'x' and record.title ** 2 == 4")
    )
    findings = [(each.code, str(each.span).rsplit(":", 2)[0]) for each in load(root).diagnostics]
    assert sorted(findings) == [("bad-expression", "targets.d/hq.yaml"), ("unknown-field", "targets.d/hq.yaml")]
    plan = load_plan(write(hq=HQ.replace("bob@example.com", "bob@example.com\n  filter: \"record.title == 'x'\"")))
    condition = plan.links[BOB].filter
    assert condition is not None
    assert condition.holds({"title": "x"})
    assert not condition.holds({"title": None})
    assert plan.links[ANN].filter is None


@pytest.mark.parametrize(
    ("stated", "mode", "poll", "renewal"),
    [
        ("", "streaming", timedelta(hours=1), timedelta(minutes=20)),
        ("notifications: {mode: poll}", "poll", timedelta(minutes=5), timedelta(minutes=20)),
        ("notifications: {poll: 90s, renewal_period: 30m}", "streaming", timedelta(seconds=90), timedelta(minutes=30)),
        (
            "notifications: {mode: push, url: https://exsync.example.com/push/}",
            "push",
            timedelta(hours=1),
            timedelta(minutes=20),
        ),
    ],
)
def test_how_changes_are_heard_of(write: Write, stated: str, mode: str, poll: timedelta, renewal: timedelta) -> None:
    """B-11, B-13: every mode has a slow look besides; a link that is told of is looked at less often."""
    root = write(hq=HQ.replace("access: impersonation", f"access: impersonation\n{stated}"))
    plan = load_plan(root).targets["hq"].notifications
    assert (plan.mode, plan.poll, plan.renewal_period) == (mode, poll, renewal)
    assert plan.url == ("https://exsync.example.com/push" if mode == "push" else "")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("{type: kerberos}", ("kerberos", "", None, "", "")),
        (
            "{type: oauth2, client_id: app, client_secret: {env: S}, token_url: https://sts.example.com/t, scope: ews}",
            ("oauth2", "app", "S", "https://sts.example.com/t", "ews"),
        ),
    ],
)
def test_ways_to_log_on(write: Write, stated: str, expected: tuple[object, ...]) -> None:
    line = next(line for line in HQ.splitlines() if line.startswith("auth:"))
    auth = load_plan(write(hq=HQ.replace(line, f"auth: {stated}"))).targets["hq"].auth
    assert (auth.type, auth.username, auth.password and auth.password.name, auth.token_url, auth.scope) == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("endpoint: https://a.example.com/EWS/Exchange.asmx", ("https://a.example.com/EWS/Exchange.asmx", "")),
        ("autodiscover: true", ("", "domain")),
        (
            "autodiscover: https://a.example.com/autodiscover/autodiscover.svc",
            ("", "https://a.example.com/autodiscover/autodiscover.svc"),
        ),
    ],
)
def test_one_endpoint_or_one_for_each_mailbox(write: Write, stated: str, expected: tuple[str, str]) -> None:
    """B-16."""
    line = next(line for line in HQ.splitlines() if line.startswith("endpoint:"))
    plan = load_plan(write(hq=HQ.replace(line, stated))).targets["hq"]
    assert (plan.endpoint, plan.autodiscover) == expected


def test_growth_and_scheduled_snapshots_are_compiled_with_the_mailboxs_zone(write: Write) -> None:
    """B-70, B-71; a deeper level replaces or switches off what an outer one says."""
    folder = """
      mapping: appointments
      direction: both
      time_zone: Europe/Vienna
      expand:
        initial: {past: 7d, future: 30d}
        multiply: {future: 3}
        steps: 4
        per_minute: 200
        during: {days: [mon, fri], from: '20:00', to: '06:00'}
      snapshot: {direction: get, at: "30 3 * * 0", modified: 8d, start: {past: 30d}, items: recurring, rate: 300}"""
    text = HQ.replace(" {mapping: appointments, direction: both}", folder)
    off = text.replace("bob@example.com", "bob@example.com\n  expand: false\n  snapshot: false")
    links = load_plan(write(hq=off)).links
    hours = Hours(frozenset({0, 4}), time(20), time(6), "Europe/Vienna")
    assert links[ANN].expand == Expansion(timedelta(days=7), timedelta(days=30), 2, 3, 4, 200, hours)
    assert (links[BOB].expand, links[BOB].snapshot) == (None, None)
    schedule = links[ANN].snapshot
    assert schedule is not None
    now = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
    assert schedule.after(now) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # half past three, summer time by then
    errand = schedule.errand(now)
    assert (errand.giver, errand.deletes, errand.items, errand.rate) == (Side.TARGET, False, Items.RECURRING, 300)
    assert (errand.modified.since, errand.start.since) == (now - timedelta(days=8), now - timedelta(days=30))
