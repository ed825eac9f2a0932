"""The cookbook of ``docs/ldap.md`` for OpenLDAP: every LDIF in it is carried out on a server that has nothing yet."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from runner.config.plan import LdapAuth
from runner.connectors.ldap.directory import LdapDirectory
from runner.connectors.ldap.port import Search
from runner.model.errors import AuthRefused
from tests.ldap.conftest import PASSWORD, plan_for
from tests.ldap.firm import REPOSITORY
from tests.support import slapd
from tests.support.slapd import (
    ADMIN,
    ADMIN_PASSWORD,
    DATABASE,
    GROUPS,
    PEOPLE,
    PREAMBLE,
    SUFFIX,
    Slapd,
    group,
    person,
    uid,
)

BARE = f"""\
{PREAMBLE}sizelimit 10
database config
rootpw {{password}}
{DATABASE}access to attrs=userPassword by self write by anonymous auth by * none
access to * by self read by * none
index objectClass eq
"""
UNITS = "\n\n".join(
    [f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: test\ndc: test"]
    + [f"dn: ou={name},{SUFFIX}\nobjectClass: organizationalUnit\nou: {name}" for name in ("people", "groups")]
)
ACCOUNT = f"cn=exsync,ou=services,{SUFFIX}"
STAFF = 25


def recipes() -> dict[str, str]:
    """Each LDIF of the page by its name, for the suffix of the server."""
    page = (REPOSITORY / "docs/ldap.md").read_text(encoding="utf-8").replace("dc=example,dc=com", SUFFIX)
    return dict(re.findall(r"^```ldif\n# (\S+\.ldif),[^\n]*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))


def carry_out(server: Slapd, ldif: str) -> None:
    """``ldapmodify -a`` does what ``ldapadd`` does, too; who may is said by where the first entry lies."""
    who = "cn=config" if "cn=config" in ldif else ADMIN
    command = ["ldapmodify", "-a", "-x", "-H", server.url, "-D", who, "-w", ADMIN_PASSWORD]
    done = subprocess.run(command, input=ldif, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def cooked() -> Iterator[Slapd]:
    """A server after every recipe, with people and a group."""
    with slapd.running(configuration=BARE, first=f"{UNITS}\n") as server:
        for ldif in recipes().values():
            carry_out(server, ldif)
        server.add(*(person(f"u{n}", userPassword=f"secret-{n}") for n in range(STAFF)))
        server.add(group("staff", uid("u0"), uid("u1")), group("alone", uid("u0")))
        yield server


def opened(server: Slapd, account: str = ACCOUNT, password: str = "change-me-at-once") -> LdapDirectory:  # noqa: S107
    plan = plan_for(server.tls_url, ca_file=str(server.ca), auth=LdapAuth("simple", account, PASSWORD), page=5)
    return LdapDirectory(plan, password)


def found(directory: LdapDirectory, base: str, filter: str, *names: str) -> dict[str, dict[str, Sequence[str]]]:
    """DN → the attributes asked for."""
    pages = directory.pages(Search(base, "subtree", filter, names))
    return {entry.dn: {name: entry.texts(name) for name in names} for page in pages for entry in page}


def test_the_page_has_every_recipe() -> None:
    assert list(recipes()) == ["account.ldif", "rights.ldif", "overlays.ldif", "policies.ldif"]


def test_the_account_reads_everybody_and_no_password(cooked: Slapd) -> None:
    """More than the server's limit of 10, page by page; others see what they saw before: nothing."""
    reader = opened(cooked)
    people = found(reader, SUFFIX, "(objectClass=inetOrgPerson)", "uid", "userPassword", "entryUUID")
    assert len(people) == STAFF
    assert {bool(one["userPassword"]) for one in people.values()} == {False}
    assert {bool(one["entryUUID"]) for one in people.values()} == {True}
    reader.close()
    stranger = opened(cooked, uid("u3"), "secret-3")
    assert stranger.read(uid("u4"), ["uid"]) is None
    stranger.close()


def test_groups_stay_true_when_a_member_is_deleted(cooked: Slapd) -> None:
    reader = opened(cooked)
    staff = f"cn=staff,{GROUPS}"
    assert set(found(reader, PEOPLE, f"(memberOf={staff})", "uid")) == {uid("u0"), uid("u1")}
    cooked.delete(uid("u0"))
    cooked.add(person("u0", userPassword="secret-0"))
    members = found(reader, GROUPS, "(objectClass=groupOfNames)", "member")
    assert members[staff]["member"] == [uid("u1")]
    assert members[f"cn=alone,{GROUPS}"]["member"] == [f"cn=nobody,{SUFFIX}"]
    reader.close()


def test_people_are_locked_out_and_the_accounts_password_never_expires(cooked: Slapd) -> None:
    for _ in range(5):
        with pytest.raises(AuthRefused):
            opened(cooked, uid("u2"), "wrong").root()
    with pytest.raises(AuthRefused):
        opened(cooked, uid("u2"), "secret-2").root()
    other = opened(cooked, uid("u5"), "secret-5")
    assert other.root()
    other.close()
    long_ago = "changetype: modify\nreplace: pwdChangedTime\npwdChangedTime: 20200101000000Z"
    for dn in (ACCOUNT, uid("u6")):
        relaxed(cooked, f"dn: {dn}\n{long_ago}")
    with pytest.raises(AuthRefused, match="its password has expired"):
        opened(cooked, uid("u6"), "secret-6").root()
    reader = opened(cooked)
    assert reader.root()
    reader.close()


def relaxed(server: Slapd, ldif: str) -> None:
    """Set what only the server itself sets (the control Relax Rules)."""
    command = ["ldapmodify", "-e", "relax", "-x", "-H", server.url, "-D", ADMIN, "-w", ADMIN_PASSWORD]
    done = subprocess.run(command, input=ldif, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
