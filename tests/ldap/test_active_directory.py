"""Users and groups out of a real Active Directory (Samba's domain controller), over LDAPS: B-80 to B-83."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from runner.config.plan import LdapAuth
from runner.connectors.ldap.directory import LdapDirectory
from runner.model.errors import AuthRefused
from runner.model.state import PairingStatus
from tests.ldap.branch import Branch
from tests.ldap.conftest import PASSWORD, plan_for
from tests.ldap.firm import USERS
from tests.ldap.test_changes import read
from tests.ldap.test_groups import mapped
from tests.ldap.test_users import addresses, counts
from tests.support.active_directory import DISABLED, ENABLED, READER, READER_PASSWORD, SUFFIX, ActiveDirectory

Found = Callable[..., Branch]
ENABLED_ONLY = (
    "  filter: (&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))\n"
)


def staffed(branch: Found, *names: str, **told: Any) -> Branch:
    """A firm whose people are in its CRM."""
    corp = branch(**told)
    corp.hire(*names)
    assert counts(corp) == {"crm.create": len(names)}
    return corp


def changed_since(corp: Branch, mark: str) -> tuple[set[str], set[str], str]:
    """Whom an increment names as changed, whom as deleted, and the watermark behind it."""
    pages = list(corp.connector.changes(corp.ref(), mark))
    assert not any(page.whole for page in pages)
    changed = {ref.key for page in pages for ref in page.changed}
    return changed, {key for page in pages for key in page.deleted}, pages[-1].watermark


def test_users_come_in_and_a_second_pass_writes_nothing(branch: Found) -> None:
    """B-80, B-81, invariant 6: the main address is the one that Exchange marks, what is no mail address is none."""
    corp = branch()
    proxies = ["smtp:a.lee@x.example", "SMTP:Ann.Lee@x.example", "SIP:ann@x.example", "X400:c=AT;o=x;s=Lee"]
    corp.hire("ann", mail="old@x.example", proxyAddresses=proxies, displayName="Ann Lee", title="Buyer")
    corp.hire("bob", mail="bob@x.example")
    corp.hire("eve", userAccountControl=DISABLED)
    assert counts(corp) == {"crm.create": 3}
    ann, eve = corp.login("ann"), corp.login("eve")
    assert corp.user(ann, "name", "job_title", "directory", "locked") == ("Ann Lee", "Buyer", "corp", 0)
    assert addresses(corp, ann) == ("ann.lee@x.example", ["a.lee@x.example", "old@x.example"])
    assert corp.user(eve, "locked", "email") == (1, None)
    watermark = corp.store.link(USERS).target_watermark
    versions = corp.sql("SELECT id, row_version FROM crm_user ORDER BY id")
    assert counts(corp) == {}
    assert corp.store.link(USERS).target_watermark == watermark
    assert corp.sql("SELECT id, row_version FROM crm_user ORDER BY id") == versions


def test_an_increment_names_whom_the_servers_own_change_feed_names(branch: Found) -> None:
    """DirSync is the witness: what changed, who is new, who was renamed and who is gone, and nobody else."""
    corp = branch(as_admin=True)
    corp.hire("ann", "bob", "eve", "joe", "kim")
    everybody, whole, mark = read(corp, None)
    assert (len(everybody), whole) == (5, True)
    _, cookie = corp.server.dirsync()
    assert changed_since(corp, mark) == (set(), set(), mark)
    gone = corp.server.guid(corp.dn("joe"))
    corp.change("ann", "title", "Buyer")
    corp.server.rename(corp.dn("bob"), "CN=Robert")
    corp.change("eve", "userAccountControl", DISABLED)
    corp.server.delete(corp.dn("joe"))
    corp.hire("lou")
    changed, deleted, later = changed_since(corp, mark)
    assert deleted >= {gone}
    assert (len(changed), changed | {gone}) == (4, corp.server.dirsync(cookie)[0])
    assert changed_since(corp, later)[0] == set()


def test_a_tombstone_is_a_delete_where_the_account_may_see_it(branch: Found) -> None:
    """B-81: within the next pass, not within the next whole comparison; who is made anew with the log-on name is he."""
    corp = staffed(branch, *(f"u{n}" for n in range(10)), as_admin=True)
    (before,) = corp.user(corp.login("u3"), "id")
    corp.server.delete(corp.dn("u3"))
    assert counts(corp) == {"crm.delete": 1}
    assert corp.sql("SELECT id, deleted FROM crm_user WHERE login = ?", corp.login("u3")) == [(before, 1)]
    mark = corp.store.link(USERS).target_watermark
    assert counts(corp) == {}
    assert mark is not None
    assert changed_since(corp, mark) == (set(), set(), mark)
    corp.hire("u3", title="Back again")
    assert counts(corp) == {"crm.create": 1}
    assert corp.user(corp.login("u3"), "id", "deleted", "job_title") == (before, 0, "Back again")
    assert counts(corp) == {}


def test_a_delete_is_found_by_the_whole_comparison_where_tombstones_are_hidden(branch: Found) -> None:
    """An ordinary account does not see the deleted objects; the user's own entry says that it is gone."""
    corp = staffed(branch, *(f"u{n}" for n in range(10)))
    corp.server.delete(corp.dn("u3"))
    corp.clock.advance(timedelta(hours=25))
    assert counts(corp) == {"crm.delete": 1}
    assert "u3" not in corp.here()


