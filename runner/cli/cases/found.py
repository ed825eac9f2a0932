"""Which files are case files: apart from the rest, which takes a second to import and is not needed where there are none."""

from __future__ import annotations

from pathlib import Path

from runner.config.files import CASES, SUFFIXES


def case_files(root: Path) -> list[str]:
    """The case files of a root, by their paths below it."""
    directory = root / CASES
    if not directory.is_dir():
        return []
    names = sorted(path.name for path in directory.iterdir() if is_case(path.name))
    return [f"{CASES}/{name}" for name in names]


def is_case(name: str) -> bool:
    """Whether a file name is that of a case file."""
    return name.endswith(SUFFIXES) and not name.startswith(".")
