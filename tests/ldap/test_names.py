"""DNs are compared as the same name however a server writes them (RFC 4514)."""

from __future__ import annotations

import pytest

from runner.connectors.ldap.names import comparable, is_below

SAME = (
    ("cn=Ann Lee,OU=Staff,dc=Example", "CN=ann lee,ou=staff,DC=example"),
    ("cn=a, ou=b , dc=c", "cn=a,ou=b,dc=c"),
    (r"cn=Lee\, Ann,dc=x", r"cn=Lee\2C Ann,dc=x"),
    (r"cn=Lee\, Ann,dc=x", 'cn="Lee, Ann",dc=x'),
    (r"cn=J\C3\BCrgen,dc=x", "cn=Jürgen,dc=x"),
    (r"cn=a\+b,dc=x", r"cn=a\2Bb,dc=x"),
    ("cn=a+uid=b,dc=x", "uid=b+cn=a,dc=x"),
    (r"cn=\#1,dc=x", r"cn=\231,dc=x"),
    (r"cn=back\\slash,dc=x", r"cn=back\5Cslash,dc=x"),
    ("cn=two  blanks,dc=x", "cn=two blanks,dc=x"),
    ("cn=a=b,dc=x", r"cn=a\=b,dc=x"),
    (r"cn=semi\;colon,dc=x", "cn=semi;colon,dc=x"),
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_ways_to_write_one_name_compare_equal(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(r"cn=a\,b,dc=x", "cn=a,b,dc=x"), ("cn=a,dc=x", "cn=a,dc=y"), (r"cn=a\+b,dc=x", "cn=a+b=,dc=x")],
)
def test_other_names_do_not(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


def test_scopes_are_those_of_a_search() -> None:
    base = comparable("ou=Staff,dc=x")
    below = [
        comparable(dn) for dn in ("ou=staff,dc=x", r"cn=a\,b,ou=staff,dc=x", "cn=a,ou=b,ou=staff,dc=x", "cn=a,dc=x")
    ]
    assert [is_below(dn, base, "subtree") for dn in below] == [True, True, True, False]
    assert [is_below(dn, base, "one") for dn in below] == [False, True, False, False]
    assert [is_below(dn, base, "base") for dn in below] == [True, False, False, False]
