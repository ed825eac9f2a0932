"""The one module of the configuration that touches the disk: a consistent snapshot of a root, and the schemas.

A root holds ``targets.d/*.yaml``, ``mappings/*.yaml`` (``.yml`` too; ``*.test.yaml`` are the mappings' tests and not
read) and, if it is there, ``service.yaml``. Names with a leading dot are ignored. Links may point anywhere inside the root,
so that mounted ConfigMaps and git-sync checkouts work; one that leads out of it is refused. The snapshot is taken again
when anything moved meanwhile.
"""

from __future__ import annotations

import hashlib
import stat
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from runner.config.findings import Findings
from runner.config.yamlsource import MAX_BYTES
from runner.model.diagnostics import Diagnostic, Span

TARGETS = "targets.d"
MAPPINGS = "mappings"
TESTS = "tests"
"""Where end-to-end cases lie, as ``*.cases.yaml``; nothing in it is part of the configuration."""
SERVICE = "service.yaml"
"""The one file at the top of a root: what the service says of itself."""
SUFFIXES = (".yaml", ".yml")
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a snapshot: its path below the root, with forward slashes, and its bytes."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All files of a root as they were at one moment. ``digest`` covers (path, bytes) of each, readable or not."""

    root: Path
    files: tuple[SourceFile, ...]
    digest: str
    diagnostics: tuple[Diagnostic, ...]


def is_test(name: str) -> bool:
    """Whether a file name is that of a mapping's tests."""
    return any(name.endswith(f".test{suffix}") for suffix in SUFFIXES)


def snapshot(root: Path) -> Snapshot:
    """Read the root. What cannot be read is a finding, never an exception."""
    fingerprint = _fingerprint(root)
    for _ in range(_ATTEMPTS):
        taken = _take(root)
        again = _fingerprint(root)
        if again == fingerprint:
            return taken
        fingerprint = again
    findings = Findings()
    findings.error(
        "files-moving",
        "the files keep changing while they are read",
        _top(TARGETS),
        hint="try again when whatever writes them has finished",
    )
    return Snapshot(taken.root, (), taken.digest, findings.sorted())


def read_file(path: Path, name: str) -> tuple[SourceFile | None, tuple[Diagnostic, ...]]:
    """One file on its own, under the name that findings shall give it."""
    findings = Findings()
    data = _read(path, name, findings)
    return (None if data is None else SourceFile(name, data)), findings.sorted()


def exists(root: Path, relative: str) -> bool:
    """Whether a path that the configuration names, taken from the root, is a file."""
    try:
        return (root / relative).is_file()
    except (OSError, ValueError):
        return False


@lru_cache(maxsize=1)
def schema_directory() -> Path:
    """Where the JSON Schemas lie: at the top of the repository, or where an installed wheel put them."""
    beside = Path(__file__).resolve().parents[2] / "schemas"
    return (
        beside
        if (beside / "target.schema.json").is_file()
        else Path(sysconfig.get_path("data")) / "share/exsync/schemas"
    )


@lru_cache(maxsize=1)
def schema_texts() -> dict[str, str]:
    """The text of every schema by its kind: ``target`` for ``target.schema.json``."""
    ending = ".schema.json"
    found = sorted(schema_directory().glob(f"*{ending}"))
    return {path.name.removesuffix(ending): path.read_text(encoding="utf-8") for path in found}


def _top(name: str) -> Span:
    return Span(name, 1, 1, 1, 1)


def _candidates(root: Path) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for directory in (TARGETS, MAPPINGS):
        try:
            names = sorted(entry.name for entry in (root / directory).iterdir())
        except OSError:
            continue
        wanted = [name for name in names if not name.startswith(".") and name.endswith(SUFFIXES) and not is_test(name)]
        found.extend((f"{directory}/{name}", root / directory / name) for name in wanted)
    if (root / SERVICE).is_symlink() or (root / SERVICE).exists():
        found.append((SERVICE, root / SERVICE))
    return found


def _fingerprint(root: Path) -> list[tuple[str, str, int, int, int]]:
    """What would differ if a file changed, came, went or its link was switched."""
    marks = []
    for name, path in _candidates(root):
        try:
            real = path.resolve()
            status = real.stat()
            marks.append((name, str(real), status.st_ino, status.st_size, status.st_mtime_ns))
        except (OSError, RuntimeError):
            marks.append((name, "", 0, 0, 0))
    return marks


def _take(root: Path) -> Snapshot:
    findings = Findings()
    try:
        real_root = root.resolve()
    except (OSError, RuntimeError):
        real_root = root.absolute()
    if not (real_root / TARGETS).is_dir():
        findings.error(
            "no-configuration",
            f"there is no directory {TARGETS}/ in {root}",
            _top(TARGETS),
            hint="go to the directory that holds targets.d/ and mappings/, or name it",
        )
    files = []
    digest = hashlib.sha256()
    for name, path in _candidates(real_root):
        data = _read_inside(real_root, path, name, findings)
        if data is not None:
            files.append(SourceFile(name, data))
        content = b"" if data is None else data
        digest.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return Snapshot(real_root, tuple(files), digest.hexdigest(), findings.sorted())


def _read_inside(root: Path, path: Path, name: str, findings: Findings) -> bytes | None:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        findings.error("unreadable", "the link leads nowhere", _top(name), hint="mend or remove the link")
        return None
    if not real.is_relative_to(root):
        hint = "keep the configuration inside one directory, so that one revision of it is one state"
        findings.error("outside-root", "the link leads out of the configuration's root", _top(name), hint=hint)
        return None
    return _read(real, name, findings)


def _read(path: Path, name: str, findings: Findings) -> bytes | None:
    try:
        # Asked before opening: a pipe would block for ever.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            findings.error("unreadable", "this is not a regular file", _top(name), hint="remove or rename it")
            return None
        with path.open("rb") as stream:
            # One byte more than allowed, so that the limit is noticed without reading all of a giant.
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        findings.error("unreadable", f"the file cannot be read: {reason}", _top(name), hint="check its permissions")
        return None
