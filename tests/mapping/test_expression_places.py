"""A mistake in an expression is shown under its own characters, whatever way YAML quotes or folds the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.yamlsource import read
from runner.mapping.positions import Alignment
from tests.mapping.yamls import HEAD, attempt, findings, one

ONE_LINE = [
    ("plain", "  outbound: crm.subjct | upper\n", "8:17"),
    ("single quotes", "  outbound: 'crm[''subjct''] | upper'\n", "8:18"),
    ("double quotes", '  outbound: "crm[\\"subjct\\"] | upper"\n', "8:18"),
    ("escapes before it", '  outbound: "\\x20\\u0020\\tcrm.subjct"\n', "8:30"),
    ("literal block", "  outbound: |\n    crm.subjct\n      | upper\n", "9:9"),
    ("second line of a block", "  outbound: |-  # why\n\n     'a' ~\n\n       crm.subjct\n", "12:12"),
    ("indented block", "  outbound: |2\n      crm.subjct\n", "9:11"),
    ("folded block", "  outbound: >-\n    'a'\n    ~ crm.subjct\n", "10:11"),
    ("plain over two lines", "  outbound: 'x' ~\n    crm.subjct\n", "9:9"),
    ("quotes over two lines", "  outbound: \"'x' ~ \\\n     crm.subjct\"\n", "9:10"),
    ("behind wide characters", "  outbound: \"'äöü€𝄞' ~ crm.subjct\"\n", "8:28"),
]


@pytest.mark.parametrize(("style", "text", "place"), ONE_LINE, ids=[case[0] for case in ONE_LINE])
def test_the_column_of_an_unknown_field_is_exact_in_every_scalar_style(style: str, text: str, place: str) -> None:
    if "plain over" in style:
        text = text.replace("'x' ~", "crm.label ~")
    found = one("- record: title\n  direction: outbound\n" + text)
    assert (f"{found.span.line}:{found.span.column}", found.code) == (place, "unknown-field")
    assert found.hint == "did you mean 'subject'?"


def test_the_span_covers_the_word() -> None:
    found = one("- {record: title, direction: outbound, outbound: crm.subjct | upper}")
    assert (found.span.column, found.span.end_column) == (54, 60)


def test_every_occurrence_is_found_at_its_own_place() -> None:
    text = "- {record: title, direction: outbound, outbound: crm.subjct or crm.label or crm.subjct or recrd.title}"
    assert findings(text) == ["6:54 unknown-field", "6:81 unknown-field", "6:91 unknown-name"]


def test_a_word_in_a_text_is_not_taken_for_the_field() -> None:
    assert findings("- {record: title, direction: outbound, outbound: \"'subjct' ~ crm.subjct\"}") == [
        "6:66 unknown-field"
    ]


@pytest.mark.parametrize(
    ("expression", "column", "message", "hint"),
    [
        ("crm.subject | uper", 14, "no filter is named 'uper'", "did you mean 'upper'?"),
        ("crm.subject is nothing", 15, "no test is named 'nothing'", None),
        ("crm.subject | upper(", 19, "unexpected end of the expression", None),
        ("crm.subject crm.notes", 12, "something follows the expression's end", None),
        ("crm.subject if crm.place", 12, "'if' without 'else'", "write … if … else none"),
        ("(crm.subject", 11, "unexpected end of the expression", None),
        ("crm.subject ? 1", 12, "unexpected char '?'", None),
        ("crm.label ~ 'open", 12, "unexpected char", None),
        ("{{ crm.subject }}", 0, "this is a template, not an expression", "write a bare expression"),
        ("crm.subject }} x {{ 1", 0, "this is a template", None),
        ("now", 0, "unknown name 'now'", "in scope: crm"),
        ("record.title", 0, "unknown name 'record'", "in scope: crm"),
        ("crm.subject.upper", 12, "only crm has fields; 'upper' is asked of something else", "use a filter"),
        ("crm[crm.label]", 3, "a field must be named, not computed", None),
        ("crm.subject | replace(*crm.categories)", 22, "arguments cannot be unpacked", None),
        ("{'a': crm.subject}", 0, "an expression gives one value, not a mapping", None),
        (
            "[crm.label, crm] | join_nonempty",
            12,
            "'crm' is the whole record, not a value",
            "name one of its fields: crm.…",
        ),
        ("2 ** 3", 2, "'**' is not allowed", "multiply instead"),
        ("crm.subject.upper()", 17, "expressions cannot call anything", "use a filter"),
    ],
)
def test_mistakes_are_told_at_their_column(expression: str, column: int, message: str, hint: str | None) -> None:
    quoted = "'" + expression.replace("'", "''") + "'"
    _, found = attempt(f"{HEAD}- record: title\n  direction: outbound\n  outbound: {quoted}\n")
    doubled = expression[:column].count("'")
    told = {(diagnostic.span.column - 14 - doubled, diagnostic.message) for diagnostic in found}
    assert any(at == column and text.startswith(message) for at, text in told), found
    assert hint is None or any((diagnostic.hint or "").startswith(hint) for diagnostic in found)


def test_text_around_a_field_that_may_be_empty_is_a_warning() -> None:
    found = one("- {record: title, direction: outbound, outbound: crm.case_no ~ ' ' ~ crm.subject}")
    assert (found.severity, found.code, str(found.span)) == ("warning", "nullable-text", "m.yaml:6:74")
    assert found.hint == "use [crm.subject, …] | join_nonempty, or crm.subject | default('…')"


def test_the_warning_points_at_the_occurrence_that_may_be_empty() -> None:
    text = "- {record: title, direction: outbound, outbound: crm.label ~ crm.subject if crm.subject else 'x' ~ crm.subject}"
    assert findings(text) == ["6:104 nullable-text"]


@pytest.mark.parametrize(
    ("expression", "warns"),
    [
        ("crm.label ~ crm.case_no", False),
        ("crm.label ~ (crm.subject | default(''))", False),
        ("crm.label ~ (crm.subject | upper)", True),
        ("crm.label ~ crm.subject if crm.subject else none", False),
        ("crm.label ~ crm.subject if crm.subject is not none else none", False),
        ("crm.label ~ crm.subject if crm.place else none", True),
        ("crm.label ~ (crm.subject or 'x')", False),
        ("crm.label ~ ('x' or crm.subject)", True),
        ("crm.label ~ (crm.place if crm.label else 'x')", True),
        ("[crm.subject, crm.label] | join_nonempty ~ '!'", False),
        ("crm.subject", False),
    ],
)
def test_the_warning_knows_what_cannot_be_empty(expression: str, warns: bool) -> None:
    found = findings(f'- {{record: title, direction: outbound, outbound: "{expression}"}}')
    assert bool(found) is warns, found


PIECES = st.lists(st.sampled_from(["word", "'", '"', "\\", "é", "𝄞", "#", ":", "(x)"]), min_size=1, max_size=8)


@given(PIECES, st.sampled_from(["plain", "single", "double", "literal", "folded"]), st.integers(0, 3))
def test_each_character_of_a_value_is_found_where_it_stands(pieces: list[str], style: str, before: int) -> None:
    if style == "plain":
        pieces = [re.sub(r"['\"#:\\]", "p", piece) for piece in pieces]
    value = " ".join(pieces)
    text = "b: 1\n" * min(before, 1)
    if style == "plain":
        text += "key: " + "\n  ".join(pieces) + "\n"
    elif style == "single":
        text += "key: '" + "\n    ".join(piece.replace("'", "''") for piece in pieces) + "'\n"
    elif style == "double":
        text += 'key: "' + "\n\t ".join(re.sub(r"([\"\\])", r"\\\1", piece) for piece in pieces) + '"\n'
    elif style == "literal":
        text += "key: |-\n  " + value + "\n"
    else:
        text += "key: >-\n  " + "\n  ".join(pieces) + "\n"
    source = read(text.encode(), "f.yaml")
    assert source.diagnostics == ()
    assert source.data["key"] == value
    alignment = Alignment(text, source.span(("key",)), value)
    lines = text.split("\n")
    for index, char in enumerate(value):
        span = alignment.span(index, index + 1)
        raw = lines[span.line - 1][span.column - 1 : span.column]
        if not char.isspace():
            assert raw == char or (style == "double" and raw == "\\"), (index, char, raw)
