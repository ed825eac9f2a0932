"""Reading with positions; nothing that a file may hold raises (facts: hostile YAML, several mistakes at once)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config import yamlsource
from runner.config.yamlsource import Source, read


def findings(text: str | bytes) -> list[tuple[str, int, int]]:
    source = read(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return [(each.code, each.span.line, each.span.column) for each in source.diagnostics]


def regions(source: Source) -> dict[str, tuple[int, int, int, int]]:
    return {yamlsource.pointer(path): region for path, region in source.values.items()}


def test_every_value_and_key_has_its_place() -> None:
    source = read(b"a:\n- 1\n- {b: 'c d'}\n\n\nd:\n  e: x\n", "f.yaml")
    assert source.data == {"a": [1, {"b": "c d"}], "d": {"e": "x"}}
    assert regions(source) == {
        "": (1, 1, 7, 7),
        "/a": (2, 1, 3, 13),
        "/a/0": (2, 3, 2, 4),
        "/a/1": (3, 3, 3, 13),
        "/a/1/b": (3, 7, 3, 12),
        "/d": (7, 3, 7, 7),
        "/d/e": (7, 6, 7, 7),
    }
    assert source.keys[("a", 1, "b")] == (3, 4, 3, 5)
    assert str(source.span(("a", 1, "nothing", "here"))) == "f.yaml:3:3", "the nearest parent stands in"


def test_a_bom_is_allowed_and_does_not_shift_columns() -> None:
    source = read("\ufeffa: ä\n".encode(), "f.yaml")
    assert source.data == {"a": "ä"}
    assert source.values[("a",)] == (1, 4, 1, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", [("duplicate-key", 2, 1)]),
        ("a: &x 1\nb: *x\n", [("yaml-alias", 1, 4), ("yaml-alias", 2, 4)]),
        ("a: !x 1\nb: !y {c: 1}\n", [("yaml-tag", 1, 4), ("yaml-tag", 2, 4)]),
        ("a:\n  <<: {b: 1}\n", [("yaml-merge", 2, 3)]),
        ("1: a\ntrue: b\n~: c\n[d]: e\n", [("yaml-key", n, 1) for n in (1, 2, 3, 4)]),
        ("a: {{ b }}\n", [("yaml-key", 1, 4)]),
        ("a: 1e999\n", [("bad-number", 1, 4)]),
        ("a: 1\n---\nb: 2\n", [("yaml-documents", 2, 1)]),
        ("a: 'b\nc: d\n", [("yaml-syntax", 1, 4)]),
        ("a: b: c\n", [("yaml-syntax", 1, 5)]),
        ("a:\n  b: 1\n\tc: 2\n", [("yaml-syntax", 3, 1)]),
        ("a: @b\n", [("yaml-syntax", 1, 4)]),
        ("a: [1, 2\nb: 3\n", [("yaml-syntax", 2, 2)]),
        ("a: \x07\n", [("yaml-syntax", 1, 4)]),
        (b"a: 1\nb: \xff\n", [("not-utf8", 2, 4)]),
        ("[" * 65, [("too-deep", 1, 65)]),
    ],
)
def test_each_refusal_stands_where_the_culprit_is(text: str | bytes, expected: list[tuple[str, int, int]]) -> None:
    assert findings(text) == expected


def test_refusals_do_not_end_the_file() -> None:
    source = read(b"a: *x\nb: {c: 1, c: 2}\nd: fine\n", "f.yaml")
    assert source.data == {"a": None, "b": {"c": 1}, "d": "fine"}
    assert source.is_poisoned(("a", "deeper"))
    assert not source.is_poisoned(("d",))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: {{ b }}\n", "without '{{ }}'"),
        ("a: b: c\n", "': '"),
        ("a:\n\tb: 1\n", "tabs"),
        ("a: 'b\n", "never closed"),
        ("a: *.example.com\n", "quote"),
        ("a: %b\n", "quote"),
        ("a: [1, 2\nb: 3\n", "line 1"),
    ],
)
def test_the_classic_slips_get_a_hint(text: str, hint: str) -> None:
    (diagnostic,) = read(text.encode(), "f.yaml").diagnostics
    assert hint in (diagnostic.hint or "")


def test_refused_words_are_never_repeated_since_they_may_be_secrets() -> None:
    source = read(b"password: *hunter2\ntoken: &hunter2 x\npwd: !hunter2 x\n", "f.yaml")
    assert len(source.diagnostics) == 3
    assert "hunter2" not in repr([(each.message, each.hint) for each in source.diagnostics])


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 200_000, "- " * 200_000, "? " * 200_000, "[:" * 200_000])
def test_deep_nesting_is_a_finding_not_a_recursion(text: str) -> None:
    assert findings(text)


def test_a_bomb_of_aliases_is_refused_before_it_expands() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40)]
    found = findings("\n".join(lines))
    assert {code for code, *_ in found} == {"yaml-alias"}
    assert len(found) <= yamlsource.MAX_REFUSALS + 1


def test_size_and_node_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(b"#" * (yamlsource.MAX_BYTES + 1)) == [("too-large", 1, 1)]
    monkeypatch.setattr(yamlsource, "MAX_NODES", 10)
    assert findings("- x\n" * 10) == [("too-large", 10, 3)]


@given(st.text(max_size=200) | st.text("a:-[]{}&*!|>'\"%@`#,?~ \n\t<01", max_size=60))
def test_any_text_is_data_or_findings(text: str) -> None:
    source = read(text.encode("utf-8", "surrogatepass"), "f.yaml")
    assert source.complete or source.diagnostics
    for path in source.values:
        assert source.span(path).line >= 1


@given(st.binary(max_size=100))
def test_any_bytes_are_data_or_findings(data: bytes) -> None:
    source = read(data, "f.yaml")
    assert source.complete or source.diagnostics
