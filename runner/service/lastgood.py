"""The last configuration that was applied, kept beside the state: a restart after a bad push goes on with it (B-102)."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from runner.config.files import Snapshot
from runner.config.loading import Loaded, load

_ABOUT = "about.json"


@dataclass(frozen=True, slots=True)
class LastGood:
    """A directory ``<state>.last-good`` with the files as they were, and which generation they were."""

    path: Path

    @classmethod
    def beside(cls, state: Path) -> LastGood:
        """The place that belongs to a state file."""
        return cls(state.with_name(f"{state.name}.last-good"))

    def about(self) -> tuple[int, str]:
        """(generation, digest) of what is kept; (0, "") when nothing is, or it does not read."""
        try:
            told = json.loads((self.path / _ABOUT).read_text("utf-8"))
            return int(told["generation"]), str(told["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""

    def keep(self, snapshot: Snapshot, generation: int) -> None:
        """Replace what is kept. Raises ``OSError``; then nothing or the older one is there."""
        draft = self.path.with_name(f".{self.path.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        for file in snapshot.files:
            place = draft / file.path
            place.parent.mkdir(mode=0o700, exist_ok=True)
            place.write_bytes(file.data)
        told = {"generation": generation, "digest": snapshot.digest}
        (draft / _ABOUT).write_text(json.dumps(told) + "\n", "utf-8")
        shutil.rmtree(self.path, ignore_errors=True)
        draft.rename(self.path)

    def load(self, root: Path) -> Loaded | None:
        """What is kept, compiled; paths in it are taken from ``root``, where the files lay. None when nothing is kept."""
        return load(self.path, beside=root) if self.path.is_dir() else None
