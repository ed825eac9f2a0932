"""Which files are case files: apart from the rest, which takes a second to import and is not needed where there are none."""

from __future__ import annotations

from pathlib import Path

from runner.config.files import SUFFIXES, TESTS


def case_files(root: Path) -> list[str]:
    """The case files of a root, by their paths below it. What else lies beside them is another's."""
    directory = root / TESTS
    if not directory.is_dir():
        return []
    names = sorted(path.name for path in directory.iterdir() if is_case(path.name))
    return [f"{TESTS}/{name}" for name in names]


def is_case(name: str) -> bool:
    """Whether a file name is that of a case file."""
    return not name.startswith(".") and any(name.endswith(f".cases{suffix}") for suffix in SUFFIXES)
