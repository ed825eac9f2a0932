"""Whatever the files hold, loading them gives a plan or findings, never an exception."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.cli.diagnostics import as_annotation, as_text
from runner.config import load
from tests.config.conftest import APPOINTMENTS, CRM, HQ, VALID

FRAGMENTS = [
    "",
    "null",
    "[]",
    "{}",
    "- x",
    "{a: b}",
    "x: [1, {y: 2}]",
    "3",
    "1.5",
    "'t'",
    "~",
    "|\n  x",
    "*a",
    "!t x",
    ":",
    "\n",
]
WORDS = sorted({word.strip("{}[],:-'") for text in VALID.values() for word in text.split()} - {""})


@st.composite
def spoilt(draw: st.DrawFn, text: str) -> str:
    """A valid text with a few words or lines replaced."""
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            word = draw(st.sampled_from(WORDS))
            text = text.replace(
                word, draw(st.sampled_from(FRAGMENTS) | st.sampled_from(WORDS)), draw(st.integers(1, 2))
            )
        else:
            lines = text.split("\n")
            at = draw(st.integers(0, len(lines) - 1))
            lines[at] = draw(st.sampled_from(["", lines[at] * 2, lines[at][2:], "  " + lines[at], *FRAGMENTS]))
            text = "\n".join(lines)
    return text


@settings(deadline=None, max_examples=150)
@given(spoilt(CRM), spoilt(HQ), spoilt(APPOINTMENTS), st.sets(st.sampled_from(sorted(VALID)), min_size=1))
def test_spoilt_files_give_a_plan_or_findings(crm: str, hq: str, mapping: str, chosen: set[str]) -> None:
    texts = dict(zip(VALID, (crm, hq, mapping), strict=True))
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, text in VALID.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(texts[name] if name in chosen else text, encoding="utf-8")
        loaded = load(root)
    assert (loaded.plan is None) == (loaded.errors > 0)
    for each in loaded.diagnostics:
        assert as_text(each, loaded.texts.get(each.span.file, "").split("\n"))
        assert "\n" not in as_annotation(each)


@pytest.mark.parametrize("name", ["targets.d/crm.yaml", "targets.d/hq.yaml", "mappings/appointments.yaml"])
@pytest.mark.parametrize("word", ["nd", "knd", "kinds"])
def test_a_misspelt_kind_is_found(tmp_path: Path, name: str, word: str) -> None:
    """The key that says what a document is: without it nothing else about the document is looked at."""
    assert name in VALID
    for path, text in VALID.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text.replace("kind:", f"{word}:") if path == name else text)
    loaded = load(tmp_path)
    assert loaded.plan is None
    assert any(f"'{word}'" in each.message + (each.hint or "") for each in loaded.diagnostics)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=80), st.text("abk:-[]{}' \n", max_size=40))
def test_any_text_as_a_target_gives_findings(any_text: str, yaml_like: str) -> None:
    for text in (any_text, yaml_like):
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "targets.d").mkdir()
            (Path(directory) / "targets.d/a.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
            loaded = load(Path(directory))
        assert loaded.plan is None
        assert loaded.errors
