"""Hot reload by the files' side (B-102): every way in which files change, and what becomes of it."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner.config.plan import SyncPlan
from runner.model.errors import ConfigurationInvalid, UsageError
from runner.observe.metrics import Metrics
from runner.service.configuration import Configuration, Look, Outcome
from runner.service.lastgood import LastGood
from runner.service.reloader import Reloader
from runner.testing.clock import FakeClock

REPOSITORY = Path(__file__).parents[2]
CRM = (REPOSITORY / "targets.d" / "crm.yaml").read_text("utf-8")
HQ = (REPOSITORY / "targets.d" / "sandbox.yaml").read_text("utf-8")
MAPPING = (REPOSITORY / "mappings" / "schedule_item.yaml").read_text("utf-8")
MORE = HQ + "- user: cat.fox@example.com\n"


def write(root: Path, hq: str = HQ) -> Path:
    """A complete configuration below a directory."""
    for directory, name, text in (
        ("targets.d", "crm.yaml", CRM),
        ("targets.d", "sandbox.yaml", hq),
        ("mappings", "schedule_item.yaml", MAPPING),
    ):
        (root / directory).mkdir(parents=True, exist_ok=True)
        (root / directory / name).write_text(text, "utf-8")
    return root


class WallClock(FakeClock):
    """A still clock whose seconds pass, for the reloader's deadlines."""

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Running:
    """A reloader at work in a thread, with a short settle time."""

    root: Path
    home: Path
    looks: list[Look] = field(default_factory=list)
    swaps: list[Look] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.came = threading.Condition()
        self.configuration = Configuration(self.root, LastGood(self.home / "last-good"), FakeClock())
        self.swaps.append(self.configuration.start(strict=False))
        self.configuration.confirm(self.swaps[0])
        self.reloader = Reloader(
            self.configuration, self.swaps.append, Metrics(), WallClock(), self.stopping, settle=0.05
        )
        self.reloader.tell = self._told  # type: ignore[method-assign]
        self.thread = threading.Thread(target=self.reloader.watch)

    def _told(self, look: Look) -> None:
        with self.came:
            self.looks.append(look)
            self.came.notify_all()

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.reloader.hint()
        self.thread.join(20)
        assert not self.thread.is_alive()

    def next(self) -> Look:
        """The next outcome that was told."""
        with self.came:
            assert self.came.wait_for(lambda: bool(self.looks), 20), "no look followed the change"
            return self.looks.pop(0)

    @property
    def plan(self) -> SyncPlan:
        plan = self.swaps[-1].plan
        assert plan is not None
        return plan


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def running(home: Path) -> Iterator[Running]:
    with Running(write(home / "etc"), home) as made:
        yield made


def test_a_file_written_in_place_in_two_halves(running: Running) -> None:
    assert len(running.plan.links) == 2
    with (running.root / "targets.d" / "sandbox.yaml").open("w") as file:
        file.write(MORE[:100])
        file.flush()
        file.write(MORE[100:])
    look = running.next()
    while look.outcome is not Outcome.APPLIED:
        look = running.next()
    assert len(running.plan.links) == 3
    assert look.generation == 2


def test_a_file_renamed_into_place(running: Running) -> None:
    draft = running.root / "targets.d" / ".sandbox.yaml.swp"
    draft.write_text(MORE, "utf-8")
    draft.rename(running.root / "targets.d" / "sandbox.yaml")
    assert running.next().outcome is Outcome.APPLIED
    assert len(running.plan.links) == 3


def test_bad_touched_and_fixed(running: Running) -> None:
    """A bad configuration never replaces a good one; a touch changes nothing; mended, it is taken."""
    file = running.root / "targets.d" / "sandbox.yaml"
    file.write_text(HQ.replace("endpoint:", "endpont:"), "utf-8")
    look = running.next()
    assert (look.outcome, look.reason, look.generation) == (Outcome.REJECTED, "unknown-key", 1)
    assert str(look.diagnostics[0].span).startswith("targets.d/sandbox.yaml:")
    os.utime(file)
    assert running.reloader.look().outcome is Outcome.UNCHANGED
    file.write_text(HQ, "utf-8")
    assert running.next().outcome is Outcome.APPLIED
    assert len(running.swaps) == 2


def test_an_emptied_directory_is_rejected(running: Running) -> None:
    """An empty configuration is one that was not mounted, never "no targets any more"."""
    for file in (running.root / "targets.d").iterdir():
        file.unlink()
    look = running.next()
    while look.reason != "no-configuration":
        look = running.next()
    assert look.outcome is Outcome.REJECTED
    assert len(running.swaps) == 1


