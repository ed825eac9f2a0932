"""Stamps, UIDs and the restriction that finds them."""

from base64 import b64decode

from runner.connectors.exchange.identity import PROPERTY_SET, UID, holders, object_id_of, restriction
from runner.connectors.exchange.names import t
from runner.model.items import Identity

OUTLOOK = (
    "040000008200E00074C5B7101A82E00800000000F0B9F727763DD601000000000000000010000000FD67034ABD1DF54FB31D68570FC7EDEB"
)


def test_a_foreign_uid_is_wrapped_as_vcal_uid() -> None:
    # The published vector of exchangelib's issue 453, [MS-OXCICAL] 2.1.3.1.1.20.26.
    assert object_id_of("261cbc18-1f65-5a0a-bd11-23b1e224cc2f") == (
        "BAAAAIIA4AB0xbcQGoLgCAAAAAAAAAAAAAAAAAAAAAAAAAAAMQAAAHZDYWwtVWlkAQAAADI2MWNiYzE4LTFmNjUtNWEwYS1iZDExLTIzYjFlMjI0"
        "Y2MyZgA="
    )


def test_a_uid_of_exchanges_own_is_the_object_id_itself() -> None:
    assert b64decode(object_id_of(OUTLOOK)) == bytes.fromhex(OUTLOOK)
    assert object_id_of(OUTLOOK.lower()) == object_id_of(OUTLOOK)


def test_the_instance_date_of_an_exception_is_cleaned_away() -> None:
    instance = OUTLOOK[:32] + "07EA0601" + OUTLOOK[40:]
    assert object_id_of(instance) == object_id_of(OUTLOOK)


def test_uids_that_only_look_hexadecimal_or_are_not_ascii_are_wrapped() -> None:
    assert b"abcdef\0" in b64decode(object_id_of("abcdef"))
    assert "größe".encode() in b64decode(object_id_of("größe"))


def test_one_restriction_asks_for_many_identities_each_once() -> None:
    same = Identity(stamp="s1", native="u1")
    element = restriction([same, same, Identity(stamp="s2")], UID)
    constants = [constant.get("Value") for constant in element.iter(t("Constant"))]
    assert constants == ["s1", object_id_of("u1"), object_id_of("u1"), "s2"]
    assert element[0].tag == t("Or")
    assert {uri.get("PropertySetId") for uri in element.iter(t("ExtendedFieldURI"))} == {PROPERTY_SET, None}


def test_a_lone_comparison_stands_without_or() -> None:
    assert restriction([Identity(stamp="s1")], UID)[0].tag == t("IsEqualTo")


def test_an_item_holds_each_identity_that_its_stamp_or_uid_matches() -> None:
    stamped, native, both = Identity(stamp="s"), Identity(native="u"), Identity(stamp="x", native="u")
    assert holders([stamped, native, both], UID, "s", [object_id_of("u")]) == [stamped, native, both]
    assert holders([stamped, native, both], UID, "s", []) == [stamped]
    assert holders([stamped, native, both], UID, None, []) == []
