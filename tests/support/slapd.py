"""A real OpenLDAP on free loopback ports, in a private directory, for as long as somebody needs it.

The memberOf and refint overlays are on, a password policy holds below ``ou=policed``, and ``cn=capped`` gets 500 entries in
all, however it pages. ``slapd -V`` would start a server on every address: nobody calls it.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import authority, certificate

SUFFIX = "dc=test,dc=internal"
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
ADMIN, ADMIN_PASSWORD = f"cn=admin,{SUFFIX}", "admin-secret"
READER, READER_PASSWORD = f"cn=reader,{SUFFIX}", "reader-secret"
CAPPED, CAPPED_PASSWORD = f"cn=capped,{SUFFIX}", "capped-secret"
EXPIRED, EXPIRED_PASSWORD = f"cn=expired,ou=policed,{SUFFIX}", "expired-secret"
START_SECONDS = 30
_TRIES = 5
PREAMBLE = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {base}/pid
TLSCACertificateFile {base}/ca.pem
TLSCertificateFile {base}/server.pem
TLSCertificateKeyFile {base}/server.key
"""
"""What every ``slapd.conf`` begins with."""
DATABASE = """\
database mdb
suffix "{suffix}"
rootdn "{admin}"
rootpw {password}
directory {base}/db
maxsize 1073741824
dbnosync
"""
_MORE = """\
moduleload memberof
moduleload refint
moduleload ppolicy
sizelimit 500
"""
_RULES = """\
limits dn.exact="{reader}" size.soft=500 size.hard=500 size.pr=1000 size.prtotal=unlimited
limits dn.exact="{capped}" size.soft=500 size.hard=500 size.pr=500 size.prtotal=500
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=hidden,{suffix}" by dn.exact="{reader}" none by * read
access to * by * read
index objectClass,entryUUID,uid,mail,cn,member eq
index entryCSN,modifyTimestamp eq
overlay memberof
memberof-group-oc groupOfNames
memberof-refint TRUE
overlay refint
refint_attributes member memberOf
overlay ppolicy
"""
_CONFIGURATION = f"{PREAMBLE}{_MORE}{DATABASE}{_RULES}"


