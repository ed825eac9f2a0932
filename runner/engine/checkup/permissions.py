"""Who can read and change what is ours on this machine: the state and the secrets."""

from __future__ import annotations

from collections.abc import Sequence

from runner.config.secrets import SecretRef
from runner.model.checkup import Diagnosis, FileSeen, doubtful, failed, sound

STATE = "state"
ROOM = 1 << 30
"""Bytes that a checkpoint of a large state may want."""
_SHARED = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs", "ocfs2", "gfs2")
_OTHERS, _GROUP = 0o007, 0o070


def state(directory: FileSeen, files: Sequence[FileSeen]) -> list[Diagnosis]:
    """The directory of the state, and the files in it. A directory that is not there is made by the first pass."""
    if not directory.exists:
        told = f"there is no {directory.path} yet: the first pass makes it, for this account alone"
        return [sound(STATE, "permissions", told)]
    return [_rights(directory, files), _place(directory), _room(directory)]


def _rights(directory: FileSeen, files: Sequence[FileSeen]) -> Diagnosis:
    check, own = "permissions", "run exsync as the account that owns it, or give it to that account (chown)"
    shut = [one for one in (directory, *files) if one.exists and not one.writable]
    if shut:
        return failed(STATE, check, f"this account may not write {shut[0].path}", own, exit_code=77)
    foreign = [one for one in (directory, *files) if one.exists and not one.owned]
    if foreign:
        return doubtful(STATE, check, f"{foreign[0].path} belongs to another account", own)
    open_ = [one for one in (directory, *files) if one.exists and one.mode & (_OTHERS | _GROUP)]
    # A closed directory closes what is in it.
    if open_ and directory.mode & (_OTHERS | _GROUP):
        names = " ".join(one.path for one in open_)
        bits = ", ".join(f"{one.path} has mode {one.mode:04o}" for one in open_)
        return doubtful(STATE, check, f"others may read what users wrote: {bits}", f"chmod go= {names}")
    return sound(STATE, check, f"{directory.path} is this account's alone (mode {directory.mode:04o})")


def _place(directory: FileSeen) -> Diagnosis:
    kind = directory.filesystem
    if kind.startswith(_SHARED):
        return failed(
            STATE,
            "file system",
            f"{directory.path} lies on {kind}, which does not lock reliably: two services could write one state",
            "move the state to a local disk (--state, EXSYNC_STATE)",
        )
    return sound(STATE, "file system", f"{kind or 'of unknown kind'}")


def _room(directory: FileSeen) -> Diagnosis:
    if directory.free is not None and directory.free < ROOM:
        return doubtful(STATE, "room", f"{directory.free >> 20} MiB are free", "free a gibibyte, or move the state")
    return sound(STATE, "room", "enough" if directory.free is None else f"{directory.free >> 30} GiB are free")


def secret_in_file(ref: SecretRef, seen: FileSeen) -> Diagnosis:
    """A secret that stands in a file: readable for us and for nobody else."""
    subject, check = "secrets", ref.name
    if not seen.exists or seen.directory or not seen.readable:
        what = "is not there" if not seen.exists else "is a directory" if seen.directory else "cannot be read"
        return failed(
            subject,
            check,
            f"{ref.rule}: the file {ref.name} {what}",
            "mount it readable for this account, or point the reference elsewhere",
            exit_code=64,
        )
    if seen.mode & _OTHERS:
        told = f"{ref.rule}: everybody on this machine may read {ref.name} (mode {seen.mode:04o})"
        return doubtful(subject, check, told, f"chmod o= {ref.name}")
    return sound(subject, check, f"{ref.rule}: readable for this account (mode {seen.mode:04o})")


def secret_in_environment(ref: SecretRef, *, there: bool) -> Diagnosis:
    """A secret that stands in the environment."""
    if there:
        return sound("secrets", ref.name, f"{ref.rule}: set in this environment")
    return failed(
        "secrets",
        ref.name,
        f"{ref.rule}: the environment variable {ref.name} is not set here",
        "set it for this command and for the service, or use {file: …}, which is read anew when it changes",
        exit_code=64,
    )