def test_a_kubernetes_volume_swings_its_data_link(home: Path) -> None:
    """A ConfigMap's update raises no event that names a file; one with equal content is no change."""
    root = home / "etc"
    for name in ("targets.d", "mappings"):
        (root / name).mkdir(parents=True)

    def revision(number: int, hq: str) -> None:
        write(home / f"r{number}", hq)
        for name in ("targets.d", "mappings"):
            inside = root / name / f"..r{number}"
            shutil.copytree(home / f"r{number}" / name, inside)
            (root / name / "..data_tmp").symlink_to(inside.name)
            (root / name / "..data_tmp").rename(root / name / "..data")
            for file in inside.iterdir():
                if not (root / name / file.name).is_symlink():
                    (root / name / file.name).symlink_to(f"..data/{file.name}")
            shutil.rmtree(root / name / f"..r{number - 1}", ignore_errors=True)

    revision(1, HQ)
    with Running(root, home) as running:
        revision(2, MORE)
        assert running.next().outcome is Outcome.APPLIED
        assert len(running.plan.links) == 3
        revision(3, MORE)
        revision(4, HQ)
        assert running.next().outcome is Outcome.APPLIED
        assert len(running.plan.links) == 2
        assert len(running.swaps) == 3


def test_git_sync_swings_the_root_itself(home: Path) -> None:
    current = home / "current"

    def revision(number: int, hq: str) -> None:
        write(home / f"r{number}", hq)
        (home / "tmp").symlink_to(f"r{number}")
        (home / "tmp").rename(current)
        shutil.rmtree(home / f"r{number - 1}", ignore_errors=True)

    revision(1, HQ)
    with Running(current, home) as running:
        revision(2, MORE)
        assert running.next().outcome is Outcome.APPLIED
        revision(3, HQ)
        assert running.next().outcome is Outcome.APPLIED
        assert len(running.plan.links) == 2


def start(home: Path, *, strict: bool = False) -> tuple[Configuration, Look]:
    """A process starts."""
    configuration = Configuration(home / "etc", LastGood(home / "last-good"), FakeClock())
    look = configuration.start(strict=strict)
    configuration.confirm(look)
    return configuration, look


def test_a_restart_after_a_bad_push_goes_on_with_the_last_good(home: Path) -> None:
    """B-102: degraded and saying so; --strict-start refuses; mended files are taken, and generations go on counting."""
    write(home / "etc", MORE)
    _, first = start(home)
    assert (first.outcome, first.generation) == (Outcome.APPLIED, 1)
    (home / "etc" / "targets.d" / "sandbox.yaml").write_text("kind: [", "utf-8")
    with pytest.raises(ConfigurationInvalid):
        start(home, strict=True)
    configuration, look = start(home)
    assert look.outcome is Outcome.REJECTED
    assert look.plan is not None
    assert len(look.plan.links) == 3
    assert look.diagnostics
    (home / "etc" / "targets.d" / "sandbox.yaml").write_text(HQ, "utf-8")
    mended = configuration.look()
    assert (mended.outcome, mended.generation) == (Outcome.APPLIED, 2)
    configuration.confirm(mended)
    assert start(home)[1].generation == 2


def test_a_first_start_with_bad_files_is_refused(home: Path) -> None:
    write(home / "etc", "kind: [")
    with pytest.raises(ConfigurationInvalid):
        start(home)


def test_a_changed_secret_is_a_change(home: Path) -> None:
    """A secret file takes part by its content."""
    write(home / "etc")
    secret = ["one"]
    configuration = Configuration(
        home / "etc", LastGood(home / "last-good"), FakeClock(), secrets=lambda plan: secret[0]
    )
    configuration.confirm(configuration.start(strict=False))
    assert configuration.look().outcome is Outcome.UNCHANGED
    secret[0] = "two"
    look = configuration.look()
    assert look.outcome is Outcome.APPLIED
    configuration.confirm(look)
    assert configuration.look().outcome is Outcome.UNCHANGED


def test_a_plan_that_cannot_be_put_to_use_is_tried_again(home: Path) -> None:
    """Good files, and a secret that is missing: what was in use stays, and no change of a file is needed to try again."""
    configuration, first = start_with(home, HQ)
    (home / "etc" / "targets.d" / "sandbox.yaml").write_text(MORE, "utf-8")
    refused = configuration.refuse(configuration.look(), UsageError("no secret in environment variable HQ_PASSWORD"))
    assert (refused.outcome, refused.generation) == (Outcome.FAILED, first.generation)
    assert configuration.standing is not None
    assert "HQ_PASSWORD" in configuration.standing.trouble
    assert LastGood(home / "last-good").about()[0] == first.generation
    again = configuration.look()
    assert (again.outcome, again.generation) == (Outcome.APPLIED, first.generation + 1)


def start_with(home: Path, hq: str) -> tuple[Configuration, Look]:
    """A process starts on these files."""
    write(home / "etc", hq)
    return start(home)
