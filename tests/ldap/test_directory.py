"""The hardened directory: every dangerous default of the library is set otherwise, shown against a real OpenLDAP."""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ldap3.utils.dn import escape_rdn

from runner.config.plan import LdapAuth
from runner.connectors.ldap.directory import LdapDirectory
from runner.connectors.ldap.names import in_filter
from runner.connectors.ldap.port import Entry, Search
from runner.model.errors import (
    AccessDenied,
    AuthRefused,
    ContainerGone,
    Invalid,
    ProtocolFault,
    Transient,
    Unreachable,
    UsageError,
)
from runner.sandbox.directory import Answer, FakeLdap
from tests.ldap.conftest import MANY, MANY_BASE, PASSWORD, Opening, plan_for
from tests.support import slapd
from tests.support.certificates import authority, certificate
from tests.support.slapd import PEOPLE, SUFFIX, Slapd, person

EVERYBODY = Search(MANY_BASE, "subtree", "(objectClass=inetOrgPerson)", ("uid", "entryUUID"))
SIMPLE = "simple"


def everyone(directory: LdapDirectory, search: Search = EVERYBODY) -> list[Entry]:
    return [entry for page in directory.pages(search) for entry in page]


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[bytes]]]:
    """A host that notes what it is sent: (port, what came)."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        stop = threading.Event()

        def run() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    came.append(b"connected")
                    serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1], came
        finally:
            stop.set()
            thread.join()


# -- referrals ---------------------------------------------------------------------------------------------------------


def test_the_password_is_never_sent_to_a_host_that_a_referral_names(server: Slapd, directory: Opening) -> None:
    """The library's default would connect there and bind with the password in clear."""
    with listening(lambda connection: None) as (port, came):
        server.add(
            f"dn: ou=partner,{SUFFIX}\nobjectClass: referral\nobjectClass: extensibleObject\nou: partner\n"
            f"ref: ldap://127.0.0.1:{port}/ou=partner,{SUFFIX}"
        )
        try:
            found = everyone(directory(), Search(SUFFIX, "one", "(objectClass=*)", ("ou",)))
            assert "partner" not in {entry.text("ou") for entry in found}
            with pytest.raises(ContainerGone, match="not followed: the password would go there"):
                everyone(directory(), Search(f"ou=partner,{SUFFIX}", "subtree", "(objectClass=*)", ("ou",)))
        finally:
            server.modify(f"dn: ou=partner,{SUFFIX}\ncontrol: 2.16.840.1.113730.3.4.2 true\nchangetype: delete")
    assert came == []


def test_no_host_is_allowed_for_referrals_and_none_is_followed_by_itself(directory: Opening) -> None:
    connection = directory()._made()
    assert connection.auto_referrals is False
    assert connection.server.allowed_referral_hosts == []


# -- TLS ---------------------------------------------------------------------------------------------------------------