def test_a_renamed_and_moved_user_is_the_same_user(branch: Found) -> None:
    """Identity is the objectGUID: neither DN nor log-on name nor mail."""
    corp = staffed(branch, "ann", "bob")
    (before,) = corp.user(corp.login("ann"), "id")
    corp.server.unit("sales", corp.people)
    dn = corp.server.rename(corp.dn("ann"), "CN=Lee\\, Ann", below=f"OU=sales,{corp.people}")
    corp.server.modify(dn, "replace", "sAMAccountName", corp.login("lee"))
    assert counts(corp) == {"crm.update": 1}
    assert corp.user(corp.login("lee"), "id", "name") == (before, "Lee, Ann")
    assert corp.here() == ["bob", "lee"]


def test_who_is_disabled_leaves_at_the_next_pass_where_the_filter_says_so(branch: Found) -> None:
    """He matches the filter no longer, and his entry has just changed: nobody waits for the next whole comparison."""
    corp = staffed(branch, *(f"u{n}" for n in range(10)), users=ENABLED_ONLY + "  on_leave: remove\n")
    corp.change("u3", "userAccountControl", DISABLED)
    assert counts(corp) == {"crm.delete": 1}
    assert "u3" not in corp.here()
    corp.change("u3", "userAccountControl", ENABLED)
    assert counts(corp) == {"crm.create": 1}
    assert "u3" in corp.here()
    assert counts(corp) == {}


def test_groups_nested_in_circles_and_primary_ones_decide(branch: Found) -> None:
    """B-82: a primary group lists its members nowhere, and names with commas and umlauts are members all the same."""
    corp = branch(more="")
    corp.configure(more=mapped(f"group: '{corp.login('All')}', synchronize_users: true, template: seller"))
    corp.hire("ann", "bob", "eve", "joe")
    dn = corp.server.rename(corp.dn("eve"), "CN=Öl\\, Eve \\+ Co \\#1")
    corp.team("Staff", "ann")
    corp.team("Sales", "@Staff", "bob")
    corp.server.modify(corp.dn("@Staff"), "add", "member", corp.dn("@Sales"), dn)
    corp.team("All", "@Sales")
    assert counts(corp) == {"crm.create": 3}
    assert corp.here() == ["ann", "bob", "eve"]
    corp.team("Primary", "joe")
    corp.server.modify(corp.dn("@All"), "add", "member", corp.dn("@Primary"))
    assert counts(corp) == {"crm.create": 1}
    corp.server.admin.search(corp.dn("@Primary"), "(objectClass=group)", "BASE", attributes=["objectSid"])
    sid = corp.server.admin.response[0]["raw_attributes"]["objectSid"][0]
    corp.change("joe", "primaryGroupID", int.from_bytes(sid[-4:], "little"))
    corp.server.admin.search(corp.dn("@Primary"), "(objectClass=group)", "BASE", attributes=["member"])
    assert corp.server.admin.response[0]["raw_attributes"].get("member", []) == []
    counts(corp)
    assert corp.here() == ["ann", "bob", "eve", "joe"]
    assert corp.user(corp.login("joe"), "template") == ("seller",)


