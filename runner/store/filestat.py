"""A file or directory as the file system shows it: who may do what, on what kind of file system, with how much room."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from runner.model.checkup import FileSeen

_MOUNTS = Path("/proc/self/mounts")


def seen(path: Path) -> FileSeen:
    """Look at a path. Raises nothing: what cannot be seen is not there."""
    try:
        found = path.stat()
    except OSError:
        return FileSeen(str(path), exists=False)
    return FileSeen(
        str(path),
        exists=True,
        directory=stat.S_ISDIR(found.st_mode),
        mode=stat.S_IMODE(found.st_mode),
        owned=found.st_uid in (os.geteuid(), 0),
        readable=os.access(path, os.R_OK),
        writable=os.access(path, os.W_OK),
        filesystem=_kind(path),
        free=shutil.disk_usage(path).free,
    )


def _kind(path: Path) -> str:
    """The kind of the file system below which a path lies (proc(5)); empty where the kernel does not tell."""
    try:
        mounts = [line.split() for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    real = path.resolve()
    points = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in mounts if len(fields) > 2}
    return next((points[place] for place in (real, *real.parents) if place in points), "")
