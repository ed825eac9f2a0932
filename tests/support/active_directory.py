"""A real Active Directory: Samba's domain controller on loopback, for as long as somebody needs it.

A domain is founded once in a test run (some eight seconds of work) and copied for each process that wants one; the copy is
started in a network of its own where the kernel grants one, since its ports are fixed, and is reached by free ports here.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import select
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ldap3 import ALL_ATTRIBUTES, MODIFY_ADD, MODIFY_DELETE, MODIFY_REPLACE, NONE, Connection, Server

from runner.connectors.ldap.directory import VerifiedTls
from tests.support import domain_controller
from tests.support.certificates import authority, certificate

SUFFIX = "DC=ad,DC=test,DC=internal"
ADMIN, ADMIN_PASSWORD = "Administrator@ad.test.internal", "Passw0rd.Admin!"
READER, READER_PASSWORD = "svc-exsync@ad.test.internal", "Passw0rd.Reader!"
ENABLED, DISABLED = 0x220, 0x222
"""``userAccountControl``: a normal account that needs no password, and the same switched off (MS-ADTS 2.2.16)."""
START_SECONDS = 120
_PYTHON = "/usr/bin/python3"
_LDAP, _LDAPS, _CATALOGUE = 389, 636, 3269
_CHANGES = {"add": MODIFY_ADD, "delete": MODIFY_DELETE, "replace": MODIFY_REPLACE}


@dataclass(frozen=True, slots=True)
class ActiveDirectory:
    """A running domain controller with its administrator's connection. ``ca`` signed its certificate, which is for
    localhost and 127.0.0.1."""

    port: int
    tls_port: int
    catalogue_port: int
    base: Path
    admin: Connection

    @property
    def ca(self) -> Path:
        return self.base / "ca.pem"

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def catalogue_url(self) -> str:
        """The Global Catalog, over TLS."""
        return f"ldaps://127.0.0.1:{self.catalogue_port}"

    def add(self, dn: str, *classes: str, **attributes: Any) -> str:
        """A new entry; returns its DN."""
        self._done(self.admin.add(dn, list(classes), attributes), dn)
        return dn

    def unit(self, name: str, below: str = SUFFIX) -> str:
        """A new organizational unit."""
        return self.add(f"OU={name},{below}", "organizationalUnit")

    def person(self, login: str, below: str, **attributes: Any) -> str:
        """A new user by ``sAMAccountName``, enabled unless said otherwise."""
        told = {"sAMAccountName": login, "sn": login, "userAccountControl": ENABLED, **attributes}
        return self.add(f"CN=Name of {login},{below}", "user", **told)

    def group(self, name: str, below: str, *members: str, **attributes: Any) -> str:
        """A new security group; members are DNs."""
        told = {"sAMAccountName": name, **({"member": list(members)} if members else {}), **attributes}
        return self.add(f"CN={name},{below}", "group", **told)

    def modify(self, dn: str, verb: str, name: str, *values: Any) -> None:
        """``add``, ``delete`` or ``replace`` values of one attribute."""
        self._done(self.admin.modify(dn, {name: [(_CHANGES[verb], list(values))]}), dn)

    def rename(self, dn: str, rdn: str, below: str | None = None) -> str:
        """Give an entry another name, or another place; returns its new DN."""
        self._done(self.admin.modify_dn(dn, rdn, new_superior=below), dn)
        return f"{rdn},{below or dn.partition(',')[2]}"

    def delete(self, dn: str) -> None:
        """Delete one entry: a tombstone remains."""
        self._done(self.admin.delete(dn), dn)

    def delete_below(self, dn: str) -> None:
        """Delete an entry with all that lies below it, users first: no group goes while it is somebody's primary one."""
        self.admin.search(dn, "(objectClass=user)", "SUBTREE", attributes=[])
        for user in [each["dn"] for each in self.admin.response if each["type"] == "searchResEntry"]:
            self.delete(user)
        self._done(self.admin.delete(dn, controls=[("1.2.840.113556.1.4.805", True, None)]), dn)

    def guid(self, dn: str) -> str:
        """An entry's ``objectGUID`` as text."""
        self._done(self.admin.search(dn, "(objectClass=*)", "BASE", attributes=["objectGUID"]), dn)
        return str(uuid.UUID(bytes_le=self.admin.response[0]["raw_attributes"]["objectGUID"][0]))

    def dirsync(self, cookie: bytes | None = None) -> tuple[set[str], bytes]:
        """Whom the server's own change feed names since a cookie, by ``objectGUID``, and the next cookie (MS-ADTS
        3.1.1.3.4.1.3)."""
        ask = self.admin.extend.microsoft.dir_sync
        feed = ask(SUFFIX, "(objectClass=user)", [ALL_ATTRIBUTES], cookie=cookie, object_security=False)
        named: set[str] = set()
        while feed.more_results:
            found = [each["raw_attributes"] for each in feed.loop() if each["type"] == "searchResEntry"]
            named |= {str(uuid.UUID(bytes_le=attributes["objectGUID"][0])) for attributes in found}
        return named, feed.cookie

    def _done(self, done: bool, what: str) -> None:
        if not done:
            raise RuntimeError(f"{what}: {self.admin.result}")