def test_who_leaves_the_unit_is_detached_and_in_step_again_when_he_is_back(branch: Found) -> None:
    """Invariant 2: his entry is there, under another unit."""
    corp = staffed(branch, *(f"u{n}" for n in range(10)))
    gone = corp.server.rename(corp.dn("u3"), corp.dn("u3").partition(",")[0], below=f"OU=gone,{corp.base}")
    corp.clock.advance(timedelta(hours=25))
    assert corp.run().error is None
    assert len(corp.here()) == 10
    (pair,) = corp.store.pairings(USERS, crm_keys=[str(corp.user(corp.login("u3"), "id")[0])])
    assert pair.status is PairingStatus.DETACHED
    corp.server.rename(gone, gone.partition(",")[0], below=corp.people)
    corp.change("u3", "title", "Back")
    counts(corp)
    assert corp.user(corp.login("u3"), "job_title") == ("Back",)


def test_the_global_catalogue_serves_too(branch: Found) -> None:
    """B-80: several domains are read through it."""
    corp = branch()
    corp.hire("ann", mail="ann@x.example")
    target = corp.home / "targets.d/corp.yaml"
    target.write_text(target.read_text().replace(corp.server.tls_url, corp.server.catalogue_url))
    assert counts(corp) == {"crm.create": 1}
    assert addresses(corp, corp.login("ann")) == ("ann@x.example", [])


@pytest.mark.parametrize(
    ("account", "password", "said"),
    [
        (READER, "wrong", "the password is wrong"),
        ("nobody@ad.test.internal", "wrong", "no such account|the password is wrong"),
        ("disabled@ad.test.internal", READER_PASSWORD, "the account is disabled"),
        ("expired@ad.test.internal", READER_PASSWORD, "must be changed"),
    ],
)
def test_a_refused_log_on_is_told_in_words(domain: ActiveDirectory, account: str, password: str, said: str) -> None:
    """The reasons that the server gives in its own numbers."""
    login = account.partition("@")[0]
    if login in ("disabled", "expired"):
        secret = f'"{READER_PASSWORD}"'.encode("utf-16-le")
        told = {"userAccountControl": 0x202} if login == "disabled" else {"userAccountControl": 0x200, "pwdLastSet": 0}
        domain.person(login, f"CN=Users,{SUFFIX}", userPrincipalName=account, unicodePwd=secret, **told)
    directory = LdapDirectory(
        plan_for(domain.tls_url, ca_file=str(domain.ca), auth=LdapAuth("simple", account, PASSWORD)), password
    )
    with pytest.raises(AuthRefused, match=said):
        directory.root()


def test_a_password_never_goes_out_without_tls_that_the_server_demands(domain: ActiveDirectory) -> None:
    """As a hardened domain controller of Windows does; the message says what to write."""
    directory = LdapDirectory(plan_for(domain.url, auth=LdapAuth("simple", READER, PASSWORD)), READER_PASSWORD)
    with pytest.raises(AuthRefused, match="no log-on without TLS") as refused:
        directory.root()
    assert "start_tls" in (refused.value.remedy or "")
    started = plan_for(domain.url, start_tls=True, ca_file=str(domain.ca), auth=LdapAuth("simple", READER, PASSWORD))
    secure = LdapDirectory(started, READER_PASSWORD)
    assert secure.root().texts("defaultNamingContext") == [SUFFIX]
    secure.close()
