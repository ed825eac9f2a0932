"""Hostile input, one named test for each attack E1 to E15 that there is a way in for (docs/threat-model.md lists all).

E2, E8, E9 and E11 are in test_doors.py, E7 is in test_secrets.py.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from runner.cli.output import table
from runner.config.files import snapshot
from runner.config.patterns import slow_part
from runner.config.yamlsource import read
from runner.connectors.exchange import connect
from runner.connectors.exchange.text import carried
from runner.connectors.exchange.transport import EwsProtocol, parsed
from runner.mapping.compiled import CompiledMapping
from runner.model.diagnostics import Diagnostic
from runner.model.errors import ConnectorError, Invalid, ProtocolFault
from runner.observe import log
from tests.exchange.canned import Answer, Canned, link_to, plan_for
from tests.mapping.yamls import HEAD, attempt

REPOSITORY = Path(__file__).parents[2]
HOSTILE = (
    "Lunch\n2026-01-01 [info] pass.done\x1b[2J\x1b]0;owned\x07 \u202egnp.exe [/bold][red] <img src=x onerror=alert(1)>"
)


@pytest.fixture
def canned() -> Iterator[Canned]:
    with closing(Canned()) as server:
        yield server


def peak_of(work: Callable[[], object]) -> float:
    """Mebibytes of Python's memory at the highest, and only what is allocated meanwhile."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def mapped(expression: str) -> tuple[CompiledMapping | None, tuple[Diagnostic, ...]]:
    """A mapping whose one computed field has this expression."""
    entry = {"record": "title", "direction": "outbound", "outbound": expression}
    return attempt(f"{HEAD}- {json.dumps(entry)}\n")


def test_e1_no_document_of_a_server_has_entities_or_a_dtd() -> None:
    """XXE, and a billion laughs."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE a [<!ENTITY l0 "lol">{laughs}]><a>&l9;</a>'.encode()
    reading = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'

    def look() -> None:
        for document in (bomb, reading):
            with pytest.raises(ProtocolFault, match=r"DTD|broken"):
                parsed(document)

    assert peak_of(look) < 8


def test_e3_a_redirect_is_not_followed_and_no_password_goes_with_it(canned: Canned) -> None:
    """SSRF: an endpoint that points inward, or elsewhere with our credentials."""
    with closing(Canned()) as inner:
        canned.always = Answer(b"", status=302, headers={"Location": inner.url})
        with closing(connect(plan_for(canned.url), "secret")) as connector, pytest.raises(ConnectorError):
            connector.check(link_to())
        assert inner.requests == []


@pytest.mark.parametrize(
    "expression",
    [
        "crm.__class__.__mro__",
        "''.__class__.__base__.__subclasses__()",
        "crm.notes.__init__.__globals__",
        "range(99999)",
        "cycler.__init__",
        "self",
        "crm.notes * 1000000000",
        "'%1000000000d' % 1",
    ],
)
def test_e4_an_expression_reaches_no_more_than_its_record(expression: str) -> None:
    """Jinja2: no classes, no calls, no loops, no repetition; refused when compiled or when evaluated."""
    program, findings = mapped(expression)
    if program is None:
        assert findings
        return
    with pytest.raises(Invalid):
        program.outbound({"subject": "x", "notes": "y"})


def test_e4_the_dearest_expression_is_bounded_in_time_and_memory() -> None:
    """There is no loop and no call, so work is at most the expression's length times the longest text of 1 MiB."""
    doubling = "crm.notes"
    for _ in range(20):
        doubling = f"({doubling} ~ {doubling})" if len(doubling) < 300 else f"({doubling} ~ crm.notes)"
    program, findings = mapped(doubling)
    assert program is not None, findings

    def evaluate() -> None:
        with pytest.raises(Invalid):
            program.outbound({"subject": "x", "notes": "n" * 200_000})

    began = time.process_time()
    assert peak_of(evaluate) < 64
    assert time.process_time() - began < 20


def test_e5_aliases_tags_and_merge_keys_are_refused_before_anything_expands() -> None:
    """YAML bombs."""
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    for text in (bomb, "a: !!python/object/apply:os.system ['true']\n", "a: {b: 1}\nc: {<<: {d: 1}}\n"):
        assert read(text.encode(), "hostile.yaml").diagnostics