def test_a_certificate_of_another_authority_is_refused(directory: Opening, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(authority("Somebody else").pem)
    with pytest.raises(Unreachable, match="is not trusted: ") as refused:
        directory(ca_file=str(wrong)).root()
    assert refused.value.code == "tls-untrusted"
    assert "ca_file" in (refused.value.remedy or "")


def test_without_an_authority_of_its_own_a_private_certificate_is_refused(directory: Opening) -> None:
    with pytest.raises(Unreachable, match="not trusted"):
        directory(ca_file=None).root()


def test_a_certificate_for_another_name_is_refused(directory: Opening, tmp_path: Path) -> None:
    made = authority("LDAP test CA")
    other = certificate(made, "dc2.example.com")
    for name, data in (("ca", made.pem), ("cert", other.pem), ("key", other.key_pem)):
        (tmp_path / name).write_bytes(data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    came: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as wrapped:
            came.append(wrapped.recv(1))

    with listening(serve) as (port, _), pytest.raises(Unreachable, match="is for another name") as refused:
        directory(url=f"ldaps://127.0.0.1:{port}", ca_file=str(tmp_path / "ca")).root()
    assert refused.value.code == "tls-name"
    assert came in ([], [b""])  # nothing was sent after the handshake


def test_start_tls_verifies_before_the_password_goes_out(server: Slapd, directory: Opening, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(authority("Somebody else").pem)
    with pytest.raises(Unreachable, match="not trusted"):
        directory(url=server.url, start_tls=True, ca_file=str(wrong)).root()
    assert len(everyone(directory(url=server.url, start_tls=True))) == MANY


def test_a_name_that_the_certificate_bears_is_accepted(server: Slapd, directory: Opening) -> None:
    for host in ("localhost", "127.0.0.1"):
        assert directory(url=f"ldaps://{host}:{server.tls_port}").root().texts("namingContexts") == [SUFFIX]


# -- log-on ------------------------------------------------------------------------------------------------------------


def test_an_empty_password_is_never_sent() -> None:
    """RFC 4513, 5.1.2: it would log on as nobody, and find nobody."""
    for nothing in ("", None):
        with pytest.raises(UsageError, match=r"password of .* is empty"):
            LdapDirectory(plan_for("ldaps://dc1.example.com"), nothing)


def test_a_wrong_password_is_sent_once_and_never_again(directory: Opening) -> None:
    refusing = directory("wrong")
    with pytest.raises(AuthRefused, match="refuses the log-on of cn=reader"):
        refusing.root()
    opened = []
    refusing._made = lambda: opened.append(1)  # type: ignore[method-assign, return-value, func-returns-value]
    with pytest.raises(AuthRefused):
        refusing.root()
    assert opened == []


def test_an_expired_password_is_told_as_one(directory: Opening) -> None:
    with pytest.raises(AuthRefused, match="its password has expired") as refused:
        directory(slapd.EXPIRED_PASSWORD, auth=LdapAuth(SIMPLE, slapd.EXPIRED, PASSWORD)).root()
    assert refused.value.code == "password-expired"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("52e", "the password is wrong"),
        ("532", "its password has expired"),
        ("533", "the account is disabled"),
        ("773", "must be changed"),
        ("775", "the account is locked"),
    ],
)
def test_active_directorys_reasons_are_told_in_words(data: str, reason: str, directory: Opening) -> None:
    said = f"80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563"
    with FakeLdap(bind=Answer(49, said)) as fake, pytest.raises(AuthRefused, match=reason):
        directory(url=fake.url).root()


def test_a_server_that_wants_tls_says_what_to_write(directory: Opening) -> None:
    fake = FakeLdap(bind=Answer(8, "BindSimple: Transport encryption required."))
    with fake, pytest.raises(AuthRefused, match="no log-on without TLS") as refused:
        directory(url=fake.url).root()
    assert "start_tls" in (refused.value.remedy or "")


def test_kerberos_without_its_package_says_what_is_missing(directory: Opening) -> None:
    with pytest.raises(UsageError, match="Kerberos needs the Python package gssapi"):
        directory(None, auth=LdapAuth("kerberos")).root()


# -- paging ------------------------------------------------------------------------------------------------------------


def test_paging_reads_everybody_once(directory: Opening) -> None:
    for page in (7, 100, 500):
        found = everyone(directory(page=page))
        assert len({entry.text("uid") for entry in found}) == len(found) == MANY


def test_a_size_limit_in_a_later_page_is_an_error_and_not_the_end(directory: Opening) -> None:
    """The library's own paging ends there without a word: 120 people would have left."""
    capped = directory(slapd.CAPPED_PASSWORD, auth=LdapAuth(SIMPLE, slapd.CAPPED, PASSWORD), page=200)
    pages = capped.pages(EVERYBODY)
    with pytest.raises(AccessDenied, match=r"stopped .* at its size limit") as stopped:
        list(pages)
    assert stopped.value.code == "size-limit"
    assert "size.prtotal" in (stopped.value.remedy or "")


def test_an_answer_without_the_paging_control_is_an_error(directory: Opening) -> None:
    """A server or a proxy that ignores paging: whether that was everybody, nobody can tell."""
    fake = FakeLdap(entries=[("uid=a,dc=x", {"uid": [b"a"]})], paging=False)
    with fake, pytest.raises(ProtocolFault, match="without saying whether there is more"):
        everyone(directory(url=fake.url))


def test_a_cookie_that_dies_throws_the_partial_set_away(directory: Opening) -> None:
    """Load balancers send the second page to a server that never saw the first."""
    people = [(f"uid={n},dc=x", {"uid": [str(n).encode()]}) for n in range(30)]
    with FakeLdap(entries=people, dying=2) as fake, pytest.raises(Transient, match="thrown away"):
        everyone(directory(url=fake.url, page=10))


def test_an_empty_last_page_is_no_error(directory: Opening) -> None:
    """Samba's third page of 2,000 users has nobody in it."""
    people = [(f"uid={n},dc=x", {"uid": [str(n).encode()]}) for n in range(20)]
    with FakeLdap(entries=people, empty_last=True) as fake:
        assert len(everyone(directory(url=fake.url, page=10))) == 20


def test_continuation_references_are_left_out(directory: Opening) -> None:
    people = [("uid=a,dc=x", {"uid": [b"a"]})]
    with FakeLdap(entries=people, references=["ldap://127.0.0.1:9/dc=other"]) as fake:
        assert [entry.dn for entry in everyone(directory(url=fake.url))] == ["uid=a,dc=x"]


def test_two_searches_at_a_time_do_not_share_a_cookie(directory: Opening) -> None:
    """A cookie belongs to its connection: each search has one to itself."""
    shared = directory(page=100)
    one, other = shared.pages(EVERYBODY), shared.pages(EVERYBODY)
    found: list[list[Entry]] = [[], []]
    for pages in zip(one, other, strict=True):
        for kept, page in zip(found, pages, strict=True):
            kept += page
    assert [len(kept) for kept in found] == [MANY, MANY]


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_a_silent_server_is_given_up(directory: Opening) -> None:
    """The library would wait for ever."""
    with FakeLdap(silent=True) as fake, pytest.raises((Unreachable, Transient), match="silent") as given_up:
        directory(url=fake.url, timeout=timedelta(seconds=1)).root()
    assert given_up.value.code == "timeout"


def test_a_server_that_falls_silent_within_a_search_is_given_up(directory: Opening) -> None:
    people = [(f"uid={n},dc=x", {"uid": [str(n).encode()]}) for n in range(30)]
    with FakeLdap(entries=people, silent_from=2) as fake, pytest.raises(Transient, match="silent"):
        everyone(directory(url=fake.url, page=10, timeout=timedelta(seconds=1)))


def test_nobody_there_is_unreachable(directory: Opening) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="cannot be reached"):
            directory(url=f"ldap://127.0.0.1:{unused.getsockname()[1]}").root()


