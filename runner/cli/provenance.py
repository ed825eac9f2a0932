"""Who wrote a line of YAML: the git commit behind a rule (``file:line:column``), where the configuration lies in git."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Origin:
    """The commit that last changed a line."""

    commit: str
    author: str
    day: str
    subject: str

    def __str__(self) -> str:
        return f"{self.commit[:10]} {self.day} {self.author}: {self.subject}"


@cache
def origin_of(root: Path, rule: str) -> Origin | None:
    """The commit behind a rule; None for built-in rules, uncommitted lines, and where there is no git."""
    file, _, place = rule.partition(":")
    line = place.partition(":")[0]
    if not line.isdecimal() or not (root / file).is_file():
        return None
    done = _git(root, "blame", "--porcelain", "-L", f"{line},{line}", "--", file)
    if done is None:
        return None
    head, *rest = done.splitlines()
    told = dict(part.partition(" ")[::2] for part in rest if not part.startswith("\t"))
    commit = head.split(" ", 1)[0]
    if not commit.strip("0"):
        return None
    day = datetime.fromtimestamp(int(told.get("author-time", "0")), UTC).strftime("%Y-%m-%d")
    return Origin(commit, told.get("author", ""), day, told.get("summary", ""))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, and a file of the configuration after `--`
            ["git", "-C", str(root), *arguments],  # noqa: S607 - whichever git the operator has
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