@contextmanager
def running(shared: Path) -> Iterator[ActiveDirectory]:
    """Start a copy of the domain that this test run shares, yield it, stop it and remove its files."""
    founded = _founded(shared)
    base = Path(tempfile.mkdtemp(prefix="ad-", dir="/tmp"))
    try:
        for name in ("private", "state"):
            shutil.copytree(founded / name, base / name)
        made = authority("AD test CA")
        server = certificate(made, "localhost", addresses=("127.0.0.1",))
        (base / "ca.pem").write_bytes(made.pem)
        (base / "server.pem").write_bytes(server.pem)
        (base / "server.key").write_bytes(server.key_pem)
        (base / "server.key").chmod(0o600)  # Samba refuses one that others may read
        with _started(base) as ports:
            tls = VerifiedTls(str(base / "ca.pem"))
            ldaps = Server("127.0.0.1", port=ports[_LDAPS], use_ssl=True, tls=tls, get_info=NONE)
            with Connection(ldaps, ADMIN, ADMIN_PASSWORD, check_names=False) as admin:
                directory = ActiveDirectory(*(ports[port] for port in (_LDAP, _LDAPS, _CATALOGUE)), base, admin)
                secret = f'"{READER_PASSWORD}"'.encode("utf-16-le")
                login = READER.partition("@")[0]
                told = {"userPrincipalName": READER, "unicodePwd": secret, "userAccountControl": 0x200}
                directory.person(login, f"CN=Users,{SUFFIX}", **told)
                yield directory
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _founded(shared: Path) -> Path:
    """The domain's files, made by whichever process of the run comes first."""
    base = shared / "domain"
    with (shared / "domain.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "whole").exists():
            if shutil.which("samba", path="/usr/sbin") is None:
                raise RuntimeError(
                    "these tests need Samba's domain controller: apt-get install samba-ad-dc samba-ad-provision"
                )
            shutil.rmtree(base, ignore_errors=True)
            base.mkdir()
            command = _command("provision", {"base": str(base), "password": ADMIN_PASSWORD})
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            if done.returncode:
                raise RuntimeError(f"no domain could be founded:\n{done.stdout}{done.stderr}")
            (base / "whole").touch()
    return base


@contextmanager
def _started(base: Path) -> Iterator[dict[int, int]]:
    """Its ports, and those at which they are reached here; it ends with its standard input, so also with this process."""
    address = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250)}.{secrets.randbelow(250) + 2}"
    listeners = {port: socket.create_server(("127.0.0.1", 0)) for port in (_LDAP, _LDAPS, _CATALOGUE)}
    try:
        descriptors = {port: listener.fileno() for port, listener in listeners.items()}
        process = subprocess.Popen(
            _command("serve", {"base": str(base), "address": address, "sockets": descriptors}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=tuple(descriptors.values()),
        )
        ports = {port: listener.getsockname()[1] for port, listener in listeners.items()}
    finally:
        for listener in listeners.values():
            listener.close()
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            select.select([process.stdout], [], [], START_SECONDS)
            if process.poll() is not None or process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"Samba did not start:\n{(base / 'out').read_text(errors='replace')}")
            yield ports
        finally:
            process.stdin.close()


def _command(verb: str, told: dict[str, Any]) -> Sequence[str | Path]:
    return [*_network(), _PYTHON, Path(domain_controller.__file__), verb, json.dumps(told)]


@cache
def _network() -> tuple[str, ...]:
    """What gives a process a network of its own, and an account that has none of root's powers also these within it."""
    wished = ("unshare", "--net") if os.getuid() == 0 else ("unshare", "--user", "--map-root-user", "--net")
    granted = subprocess.run([*wished, "true"], capture_output=True, check=False).returncode == 0
    if granted:
        return wished
    if os.getuid() == 0:
        return ()
    raise RuntimeError(
        "Samba's ports need root, or user namespaces for everybody (sysctl kernel.unprivileged_userns_clone=1)"
    )
