"""Printed files hang together with the product: metrics exist, commands exist, YAML and JSON read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from runner.cli import COMMANDS
from runner.cli.scaffold import SCAFFOLDS, scaffold, scaffold_text
from runner.cli.serve import serve
from runner.observe.metrics import Metrics

FILES = [name for names in SCAFFOLDS.values() for name in names]
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["alerts.yaml", "dashboard.json"])
def test_every_metric_that_is_watched_exists(name: str) -> None:
    known = {line.split()[2] for line in Metrics().text().decode().splitlines() if line.startswith("# TYPE")}
    used = set(re.findall(r"\bexsync_[a-z_]+", scaffold_text(name)))
    assert used
    assert {metric.removesuffix("_bucket") for metric in used} <= known


def test_every_metric_is_explained() -> None:
    """docs/operations.md names all that are given out, and none besides."""
    known = {line.split()[2] for line in Metrics().text().decode().splitlines() if line.startswith("# TYPE")}
    given = {metric for metric in known if not metric.endswith("_created")}
    operations = (DOCS / "operations.md").read_text("utf-8")
    told = set(re.findall(r"\bexsync_[a-z_]+", operations.replace("`…_success", "`exsync_config_last_reload_success")))
    assert told - {"exsync_outbox_notify"} == given  # that one is a trigger in the CRM


@pytest.mark.parametrize("name", FILES)
def test_flags_and_commands_exist(name: str) -> None:
    text = scaffold_text(name)
    flags = {option for parameter in serve.params for option in parameter.opts}
    assert set(re.findall(r"exsync serve .*?(--[a-z-]+)", text)) <= flags
    assert set(re.findall(r"\bexsync ([a-z]+)\b(?= |$|\")", text)) <= {*COMMANDS, "exsync"}


def test_documents_read() -> None:
    for name in FILES:
        if name.endswith(".yaml"):
            assert list(yaml.safe_load_all(scaffold_text(name)))
        elif name.endswith(".json"):
            assert json.loads(scaffold_text(name))["panels"]


def test_every_alert_is_explained() -> None:
    """docs/operations.md says for each what to look at first."""
    rules = yaml.safe_load(scaffold_text("alerts.yaml"))["groups"][0]["rules"]
    operations = (DOCS / "operations.md").read_text("utf-8")
    assert [rule["alert"] for rule in rules if rule["alert"] not in operations] == []


def test_files_are_written_and_never_overwritten(tmp_path: Path) -> None:
    done = CliRunner().invoke(scaffold, ["kustomize", "--to", str(tmp_path)])
    assert done.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(SCAFFOLDS["kustomize"])
    again = CliRunner().invoke(scaffold, ["kustomize", "--to", str(tmp_path)])
    assert "exists already" in str(again.exception)
