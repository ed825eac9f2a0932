"""One spoilt configuration per diagnostic code: the code and the exact place of every finding, warnings included."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from runner.config import load
from tests.config.conftest import APPOINTMENTS, CRM, HQ, Write

INBOUND = HQ.replace("both}", "inbound}")
WIDENED = "bob@example.com\n  direction: both"
HQ_FOLDER = "{mapping: appointments, direction: both}"


def hq(old: str, new: str) -> dict[str, str | bytes | None]:
    assert old in HQ
    return {"hq": HQ.replace(old, new)}


def crm(old: str, new: str) -> dict[str, str | bytes | None]:
    assert old in CRM
    return {"crm": CRM.replace(old, new)}


def service(text: str) -> dict[str, str | bytes | None]:
    return {"service": f"version: 1\nkind: service\n{text}\n"}


USERS_CRM = (
    CRM
    + """\
  user:
    table: crm_user
    key: id
    version: row_version
    unique: login
    templates: {seller: {role: sales}}
    fields: {login: text}
"""
)
PEOPLE_MAPPING = "version: 1\nkind: mapping\nname: people\nentity: user\nfields:\n- {crm: login, record: login}\n"
GROUPS = "groups: {bases: ['ou=groups,dc=example']}\n"
DIRECTORY = """\
version: 1
kind: ldap
name: ad
url: ldaps://dc1.example.com
auth: {type: simple, username: svc, password: {env: AD_PASSWORD}}
users:
  bases: ['ou=people,dc=example']
  mapping: people
"""
AD: dict[str, str | bytes | None] = {"crm": USERS_CRM, "ad": DIRECTORY, "mappings/people.yaml": PEOPLE_MAPPING}


def ad(old: str, new: str) -> dict[str, str | bytes | None]:
    """A directory with its CRM and its mapping, spoilt in one place."""
    assert old in DIRECTORY
    return {**AD, "ad": DIRECTORY.replace(old, new)}


SERIES = """\
notes: text
      rule: recurrence
    occurrences:
      table: occurrence
      series: appointment_id
      day: original_day
      excluded: {column: cancelled, value: true}
      fields:
        subject: text
        notes: text
"""


MATERIALISE = """\
    materialise:
      table: appointment_day
      series: appointment_id
      day: day
      start: begins
      end: ends
      horizon: 365d
      from: {rule: rule, start: notes, end: from_time}
"""


def occurrences(old: str, new: str, **more: str | bytes | None) -> dict[str, str | bytes | None]:
    """The CRM with a table of occurrences, spoilt in one place."""
    assert old in SERIES
    return {"crm": CRM.replace("notes: text\n", SERIES.replace(old, new)), **more}


PEOPLE = """\
    participants:
      organizer: organizer
      users: {table: appointment_user, item: item_id, user: user_id, address: invited_as, role: role}
      external: {table: guest, item: item_id, address: email, role: role}
      blacklist: ['@lists[.]']
