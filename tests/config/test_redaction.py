"""No text that is handed out for snippets shows a literal secret, whatever else is wrong with the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config import load
from runner.config.redaction import shown
from runner.config.yamlsource import read
from tests.config.conftest import CRM, HQ, Write


def redacted(text: str) -> str:
    return shown(read(text.encode(), "f.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter2",
        "auth: {type: basic, password: hunter2, username: x}",
        "auth: {password: {env: A, x: hunter2}}",
        "password: {env: hunter2!}",
        "pasword: 'hunter2'",
        "Client-Secret: hunter2",
        "access_token = hunter2",
        "password: |\n  first\n\n  hunter2\nnext: 1",
        "password: 'first\n\n  hunter2'\nnext: 1",
        "a: {password: 'first\n hunter2', b: c}",
        "password: {value:\nhunter2}",
        "password:\n  hunter2",
        "password:\n- hunter2",
        "# password: hunter2",
        "url: postgresql://user:hunter2@host/db",
        "url: postgresql://user:x@hunter2@host/db",
        "url: postgresql://host/db?password=hunter2",
        "password: hunter2\n  'unclosed",
    ],
)
def test_literal_secrets_are_hidden(text: str) -> None:
    assert "hunter2" not in redacted(text)


@pytest.mark.parametrize("text", [HQ, CRM, "password:\n  env: HQ_PASSWORD\nnext: 1", "a: b\n", "passed_on:\nnext: 1"])
def test_references_and_everything_else_stay(text: str) -> None:
    assert redacted(text) == text


@given(st.text("ab:{}'\"|>\n #-pwd=", max_size=80))
def test_lines_keep_their_numbers(text: str) -> None:
    assert redacted(text).count("\n") == text.count("\n")


def test_no_finding_and_no_snippet_tells_a_secret(write: Write) -> None:
    loaded = load(write(hq=HQ.replace("{env: HQ_PASSWORD}", "hunter2").replace("ntlm", "ntml")))
    assert {each.code for each in loaded.diagnostics} == {"secret-literal", "bad-value"}
    assert "hunter2" not in repr((loaded.diagnostics, dict(loaded.texts)))
    (secret,) = (each for each in loaded.diagnostics if each.code == "secret-literal")
    assert secret.span.end_column == secret.span.column + 1, "not even its length"
