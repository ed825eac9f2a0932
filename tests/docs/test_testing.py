"""``docs/testing.md``: its example holds against the shipped configuration, and it leaves no key out."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from runner.cli import _run
from runner.config.files import schema_texts

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "testing.md").read_text(encoding="utf-8")


def test_the_example_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("targets.d", "mappings"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/calendar.cases.yaml").write_text(example, encoding="utf-8")
    assert _run(["test", str(tmp_path / "tests/calendar.cases.yaml")]) == 0, capsys.readouterr().out


def test_every_key_is_in_the_reference() -> None:
    reference = PAGE.partition("## Reference")[2]
    schema = json.loads(schema_texts()["cases"])
    sections = [schema, *(schema["$defs"][name] for name in ("case", "step", "expected", "given_record", "writes"))]
    sections += [each for each in schema["$defs"]["step"]["properties"].values() if "properties" in each]
    names = {name for section in sections for name in section["properties"]}
    assert len(names) > 30
    assert {name for name in names if not re.search(rf"[`{{ ]{name}\b", reference)} == set()
