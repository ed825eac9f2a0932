"""Names and limits of attached files (B-45)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.model.files import (
    LONGEST_NAME,
    FileRules,
    clean_name,
    digest_of,
    file_key,
    keys_of,
    name_of,
    over,
    why_over,
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("report.pdf", "report.pdf"),
        ("../../x.exe", "x.exe"),
        ("C:\\Users\\ann\\plan.txt", "plan.txt"),
        ("/etc/passwd", "passwd"),
        ("a\x00b\ud800c.txt", "abc.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("what?.txt", "what_.txt"),
        ("  two   words .txt. ", "two words .txt"),
        ("CON", "_CON"),
        ("lpt1.txt", "_lpt1.txt"),
        ("console.txt", "console.txt"),
        ("..", "attachment"),
        ("", "attachment"),
        ("Gru\u0308n.txt", "Grün.txt"),
        ("n" * 300 + ".docx", "n" * (LONGEST_NAME - 5) + ".docx"),
        ("n" * 300, "n" * LONGEST_NAME),
    ],
)
def test_a_name_is_cleaned(raw: str, clean: str) -> None:
    assert clean_name(raw) == clean


@given(st.text(max_size=300))
def test_a_clean_name_stays_as_it_is_and_is_no_path(raw: str) -> None:
    """B-45: so that what was written under it is known again by it."""
    clean = clean_name(raw)
    assert clean_name(clean) == clean
    assert clean
    assert len(clean) <= LONGEST_NAME
    assert not set(clean) & set('/\\<>:"|?*\x00')
    assert clean not in (".", "..")
    clean.encode()


def test_a_key_holds_name_and_digest() -> None:
    key = file_key("a b.txt", "0f" * 32)
    assert (name_of(key), digest_of(key)) == ("a b.txt", "0f" * 32)


def test_kinds_are_blocked_by_the_last_extension_in_any_case() -> None:
    rules = FileRules()
    assert [name for name in ("x.exe", "x.pdf.EXE", "exe", "x.exe.pdf", "run.Js", ".bat") if rules.blocks(name)] == [
        "x.exe",
        "x.pdf.EXE",
        "run.Js",
        ".bat",
    ]
    assert not FileRules(blocked=frozenset()).blocks("x.exe")


def test_limits_are_inclusive_and_say_what_is_over() -> None:
    rules = FileRules(one=10, total=15)
    assert rules.excess([]) is None
    assert rules.excess([10, 5]) is None
    assert "attachment of 11 bytes" in (rules.excess([11]) or "")
    assert "2 attachments of 16 bytes" in (rules.excess([10, 6]) or "")


def test_files_that_take_no_part_are_no_files() -> None:
    value = over("too big")
    assert why_over(value) == "too big"
    assert keys_of(value) == frozenset()
    assert why_over({"a.txt/00": "1"}) is None
    assert keys_of(None) == frozenset()
