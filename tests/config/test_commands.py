"""``validate``, ``schema`` and ``show``: forms, exit codes and which findings belong to which path."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from runner.cli.diagnostics import as_annotation, as_text, summary
from runner.cli.schema import schema
from runner.cli.show import show
from runner.cli.validate import validate
from runner.model.diagnostics import Diagnostic, Severity, Span
from runner.model.errors import ConfigurationInvalid, UsageError
from tests.config.conftest import HQ, Write

SPOILT = HQ.replace("access:", "acces:").replace("{env: HQ_PASSWORD}", "hunter2").replace("both}", "bth}")
WARNED = HQ.replace("mail.example.com", "outlook.office365.com")


def call(command: click.Command, *arguments: str | Path, root: Path = Path()) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments], obj=SimpleNamespace(root=root))


def test_three_mistakes_in_one_file_are_shown_with_line_caret_and_hint(write: Write) -> None:
    root = write(hq=SPOILT)
    result = call(validate, root=root)
    assert result.exit_code == 78
    assert (
        result.output
        == f"""\
{root}/targets.d/hq.yaml:5:50: error[secret-literal]: a secret is given by reference, never in clear
 5 | auth: {{type: ntlm, username: 'EX\\svc', password: <hidden>
   |                                                  ^
   = hint: write {{env: NAME}} or {{file: PATH}}, and change the secret that stood here
{root}/targets.d/hq.yaml:6:1: error[unknown-key]: unknown key 'acces'
 6 | acces: impersonation
   | ^^^^^
   = hint: did you mean 'access'?
{root}/targets.d/hq.yaml:9:50: error[bad-value]: expected one of both, inbound, outbound, got 'bth'
 9 |     calendar: {{mapping: appointments, direction: bth}}
   |                                                  ^^^
   = hint: did you mean 'both'?
3 errors in 1 file(s)
"""
    )


def test_json_is_one_list_with_ranges(write: Write) -> None:
    root = write(hq=SPOILT)
    result = call(validate, root, "-o", "json")
    assert result.exit_code == 78
    found = json.loads(result.output)
    assert [each["code"] for each in found] == ["secret-literal", "unknown-key", "bad-value"]
    assert found[2] == {
        "severity": "error",
        "code": "bad-value",
        "message": "expected one of both, inbound, outbound, got 'bth'",
        "hint": "did you mean 'both'?",
        "pointer": "/defaults/folders/calendar/direction",
        "range": {
            "file": f"{root}/targets.d/hq.yaml",
            "start": {"line": 9, "column": 50},
            "end": {"line": 9, "column": 53},
        },
        "related": None,
    }


def test_a_valid_configuration(write: Write) -> None:
    result = call(validate, root=write())
    assert (result.exit_code, result.output.split(", digest")[0]) == (0, "valid: 1 target(s), 2 link(s)")
    assert call(validate, "-o", "json", root=write()).output == "[]\n"
    assert call(validate, "-o", "github", root=write()).output == ""


def test_warnings_stop_only_with_strict(write: Write) -> None:
    root = write(hq=WARNED)
    lenient, strict = call(validate, root=root), call(validate, "--strict", root=root)
    assert "warning[exchange-online-retired]" in lenient.output
    assert "2027-04-01" in lenient.output
    assert "1 warning in 1 file(s)" in lenient.output
    assert (lenient.exit_code, strict.exit_code) == (0, 3)


def test_github_annotations_are_escaped() -> None:
    span = Span("targets.d/a,b:c%.yaml", 3, 5, 3, 9)
    told = as_annotation(Diagnostic(Severity.WARNING, "some-code", "100 %\nof it, really: yes", span, "do: x"))
    assert told == (
        "::warning file=targets.d/a%2Cb%3Ac%25.yaml,line=3,endLine=3,col=5,title=some-code,endColumn=9"
        "::100 %25%0Aof it, really: yes%0Ado: x"
    )


def test_a_file_is_checked_with_its_neighbours_but_only_its_findings_are_shown(write: Write) -> None:
    root = write(hq=HQ.replace("mapping: appointments", "mapping: apointments"), mapping="name: [\n")
    assert call(validate, root / "targets.d/crm.yaml").exit_code == 0
    assert "yaml-syntax" in call(validate, root / "mappings").output
    assert "yaml-syntax" not in call(validate, root / "targets.d").output
    result = call(validate, write(hq=SPOILT) / "targets.d/hq.yaml", "-o", "json")
    assert len(json.loads(result.output)) == 3


def test_paths_from_inside_the_directory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(hq=SPOILT)
    monkeypatch.chdir(root / "targets.d")
    assert len(json.loads(call(validate, "hq.yaml", "-o", "json").output)) == 3
    assert len(json.loads(call(validate, ".", "-o", "json").output)) == 3
    monkeypatch.chdir(root)
    assert "\ntargets.d/hq.yaml:6:1: error" in call(validate, "targets.d/hq.yaml").output
    assert "\ntargets.d/hq.yaml:6:1: error" in call(validate).output


def test_a_file_outside_any_root_is_checked_alone(tmp_path: Path) -> None:
    path = tmp_path / "draft.yaml"
    path.write_text(SPOILT)
    assert call(validate, path).exit_code == 78
    path.write_text(HQ)
    assert call(validate, path).output == "valid as far as one file can tell\n"
    path.write_text("kind: mapping\n")
    assert "missing key 'entity'" in call(validate, path).output


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    result = call(validate, tmp_path / "nothing.yaml")
    assert isinstance(result.exception, UsageError)


def test_carets_stand_below_their_text_and_terminals_are_not_steered() -> None:
    def shown(line: str, column: int, end: int) -> list[str]:
        span = Span("f.yaml", 1, column, 1, end)
        return as_text(Diagnostic(Severity.ERROR, "c", "m\x1b[2J", span), [line]).split("\n")

    assert shown("漢字: x", 5, 6)[1:] == [" 1 | 漢字: x", "   |       ^"]
    assert shown("a:\tx", 4, 5)[1:] == [" 1 | a: x", "   |    ^"]
    assert shown("a: \x1b[31mx", 4, 5)[1] == " 1 | a: \ufffd[31mx"
    assert "\x1b" not in shown("", 1, 1)[0]
    first, caret = shown("x" * 1000 + "yz", 1001, 1003)[1:]
    assert len(first) < 200
    assert first[caret.index("^") :] == "yz"
    assert shown("password: <hidden>", 60, 61)[1:] == [" 1 | password: <hidden>"], "masked away: no caret"


def test_the_summary_counts() -> None:
    span = Span("f", 1, 1, 1, 1)
    error, warning = (Diagnostic(severity, "c", "m", span) for severity in Severity)
    assert summary([error, warning, error]) == "2 errors, 1 warning"


def test_schema_prints_what_editors_read() -> None:
    for kind in ("target", "crm", "exchange", "mapping"):
        assert json.loads(call(schema, kind).output)["$schema"].endswith("2020-12/schema")
    assert call(schema).output.split()[:3] == ["cases", "crm", "exchange"]
    result = call(schema, "exchnge")
    assert isinstance(result.exception, UsageError)
    assert result.exception.remedy == "did you mean 'exchange'?"


def test_show_tells_values_and_their_origin(write: Write) -> None:
    root = write(hq=HQ.replace("bob@example.com", "bob@example.com\n  direction: inbound"))
    (bob,) = yaml.safe_load(call(show, "links", "hq/bob", "-o", "yaml", root=root).output)
    assert bob["settings"]["direction"] == {"value": "inbound", "origin": "targets.d/hq.yaml:13:14"}
    assert bob["settings"]["private"] == {"value": "skip", "origin": "built-in default"}
    assert bob["units"][0]["direction"] == "inbound"
    table = call(show, "links", root=root).output.split("\n")
    assert [line.split()[0] for line in table[1:3]] == ["hq/ann@example.com/calendar", "hq/bob@example.com/calendar"]


def test_show_plan_and_config_leave_secrets_references(write: Write) -> None:
    plan = json.loads(call(show, "plan", "-o", "json", root=write()).output)
    assert plan["servers"][1]["auth"]["password"] == "env:HQ_PASSWORD"
    assert plan["servers"][1]["links"] == 2
    values = json.loads(call(show, "config", "-o", "json", root=write()).output)["values"]
    assert {
        "document": "hq",
        "setting": "auth.password.env",
        "value": "HQ_PASSWORD",
        "origin": "targets.d/hq.yaml:5:56",
    } in values
    for what in ("plan", "config"):
        assert "HQ" in call(show, what, root=write()).output.upper()


def test_show_of_an_invalid_configuration_carries_the_findings(write: Write) -> None:
    result = call(show, "plan", root=write(hq=SPOILT))
    assert isinstance(result.exception, ConfigurationInvalid)
    assert len(result.exception.diagnostics) == 3