def test_e6_no_link_leads_out_of_the_configuration(tmp_path: Path) -> None:
    """Symlinks and traversal."""
    root, outside = tmp_path / "root", tmp_path / "outside.yaml"
    (root / "targets.d").mkdir(parents=True)
    outside.write_text("password: canary")
    (root / "targets.d" / "evil.yaml").symlink_to(outside)
    (root / "targets.d" / "far.yaml").symlink_to("../../outside.yaml")
    found = snapshot(root)
    assert "canary" not in repr(found)
    assert len(found.diagnostics) == 2


def test_e10_tls_verification_cannot_be_switched_off() -> None:
    """No switch in the code; the schema has none either."""
    product = [path for path in (REPOSITORY / "runner").rglob("*.py") if "sandbox" not in path.parts]
    assert product
    for path in product:
        text = path.read_text()
        assert not re.search(r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_create_unverified", text), path
    schema = (REPOSITORY / "schemas" / "target.schema.json").read_text()
    assert not re.search(r"insecure|skip_verify|verify_tls", schema)


@pytest.mark.parametrize("form", ["json", "console"])
def test_e12_no_item_can_write_a_line_of_the_log_or_move_a_terminal(form: str) -> None:
    """Control characters, ANSI, direction changes."""
    stream = io.StringIO()
    before = structlog.get_config()
    try:
        log.configure(form, stream=stream)
        structlog.get_logger("test").info("pass.done", title=HOSTILE, link=HOSTILE)
    finally:
        structlog.configure(**before)
    text = stream.getvalue().rstrip("\n")
    assert "\n" not in text
    assert not any(mark in text for mark in ("\x1b[2J", "\x1b]0", "\u202e", "\x07"))
    if form == "json":
        assert json.loads(text)["title"].startswith("Lunch")


def test_e12_a_table_shows_what_does_not_print(capsys: pytest.CaptureFixture[str]) -> None:
    """And takes nothing in a title for an instruction."""
    table(("TITLE",), [(HOSTILE,), ("[/nothing]",)], "")
    told = capsys.readouterr().out
    assert not any(mark in told for mark in ("\x1b", "\u202e", "\x07"))
    assert "[/bold][red]" in told
    assert "[/nothing]" in told


def test_e13_a_compressed_bomb_is_not_inflated(canned: Canned) -> None:
    """Two hundred mebibytes in a few hundred kilobytes."""
    canned.always = Answer(gzip.compress(bytes(200 << 20), 9), headers={"Content-Encoding": "gzip"})
    with closing(EwsProtocol(plan_for(canned.url), "p")) as protocol:
        protocol.answer_limit = 4 << 20

        def ask() -> None:
            with pytest.raises(ProtocolFault) as caught:
                protocol.post(b"<x/>", {}, writing=False)
            assert caught.value.code == "answer-too-large"

        assert peak_of(ask) < 100


def test_e13_an_answer_that_never_ends_is_left(canned: Canned) -> None:
    """The time limit holds for the whole answer."""
    with closing(connect(plan_for(canned.url, timeout=timedelta(seconds=0.3)), "p")) as connector:
        canned.always = lambda handler, body: time.sleep(1)
        with pytest.raises(ConnectorError) as caught:
            connector.check(link_to())
    assert caught.value.code == "timeout"


@pytest.mark.parametrize(
    "text", ["nul\x00", "\ud800lone", "\x0b\x0c", "\ufffe\uffff", "=cmd|' /C calc'!A0", "a" * 300_000, HOSTILE]
)
def test_e14_what_xml_cannot_carry_is_cleaned_once_and_for_all(text: str) -> None:
    """Cleaning twice changes nothing, else two sides would correct each other for ever; a formula stays what was typed."""
    once = carried(text)
    assert carried(once) == once
    assert re.search("[\x00-\x08\x0e-\x1f\ud800-\udfff\ufffe\uffff]", once) is None
    if text.startswith("="):
        assert once == text


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)*b", "(.*a){30}", r"^(\w+\s?)*$", r"(x+x+)+y", r"(.+)\1+", ".*.*.*.*x"]
)
def test_e15_an_expression_that_could_search_for_ever_is_refused(pattern: str) -> None:
    """Addresses come from strangers, the blacklist's expressions (B-32) from the operator."""
    assert slow_part(pattern) is not None


@pytest.mark.parametrize(
    "pattern", [r"@x\.com$", r"^no-?reply@", r"[.]example[.](com|org)$", r"^.*\+.*@", r"^[a-z]{1,8}\d*@"]
)
def test_e15_plain_expressions_are_taken_and_are_quick(pattern: str) -> None:
    assert slow_part(pattern) is None
    began = time.process_time()
    re.search(pattern, "a+" * 160, re.IGNORECASE)
    assert time.process_time() - began < 1
