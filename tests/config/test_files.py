"""The snapshot: what is read, what is refused, what the digest covers (facts: ConfigMaps, git-sync, half-written sets)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.cli.cases.found import case_files
from runner.config import files, load, load_plan
from runner.model.errors import ConfigurationInvalid
from runner.service.filewatch import places
from tests.config.conftest import HQ, VALID, Write


def codes(root: Path) -> list[str]:
    return [f"{each.span.file}: {each.code}" for each in load(root).diagnostics]


def names(root: Path) -> list[str]:
    return [each.path for each in files.snapshot(root).files]


def test_targets_and_mappings_are_read_but_not_tests_dotfiles_or_anything_else(write: Write) -> None:
    root = write()
    for extra in ("mappings/appointments.test.yaml", "targets.d/.hidden.yaml", "targets.d/README.md", "other.yaml"):
        (root / extra).write_text("nonsense: [")
    (root / "targets.d/zweiter.yml").write_text(HQ.replace("name: hq", "name: zweiter"))
    assert names(root) == [
        "targets.d/crm.yaml",
        "targets.d/hq.yaml",
        "targets.d/zweiter.yml",
        "mappings/appointments.yaml",
    ]
    assert load(root).diagnostics == ()


def test_the_digest_is_over_paths_and_bytes_only(write: Write, tmp_path: Path) -> None:
    root = write()
    first = load_plan(root).digest
    os.utime(root / "targets.d/hq.yaml", (0, 0))
    assert load_plan(root).digest == first
    (root / "targets.d/hq.yaml").rename(root / "targets.d/hq2.yaml")
    renamed = load_plan(root).digest
    (root / "targets.d/hq2.yaml").write_text(HQ + "# a comment\n")
    assert len({first, renamed, load_plan(root).digest}) == 3


def test_what_lies_under_tests_is_no_part_of_a_configuration(write: Write) -> None:
    """An operator's tests/ is his own: cases in it change no digest, hint at no reload and are no finding (B-102)."""
    root = write()
    digest, watched = load_plan(root).digest, places(root)
    (root / "tests/targets.d").mkdir(parents=True)
    for name in ("tests/calendar.cases.yaml", "tests/notes.yaml", "tests/targets.d/hq.yaml"):
        (root / name).write_text("nonsense: [")
    assert (load_plan(root).digest, places(root)) == (digest, watched)
    assert case_files(root) == ["tests/calendar.cases.yaml"]


def test_no_directory_or_an_empty_one_is_never_an_empty_plan(tmp_path: Path) -> None:
    assert codes(tmp_path / "nowhere") == ["targets.d: no-configuration"]
    (tmp_path / "targets.d").mkdir()
    assert codes(tmp_path) == ["targets.d: no-configuration"]
    with pytest.raises(ConfigurationInvalid) as caught:
        load_plan(tmp_path)
    assert caught.value.exit_code == 78


def test_a_link_out_of_the_root_is_refused(write: Write, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = write(hq=None)
    outside = tmp_path_factory.mktemp("outside") / "hq.yaml"
    outside.write_text(HQ)
    (root / "targets.d/hq.yaml").symlink_to(outside)
    assert codes(root) == ["targets.d/hq.yaml: outside-root"]


def test_links_that_lead_nowhere_loop_or_to_no_file_are_findings(write: Write) -> None:
    root = write()
    (root / "targets.d/nowhere.yaml").symlink_to("missing")
    (root / "targets.d/loop.yaml").symlink_to("loop.yaml")
    (root / "targets.d/directory.yaml").mkdir()
    os.mkfifo(root / "targets.d/pipe.yaml")
    assert codes(root) == [f"targets.d/{name}.yaml: unreadable" for name in ("directory", "loop", "nowhere", "pipe")]


def test_a_mounted_configmap_is_read_through_its_links(tmp_path: Path) -> None:
    for directory in ("targets.d", "mappings"):
        mount = tmp_path / directory
        (mount / "..2026").mkdir(parents=True)
        (mount / "..data").symlink_to("..2026")
        for name, text in VALID.items():
            if name.startswith(f"{directory}/"):
                base = name.rpartition("/")[2]
                (mount / "..2026" / base).write_text(text)
                (mount / base).symlink_to(f"..data/{base}")
    assert load(tmp_path).diagnostics == ()


def test_a_checkout_behind_a_link_is_one_root(write: Write, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("sync") / "current"
    link.symlink_to(write())
    assert load(link).diagnostics == ()


def test_files_that_move_while_they_are_read_give_no_plan(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write()
    read, count = files._take, iter(range(100))

    def restless(path: Path) -> files.Snapshot:
        (root / "targets.d/hq.yaml").write_text(HQ + "#" * (1 + next(count)))
        return read(path)

    monkeypatch.setattr(files, "_take", restless)
    assert codes(root) == ["targets.d: files-moving"]


def test_a_file_that_moves_once_is_read_again(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write()
    read, texts = files._take, [HQ.replace("bob@", "eve@")]

    def once(path: Path) -> files.Snapshot:
        taken = read(path)
        if texts:
            (root / "targets.d/hq.yaml").write_text(texts.pop() + "# late\n")
        return taken

    monkeypatch.setattr(files, "_take", once)
    assert "hq/eve@example.com/calendar" in load_plan(root).links