def test_a_connection_that_was_cut_meanwhile_is_told_as_passing(directory: Opening) -> None:
    with FakeLdap(entries=[("uid=a,dc=x", {"uid": [b"a"]})]) as fake:
        held = directory(url=fake.url)
        assert len(everyone(held)) == 1
        fake.hang_up()
        with pytest.raises(Transient):
            everyone(held)
        assert len(everyone(held)) == 1


# -- values ------------------------------------------------------------------------------------------------------------


def test_values_stay_bytes_whatever_the_schema_says(directory: Opening) -> None:
    """With the schema loaded the library gives a GUID now as text, now as bytes."""
    entry = everyone(directory())[0]
    assert all(isinstance(value, bytes) for values in entry.attributes.values() for value in values)
    assert set(entry.attributes) == {"uid", "entryuuid"}


AWKWARD = (
    "plain",
    "Lee, Ann",
    "#1",
    " lead",
    "trail ",
    "a+b=c",
    "back\\slash",
    'quo"te',
    "semi;colon <x>",
    "Jürgen Größe",
    "*)(uid=*",
    "two  blanks",
)


@pytest.mark.parametrize("name", AWKWARD)
def test_a_name_with_special_characters_goes_into_a_filter_and_back(
    name: str, server: Slapd, directory: Opening
) -> None:
    """Escaping of filters: the entry with that very name is found, and no other."""
    dn = f"cn={escape_rdn(name)},ou=elsewhere,{SUFFIX}"
    coded = b64encode(name.encode()).decode()
    server.add(
        f"dn:: {b64encode(dn.encode()).decode()}\nobjectClass: person\ncn:: {coded}\nsn: x\ndescription:: {coded}"
    )
    try:
        reader = directory()
        search = Search(f"ou=elsewhere,{SUFFIX}", "one", f"(cn={in_filter(name)})", ("cn",))
        found = reader.find(search)
        assert len(found) == 1
        read = reader.read(found[0].dn, ["cn"])
        assert read is not None
        assert read.text("cn") == found[0].text("cn")
    finally:
        server.delete(dn)


def test_a_dn_with_a_nul_is_refused_before_it_is_sent(directory: Opening) -> None:
    with pytest.raises(Invalid, match="NUL"):
        directory().read(f"cn=a\0,{SUFFIX}", ["cn"])


def test_a_missing_entry_is_none_and_a_missing_base_is_an_error(directory: Opening) -> None:
    reader = directory()
    assert reader.read(f"cn=nobody,{SUFFIX}", ["cn"]) is None
    with pytest.raises(ContainerGone, match="no entry for the base"):
        everyone(reader, replace(EVERYBODY, base=f"ou=nowhere,{SUFFIX}"))


def test_a_bad_filter_is_told(directory: Opening) -> None:
    with pytest.raises(ContainerGone, match="filter"):
        everyone(directory(), replace(EVERYBODY, filter="(uid=a"))


def test_a_value_list_that_the_server_cut_is_read_to_its_end(directory: Opening) -> None:
    """Active Directory gives 1,500 members at a time, Samba and OpenLDAP all of them."""
    members = [f"uid=u{n},{PEOPLE}".encode() for n in range(4_000)]
    with FakeLdap(entries=[("cn=all,dc=x", {"cn": [b"all"], "member": members})], ranged=1_500) as fake:
        (group,) = everyone(directory(url=fake.url), replace(EVERYBODY, attributes=("cn", "member")))
    assert group.attributes["member"] == members
    assert set(group.attributes) == {"cn", "member"}


def test_a_value_list_with_a_gap_is_an_error(directory: Opening) -> None:
    members = [f"uid=u{n},{PEOPLE}".encode() for n in range(4_000)]
    fake = FakeLdap(entries=[("cn=all,dc=x", {"member": members})], ranged=1_500, range_gap=True)
    with fake, pytest.raises(ProtocolFault, match="and not the rest"):
        everyone(directory(url=fake.url), replace(EVERYBODY, attributes=("member",)))


def test_people_are_read_as_they_are(server: Slapd, directory: Opening) -> None:
    server.add(person("ann", mail=["ann@test.internal", "a.lee@test.internal"]))
    try:
        entry = directory().read(slapd.uid("ann"), ["mail", "cn"])
        assert entry is not None
        assert entry.texts("MAIL") == ["ann@test.internal", "a.lee@test.internal"]
    finally:
        server.delete(slapd.uid("ann"))