@dataclass(frozen=True, slots=True)
class Slapd:
    """A running server. ``ca`` signed its certificate, which is for localhost and 127.0.0.1."""

    port: int
    tls_port: int
    base: Path

    @property
    def ca(self) -> Path:
        return self.base / "ca.pem"

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    def add(self, *entries: str) -> None:
        """Add entries in LDIF, each without its blank line."""
        self._tool("ldapadd", "\n\n".join(entries))

    def modify(self, ldif: str) -> None:
        """Carry out changes in LDIF."""
        self._tool("ldapmodify", ldif)

    def rename(self, dn: str, rdn: str, below: str | None = None) -> None:
        """Give an entry another name, or another place."""
        more = f"\nnewsuperior: {below}" if below else ""
        self.modify(f"dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1{more}")

    def delete(self, *dns: str) -> None:
        """Delete entries, and what lies below them."""
        self._tool("ldapdelete", "", "-r", *dns)

    def _tool(self, tool: str, ldif: str, *arguments: str) -> None:
        command = [tool, "-x", "-H", self.url, "-D", ADMIN, "-w", ADMIN_PASSWORD, *arguments]
        done = subprocess.run(command, input=ldif, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{tool}: {done.stderr}{done.stdout}")


def person(uid: str, *, below: str = PEOPLE, **attributes: str | Sequence[str]) -> str:
    """A person in LDIF."""
    told = {"cn": f"Name of {uid}", "sn": uid, "mail": f"{uid}@test.internal", **attributes}
    lines = [f"dn: uid={uid},{below}", "objectClass: inetOrgPerson", f"uid: {uid}"]
    for name, given in told.items():
        lines += [f"{name}: {value}" for value in ([given] if isinstance(given, str) else given) if value]
    return "\n".join(lines)


def group(name: str, *members: str, below: str = GROUPS, **attributes: str) -> str:
    """A group in LDIF; members are DNs."""
    lines = [f"dn: cn={name},{below}", "objectClass: groupOfNames", f"cn: {name}"]
    lines += [f"{key}: {value}" for key, value in attributes.items()]
    return "\n".join([*lines, *(f"member: {member}" for member in members)])


def uid(name: str, below: str = PEOPLE) -> str:
    """The DN of a person."""
    return f"uid={name},{below}"


def _first() -> str:
    told = [f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: test\ndc: test"]
    units = ("people", "groups", "hidden", "elsewhere", "policed")
    told += [f"dn: ou={unit},{SUFFIX}\nobjectClass: organizationalUnit\nou: {unit}" for unit in units]
    told.append(
        f"dn: cn=policy,ou=policed,{SUFFIX}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\n"
        "pwdAttribute: userPassword\npwdMaxAge: 1\npwdGraceAuthNLimit: 0"
    )
    accounts = ((READER, READER_PASSWORD), (CAPPED, CAPPED_PASSWORD))
    told += [
        f"dn: {dn}\nobjectClass: person\ncn: {dn[3:9]}\nsn: x\nuserPassword: {password}" for dn, password in accounts
    ]
    told.append(
        f"dn: {EXPIRED}\nobjectClass: person\ncn: expired\nsn: x\nuserPassword: {EXPIRED_PASSWORD}\n"
        f"pwdPolicySubentry: cn=policy,ou=policed,{SUFFIX}\npwdChangedTime: 20200101000000Z"
    )
    return "\n\n".join(told) + "\n"


@contextmanager
def running(
    more: Iterable[str] = (), *, configuration: str = _CONFIGURATION, first: str | None = None
) -> Iterator[Slapd]:
    """Start a server with these first entries and these further ones (LDIF), yield it, stop it and remove its files.

    ``configuration`` is a ``slapd.conf`` with places for the server's files, names and passwords, as the built-in one.
    """
    slapd = shutil.which("slapd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if slapd is None or shutil.which("ldapadd") is None:
        raise RuntimeError("these tests need OpenLDAP's server and tools: apt-get install slapd ldap-utils")
    base = Path(tempfile.mkdtemp(prefix="slapd-", dir="/tmp"))
    try:
        made = authority("LDAP test CA")
        server = certificate(made, "localhost", addresses=("127.0.0.1",))
        (base / "ca.pem").write_bytes(made.pem)
        (base / "server.pem").write_bytes(server.pem)
        (base / "server.key").write_bytes(server.key_pem)
        (base / "db").mkdir()
        names = {"suffix": SUFFIX, "admin": ADMIN, "password": ADMIN_PASSWORD, "reader": READER, "capped": CAPPED}
        (base / "slapd.conf").write_text(configuration.format(base=base, **names))
        with (base / "first.ldif").open("w") as ldif:
            ldif.write(_first() if first is None else first)
            ldif.writelines(f"\n{entry}\n" for entry in more)
        slapadd = shutil.which("slapadd", path="/usr/sbin:/usr/bin") or "slapadd"
        command = [slapadd, "-q", "-f", base / "slapd.conf", "-l", base / "first.ldif"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"slapadd: {done.stderr}")
        with _started(slapd, base) as running_server:
            yield running_server
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def _started(slapd: str, base: Path) -> Iterator[Slapd]:
    """A free port is only free until somebody else takes it, so starting is tried again with others."""
    log = base / "log"
    for _ in range(_TRIES):
        server = Slapd(_free_port(), _free_port(), base)
        with log.open("wb") as file:
            process = subprocess.Popen(
                [slapd, "-f", base / "slapd.conf", "-h", f"{server.url} {server.tls_url}", "-d", "none"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            if _ready(server, process):
                yield server
                return
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)
    raise RuntimeError(f"slapd did not start:\n{log.read_text(errors='replace')}")


def _ready(server: Slapd, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                return process.poll() is None
        time.sleep(0.02)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