"""


def people(old: str, new: str) -> dict[str, str | bytes | None]:
    made = CRM + PEOPLE
    assert old in made
    return {"crm": made.replace(old, new)}


FILES = "    attachments: {table: item_file, item: item_id, name: name, content: content}\n"


def files(old: str, new: str) -> dict[str, str | bytes | None]:
    made = CRM + FILES
    assert old in made
    return {"crm": made.replace(old, new)}


EXPAND = "both, expand: {initial: {past: 7d, future: 30d}, during: {from: '20:00', to: '06:00'}}}"
SNAPSHOT = "both, snapshot: {direction: send, at: '30 3 * * 0'}}"


def expand(old: str, new: str) -> dict[str, str | bytes | None]:
    assert old in EXPAND
    return hq("both}", EXPAND.replace(old, new))


def scheduled(old: str, new: str) -> dict[str, str | bytes | None]:
    assert old in SNAPSHOT
    return hq("both}", SNAPSHOT.replace(old, new))


Case = tuple[str, dict[str, str | bytes | None], list[str]]
CASES: list[Case] = [
    # syntax: tests of the YAML reader have the rest
    ("yaml-syntax", hq("links:", "links: ]"), ["targets.d/hq.yaml:10:8: yaml-syntax"]),
    ("yaml-alias", hq("both}", "*x }"), ["targets.d/hq.yaml:9:50: yaml-alias"]),
    ("yaml-tag", hq("name: hq", "name: !x hq"), ["targets.d/hq.yaml:3:7: yaml-tag"]),
    ("yaml-key", hq("direction: both", "1: both"),
     ["targets.d/hq.yaml:9:5: no-direction", "targets.d/hq.yaml:9:39: yaml-key"]),
    ("yaml-merge", hq("links:", "<<: {a: 1}\nlinks:"), ["targets.d/hq.yaml:10:1: yaml-merge"]),
    ("yaml-documents", hq("links:", "---\nlinks:"), ["targets.d/hq.yaml:10:1: yaml-documents"]),
    ("duplicate-key", hq("name: hq", "name: hq\nname: hr"), ["targets.d/hq.yaml:4:1: duplicate-key"]),
    ("bad-number", hq("access:", "page: 1e999\naccess:"), ["targets.d/hq.yaml:6:7: bad-number"]),
    ("too-deep", hq("name: hq", "name: " + "[" * 70), ["targets.d/hq.yaml:3:70: too-deep"]),
    ("not-utf8", {"hq": b"version: 1\nname: \xfc\n"}, ["targets.d/hq.yaml:2:7: not-utf8"]),
    ("empty-file", {"hq": "# nothing yet\n"}, ["targets.d/hq.yaml:1:1: empty-file"]),
    # schema
    ("unknown-key", hq("access:", "acces:"), ["targets.d/hq.yaml:6:1: unknown-key"]),
    ("missing-key", hq("access: impersonation\n", ""), ["targets.d/hq.yaml:1:1: missing-key"]),
    ("missing-key", hq("username: 'EX\\svc', ", ""), ["targets.d/hq.yaml:5:1: missing-key"]),
    ("bad-type", hq("- user: bob@example.com", "- bob@example.com"), ["targets.d/hq.yaml:12:3: bad-type"]),
    ("bad-value", hq("both}", "bth}"), ["targets.d/hq.yaml:9:50: bad-value"]),
    ("bad-value", hq("bob@example.com", "bob"), ["targets.d/hq.yaml:12:9: bad-value"]),
    ("bad-value", hq("access:", "page: 513\naccess:"), ["targets.d/hq.yaml:6:7: bad-value"]),
    ("bad-value", crm("notes: text", "x: {type: instant, max_length: 3}\n      notes: text"),
     ["targets.d/crm.yaml:15:26: bad-value"]),
    ("empty-value", hq("both}", "}"), ["targets.d/hq.yaml:9:50: empty-value"]),
    ("empty-value", hq("links:\n", "guards:\nlinks:\n"), ["targets.d/hq.yaml:10:8: empty-value"]),
    ("secret-literal", hq("{env: HQ_PASSWORD}", "hunter2"), ["targets.d/hq.yaml:5:50: secret-literal"]),
    ("secret-literal", crm("{env: CRM_URL}", "postgresql://u:hunter2@h/d"), ["targets.d/crm.yaml:4:6: secret-literal"]),
    ("secret-literal", crm("{env: CRM_URL}", "'postgresql://h/d?password=x'"),
     ["targets.d/crm.yaml:4:6: secret-literal"]),
    ("secret-literal", hq("https://", "https://u:p@"), ["targets.d/hq.yaml:4:11: secret-literal"]),
    ("missing-key", hq("access:", "notifications: {mode: push}\naccess:"), ["targets.d/hq.yaml:6:1: missing-key"]),
    ("bad-value", hq("access:", "notifications: {renewal_period: 90s}\naccess:"), ["targets.d/hq.yaml:6:33: bad-value"]),
    ("missing-key", hq("type: ntlm", "type: oauth2"), ["targets.d/hq.yaml:5:1: missing-key"] * 3),
    ("not-yet", hq("access:", "retries: {most: 3}\naccess:"), ["targets.d/hq.yaml:6:1: not-yet"]),
    ("two-endpoints", hq("access:", "autodiscover: true\naccess:"), ["targets.d/hq.yaml:6:15: two-endpoints"]),
    ("plain-http", hq("endpoint: https://mail.example.com/EWS/Exchange.asmx", "autodiscover: http://mail.example.com/a"),
     ["targets.d/hq.yaml:4:15: plain-http"]),
    ("unknown-directory", hq("- user: bob@example.com", "- generate: {from: {ldap: corp}}"),
     ["targets.d/hq.yaml:12:27: unknown-directory"]),
    ("not-yet", ad("users:", "links: []\nusers:"), ["targets.d/ad.yaml:6:1: not-yet"]),
    # directories
    ("plain-ldap", ad("ldaps:", "ldap:"), ["targets.d/ad.yaml:4:6: plain-ldap"]),
    ("two-tls", ad("users:", "start_tls: true\nusers:"), ["targets.d/ad.yaml:6:1: two-tls"]),
    ("bad-endpoint", ad("dc1.example.com", "dc1.example.com:x"), ["targets.d/ad.yaml:4:6: bad-endpoint"]),
    ("ca-file-missing", ad("users:", "ca_file: certs/none.pem\nusers:"), ["targets.d/ad.yaml:6:10: ca-file-missing"]),
    ("ldap-inbound-only", ad("mapping: people", "mapping: people\n  direction: both"),
     ["targets.d/ad.yaml:9:14: ldap-inbound-only"]),
    ("bad-filter", ad("mapping: people", "mapping: people\n  filter: (&(mail=*)"), ["targets.d/ad.yaml:9:11: bad-filter"]),
    ("unknown-field", ad("mapping: people", "mapping: people\n  attributes: {logon: uid}"),
     ["targets.d/ad.yaml:9:16: unknown-field"]),
    ("no-groups", ad("users:", "group_mapping: [{group: A, synchronize_users: true}]\nusers:"),
     ["targets.d/ad.yaml:6:1: no-groups"]),
    ("group-unnamed", ad("users:", GROUPS + "group_mapping:\n- {synchronize_users: true}\nusers:"),
     ["targets.d/ad.yaml:8:3: group-unnamed"]),
    ("duplicate-group", ad("users:", GROUPS + "group_mapping:\n- {group: A, synchronize_users: true}\n"
     "- {group: a, synchronize_users: false}\nusers:"), ["targets.d/ad.yaml:9:3: duplicate-group"]),
    ("unknown-template", ad("users:", GROUPS + "group_mapping:\n- {group: A, synchronize_users: true, template: sailor}\n"
     "users:"), ["targets.d/ad.yaml:8:49: unknown-template"]),
    ("nothing-inbound", {**AD, "mappings/people.yaml": PEOPLE_MAPPING.replace("login}", "login, direction: outbound}")},
     ["targets.d/ad.yaml:8:12: nothing-inbound"]),
    ("unowned", {**AD, "crm": USERS_CRM.replace("unique: login", "unique: login\n    owner: id")},
     ["targets.d/crm.yaml:21:5: unowned"]),
    ("two-user-tables", {**AD, "crm": USERS_CRM.replace("table: crm_user\n", "table: person\n")},
     ["targets.d/crm.yaml:17:12: two-user-tables"]),
    ("unknown-field", {**AD, "crm": USERS_CRM.replace("unique: login", "unique: logon")},
     ["targets.d/crm.yaml:20:13: unknown-field"]),
    ("contacts-outbound-only", {"hq": HQ.replace("  folders:", "  direction: both\n  folders:").replace(
        "    calendar:", "    contacts: {mapping: appointments}\n    calendar:")},
     ["targets.d/hq.yaml:10:5: contacts-outbound-only", "targets.d/hq.yaml:10:25: entity-mismatch"]),
    ("contacts-outbound-only", hq("calendar:", "contacts: {direction: both}\n    calendar:"),
     ["targets.d/hq.yaml:9:5: no-mapping", "targets.d/hq.yaml:9:27: contacts-outbound-only"]),
    # references
    ("no-crm", {"crm": None}, ["targets.d/hq.yaml:2:1: no-crm"]),
    ("two-crms", {"two": CRM.replace("name: crm", "name: second")}, ["targets.d/two.yaml:2:7: two-crms"]),
    ("duplicate-name", {"hq2": HQ}, ["targets.d/hq2.yaml:3:7: duplicate-name"]),
    ("unknown-time-zone", hq("defaults:", "defaults:\n  time_zone: Europe/Wien"),
     ["targets.d/hq.yaml:8:14: unknown-time-zone"]),
    ("unknown-time-zone", hq("bob@example.com", "bob@example.com\n  time_zone: Europe"),
     ["targets.d/hq.yaml:13:14: unknown-time-zone"]),
    ("unknown-time-zone", crm("feed:", "time_zone: Mars\nfeed:"), ["targets.d/crm.yaml:5:12: unknown-time-zone"]),
    ("reserved-column", crm("notes: text", "notes: {type: text, column: id}"),
     ["targets.d/crm.yaml:15:7: reserved-column"]),
    ("two-owners", crm("owner: owner_id", "owner: owner_id\n    owners: [{column: owner_id}]"),
     ["targets.d/crm.yaml:12:5: two-owners"]),
    ("two-owners", crm("owner: owner_id", "owners: [{column: owner_id}, {column: other_id}]"),
     ["targets.d/crm.yaml:12:35: two-owners"]),
    ("no-owner", crm("    owner: owner_id\n", ""), ["targets.d/crm.yaml:8:3: no-owner"]),
    ("missing-key", crm("owner: owner_id", "owners: [{table: appointment_user, user: user_id}]"),
     ["targets.d/crm.yaml:12:14: missing-key"]),
    ("unknown-key", crm("owner: owner_id", "owners: [{column: owner_id, user: user_id}]"),
     ["targets.d/crm.yaml:12:33: unknown-key"]),
    ("bad-value", crm("owner: owner_id", "owners: [{table: appointment, item: id, user: owner_id}]"),
     ["targets.d/crm.yaml:12:22: bad-value"]),
    ("relation-unseen", {
        "crm": CRM.replace("feed: outbox", "feed: version_column").replace(
            "owner: owner_id", "owners: [{table: appointment_user, item: appointment_id, user: user_id}]")},
     ["targets.d/crm.yaml:12:14: relation-unseen"]),
    ("duplicate-column", crm("notes: text", "notes: {type: text, column: subject}"),
     ["targets.d/crm.yaml:15:7: duplicate-column"]),
    ("bad-endpoint", hq("https://mail.example.com/", "https:///"), ["targets.d/hq.yaml:4:11: bad-endpoint"]),
    ("plain-http", hq("https://mail", "http://mail"), ["targets.d/hq.yaml:4:11: plain-http"]),
    ("exchange-online-retired", hq("mail.example.com", "outlook.office365.com"),
     ["targets.d/hq.yaml:4:11: exchange-online-retired"]),
    ("ca-file-missing", hq("access:", "ca_file: ca.pem\naccess:"), ["targets.d/hq.yaml:6:10: ca-file-missing"]),
    ("no-links", hq("links:\n- user: ann@example.com\n- user: bob@example.com\n", ""),
     ["targets.d/hq.yaml:3:7: no-links"]),
    # occurrences of series (B-36)
    ("half-a-series", occurrences("rule: recurrence", "rule: text"), ["targets.d/crm.yaml:17:5: half-a-series"]),
    ("bad-pattern", people("'@lists[.]'", "'@ok', '*@x.com'"), ["targets.d/crm.yaml:20:26: bad-pattern"]),
    ("slow-pattern", people("'@lists[.]'", "'(a+)+$'"), ["targets.d/crm.yaml:20:19: slow-pattern"]),
    ("bad-pattern", people("'@lists[.]'", "'(x'"), ["targets.d/crm.yaml:20:19: bad-pattern"]),
    ("reserved-name", people("notes: text", "notes: text\n      responses: text"),
     ["targets.d/crm.yaml:16:7: reserved-name"]),
    ("reserved-name", files("notes: text", "notes: text\n      attachments: text"),
     ["targets.d/crm.yaml:16:7: reserved-name"]),
    ("needs-outbox", files("feed: outbox", "feed: version_column"), ["targets.d/crm.yaml:16:5: needs-outbox"]),
    ("needs-outbox", people("feed: outbox", "feed: version_column"), ["targets.d/crm.yaml:16:5: needs-outbox"]),
    ("unknown-entity", people("      blacklist", "      contacts: {table: c, item: i, contact: p, address: a, role: r, "
                              "emails: [email]}\n      blacklist"), ["targets.d/crm.yaml:20:7: unknown-entity"]),
    ("bad-value", people("      blacklist", "      roles: {required: x, optional: x}\n      blacklist"),
     ["targets.d/crm.yaml:20:7: bad-value"]),
    ("holder-invited", people("owner: owner_id", "owners: [{table: appointment_user, item: item_id, user: user_id}]"),
     ["targets.d/crm.yaml:12:14: holder-invited"]),
    ("holder-invited", people("owner: owner_id", "owners: [{table: appointment_user, item: item_id, user: user_id, "
                              "defaults: {role: optional}}]"), ["targets.d/crm.yaml:12:14: holder-invited"]),
    ("bad-value", people("owner: owner_id", "owners: [{table: appointment_user, item: item_id, user: user_id, "
                         "defaults: {role: holder}, soft_delete: {column: gone, value: true}}]"),
     ["targets.d/crm.yaml:12:96: bad-value"]),
    ("missing-key", people("role: role}\n      blacklist", "name: n}\n      blacklist"),
     ["targets.d/crm.yaml:19:7: missing-key"]),
    ("reserved-name", occurrences("rule: recurrence", "rule: recurrence\n      occurrences: text"),
     ["targets.d/crm.yaml:17:7: reserved-name"]),
    ("needs-outbox", {"crm": str(occurrences("", "")["crm"]).replace("feed: outbox", "feed: version_column")},
     ["targets.d/crm.yaml:17:5: needs-outbox"]),
    ("unknown-field", occurrences("        notes:", "        note:"), ["targets.d/crm.yaml:24:9: unknown-field"]),
    ("type-mismatch", occurrences("        notes: text", "        notes: keywords"),
     ["targets.d/crm.yaml:24:9: type-mismatch"]),
    ("bad-value", occurrences("        notes: text", "        rule: recurrence"),
     ["targets.d/crm.yaml:24:15: bad-value"]),
    ("bad-value", occurrences("rule: recurrence", "rule: recurrence\n      whole: boolean")
     | {"crm": str(occurrences("rule: recurrence", "rule: recurrence\n      whole: boolean")["crm"]).replace(
         "        notes: text", "        whole: {type: boolean, max_length: 3}")},
     ["targets.d/crm.yaml:25:32: bad-value"]),
    ("reserved-column", occurrences("        notes: text", "        notes: {type: text, column: cancelled}"),
     ["targets.d/crm.yaml:24:9: reserved-column"]),
    ("duplicate-column", occurrences("        notes: text", "        notes: {type: text, column: subject}"),
     ["targets.d/crm.yaml:24:9: duplicate-column"]),
    ("type-mismatch", occurrences("    occurrences:", MATERIALISE + "    occurrences:"),
     ["targets.d/crm.yaml:24:26: type-mismatch", "targets.d/crm.yaml:24:40: unknown-field"]),
    ("missing-key", occurrences("      day: original_day\n", ""), ["targets.d/crm.yaml:17:5: missing-key"]),
    # links
    ("duplicate-link", hq("bob@", "ANN@"), ["targets.d/hq.yaml:12:9: duplicate-link"]),
    ("no-folders", hq("defaults:\n  folders:\n    calendar: " + HQ_FOLDER + "\n", ""),
     ["targets.d/hq.yaml:8:9: no-folders", "targets.d/hq.yaml:9:9: no-folders"]),
    ("no-direction", hq(", direction: both", ""), ["targets.d/hq.yaml:9:5: no-direction"]),
    ("no-mapping", hq("mapping: appointments, ", ""), ["targets.d/hq.yaml:9:5: no-mapping"]),
    ("direction-widened", {"hq": INBOUND.replace("bob@example.com", WIDENED)},
     ["targets.d/hq.yaml:13:14: direction-widened"]),
    ("unknown-mapping", hq("mapping: appointments", "mapping: apointments"),
     ["targets.d/hq.yaml:9:25: unknown-mapping"]),
    # mappings: the compiler's own tests have the rest
    ("unknown-field", {"mapping": APPOINTMENTS.replace("crm: notes", "crm: nots")},
     ["mappings/appointments.yaml:7:9: unknown-field"]),
    ("missing-key", {"mapping": APPOINTMENTS.replace("entity: schedule_item\n", "")},
     ["mappings/appointments.yaml:1:1: missing-key"]),
    # service.yaml
    ("console-open", service("console: {listen: '0.0.0.0:443', certificate: {file: c.pem, key: k.pem}}"),
     ["service.yaml:3:19: console-open"]),
    ("console-in-clear", service("console:\n  listen: '[::]:8460'\n  users: {file: users}"),
     ["service.yaml:4:11: console-in-clear"]),
    ("header-without-proxy", service("console:\n  header: {user: X-Forwarded-User}"),
     ["service.yaml:4:3: header-without-proxy"]),
    ("bad-value", service("console: {listen: 127.0.0.1:99999, proxies: [10.0.0.0/40]}"),
     ["service.yaml:3:19: bad-value", "service.yaml:3:46: bad-value"]),
    ("bad-value", service("queue: {timeout: soon, priorities: {timer: 101}}"),
     ["service.yaml:3:18: bad-value", "service.yaml:3:44: bad-value"]),
    ("unknown-key", service("queue: {priorities: {timers: 5}}"),
     ["service.yaml:3:22: unknown-key"]),
    ("duplicate-name", service("olap:\n  cubes:\n  - {name: a, of: queue}\n  - {name: a, of: queue}"),
     ["service.yaml:6:12: duplicate-name"]),
    ("unknown-measure", service("olap: {cubes: [{name: a, of: queue, measures: [sents]}]}"),
     ["service.yaml:3:48: unknown-measure"]),
    ("says-nothing", hq("both}", "both, expand: true, snapshot: true}"),
     ["targets.d/hq.yaml:9:64: says-nothing", "targets.d/hq.yaml:9:80: says-nothing"]),
    ("empty-window", expand("{past: 7d, future: 30d}", "{past: 0d, future: 0d}"), ["targets.d/hq.yaml:9:74: empty-window"]),
    ("empty-window", scheduled("send, ", "send, start: {past: 0d, future: 0d}, "), ["targets.d/hq.yaml:9:91: empty-window"]),
    ("empty-window", scheduled("send, ", "send, modified: 0d, "), ["targets.d/hq.yaml:9:94: empty-window"]),
    ("window-beyond", hq("both}", EXPAND.replace("both", "both, window: {past: 3d}")),
     ["targets.d/hq.yaml:9:101: window-beyond"]),
    ("does-not-grow", expand("}, during", "}, multiply: {past: 1, future: 1}, during"),
     ["targets.d/hq.yaml:9:109: does-not-grow"]),
    ("no-hours", expand("06:00", "20:00"), ["targets.d/hq.yaml:9:107: no-hours"]),
    ("bad-schedule", scheduled("30 3 * * 0", "30 25 * * 0"), ["targets.d/hq.yaml:9:88: bad-schedule"]),
    ("bad-value", scheduled("send, ", "send, rate: 0, "), ["targets.d/hq.yaml:9:90: bad-value"]),
    ("snapshot-direction", {"hq": HQ.replace("both}", SNAPSHOT.replace("both", "inbound"))},
     ["targets.d/hq.yaml:9:81: snapshot-direction"]),
    ("unknown-dimension", service("olap: {cubes: [{name: a, of: queue, dimensions: [user], where: {link: [x]}}]}"),
     ["service.yaml:3:50: unknown-dimension", "service.yaml:3:65: unknown-dimension"]),
]  # fmt: skip
# A finding whose message already says what was expected needs no hint.
SAYS_WHAT_TO_DO = ("expected ",)


@pytest.mark.parametrize(("code", "changes", "expected"), CASES, ids=[case[0] for case in CASES])
def test_each_mistake_is_found_where_it_is_and_nothing_else_is(
    write: Write, code: str, changes: dict[str, str | bytes | None], expected: list[str]
) -> None:
    loaded = load(write(**changes))
    found = [f"{each.span}: {each.code}" for each in loaded.diagnostics]
    assert found == expected
    assert code in {each.code for each in loaded.diagnostics}
    assert (loaded.plan is None) == (loaded.errors > 0)
    for each in loaded.diagnostics:
        assert each.hint or each.message.startswith(SAYS_WHAT_TO_DO), each


def codes_in(package: Path) -> set[str]:
    """Every literal code that the modules give to a finding."""
    found = set()
    for path in package.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                named = node.func.attr in ("error", "warning", "note", "_refuse")
                if named and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


def test_every_code_of_the_configuration_has_a_case() -> None:
    elsewhere = {
        "too-large",  # test_yamlsource
        "no-configuration",  # test_files, as the others below
        "files-moving",
        "unreadable",
        "outside-root",
        "unknown-entity",  # test_references
        "entity-mismatch",
        "unknown-ring",  # test_candidates, as the others below
        "unknown-user",
        "candidate-without-links",
    }
    told = {code for code, _, _ in CASES}
    package = Path(__file__).parents[2] / "runner" / "config"
    assert codes_in(package) == told | elsewhere


def test_the_valid_configuration_has_no_findings(write: Write) -> None:
    loaded = load(write())
    assert loaded.diagnostics == ()
    assert loaded.plan is not None


def test_mistakes_of_every_kind_in_one_file_and_across_files_are_told_at_once(write: Write) -> None:
    spoilt = HQ.replace("name: hq", "nam: hq").replace("{env: HQ_PASSWORD}", "hunter2")
    spoilt = spoilt.replace("direction: both", "direction: bth").replace("bob@", "ann@") + "more: *x\n"
    root = write(hq=spoilt, crm=CRM + "  'unclosed\n", mapping=APPOINTMENTS.replace("record: title", "record: Title"))
    assert [f"{each.span}: {each.code}" for each in load(root).diagnostics] == [
        "mappings/appointments.yaml:6:26: bad-value",
        "targets.d/crm.yaml:16:3: yaml-syntax",
        "targets.d/hq.yaml:3:1: unknown-key",
        "targets.d/hq.yaml:5:50: secret-literal",
        "targets.d/hq.yaml:9:50: bad-value",
        "targets.d/hq.yaml:12:9: duplicate-link",
        "targets.d/hq.yaml:13:7: yaml-alias",
    ]


@pytest.mark.parametrize("direction", ["both", "outbound"])
def test_a_directory_is_only_read(write: Write, direction: str) -> None:
    """B-3: a direction other than inbound is refused with the reason."""
    parts = ad("mapping: people", f"mapping: people\n  direction: {direction}")
    loaded = load(write(**parts))
    [refused] = loaded.diagnostics
    assert refused.code == "ldap-inbound-only"
    assert "never written from the CRM" in refused.message
