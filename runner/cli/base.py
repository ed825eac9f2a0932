"""The configuration that a change is compared with: a directory, or a git revision of the one at hand."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from runner.config import Loaded, load
from runner.model.errors import UsageError

WANTED = ("targets.d", "mappings", "service.yaml")


@contextmanager
def base_of(root: Path, base: str) -> Iterator[Loaded]:
    """The configuration in a directory, or of a git revision of ``root``, for as long as this lasts."""
    if (Path(base) / "targets.d").is_dir():
        yield load(Path(base))
        return
    with tempfile.TemporaryDirectory(prefix="exsync-base-") as home:
        _extract(root, base, Path(home))
        yield _with_lists(load(Path(home), beside=root), root, base, Path(home))


def _with_lists(loaded: Loaded, root: Path, revision: str, home: Path) -> Loaded:
    """The same with lists of users in CSV files as they were in the revision; one that lies outside git is as it is now."""
    if loaded.plan is None or not any(each.kind == "csv" for each in loaded.plan.generated):
        return loaded
    generated = []
    for number, each in enumerate(loaded.plan.generated):
        file = Path(each.source)
        inside = each.kind == "csv" and file.is_relative_to(root.resolve())
        name = f"./{file.relative_to(root.resolve())}" if inside else ""
        if inside and _git(root, revision, "ls-tree", "--name-only", revision, name):
            then = home / f"{number}-{file.name}"
            then.write_bytes(_git(root, revision, "show", f"{revision}:{name}"))
            each = replace(each, source=str(then))
        generated.append(each)
    return replace(loaded, plan=replace(loaded.plan, generated=tuple(generated)))


def _extract(root: Path, revision: str, home: Path) -> None:
    """Lay the revision's files out in an empty directory."""
    listed = _git(root, revision, "ls-tree", "--name-only", revision).decode().split()
    names = [name for name in WANTED if name in listed]
    if not names:
        raise UsageError(
            f"revision {revision} has no targets.d/ in {root}",
            remedy="name a revision that has the configuration, or a directory",
        )
    archive = _git(root, revision, "archive", "--format=tar", revision, *names)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            _lay_out(tar, member, home)


def _lay_out(tar: tarfile.TarFile, member: tarfile.TarInfo, home: Path) -> None:
    """Files, and links that stay inside. (The data filter of ``extractall`` came with Python 3.11.4 only; names in a git tree
    never lead out of it.)"""
    place = home / member.name
    place.parent.mkdir(parents=True, exist_ok=True)
    if member.issym() and (place.parent / member.linkname).resolve().is_relative_to(home.resolve()):
        place.symlink_to(member.linkname)
    elif member.isfile() and (content := tar.extractfile(member)):
        place.write_bytes(content.read())


def _git(root: Path, revision: str, *arguments: str) -> bytes:
    if revision.startswith("-"):
        raise UsageError(f"{revision!r} is no git revision", remedy="name a branch, tag or commit, or a directory")
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a revision that is no option
            ["git", "-C", str(root), *arguments],  # noqa: S607 - whichever git the operator has
            capture_output=True,
            check=False,
        )
    except OSError:
        raise UsageError("git is not installed", remedy="install it, or give --base a directory") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(
            f"{revision!r} is neither a directory with targets.d/ nor a revision that git knows in {root}"
            + (f" ({said[0]})" if said else ""),
            remedy="fetch it first (in CI: check out with the full history), or give --base a directory",
        )
    return done.stdout
