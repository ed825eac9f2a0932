"""Contacts, held to the pages of the EWS reference (B-52)."""

from __future__ import annotations

from collections.abc import Callable

import exchangelib
import pytest
from exchangelib import Contact
from exchangelib.indexed_properties import EmailAddress, PhoneNumber, PhysicalAddress

from runner.sandbox.exchange import Sandbox
from tests.sandbox.raw import Answer, ask, equals, find, get_item, sync
from tests.sandbox.stock import ANN

CONTACTS = '<t:DistinguishedFolderId Id="contacts"/>'
ALL = "<t:BaseShape>AllProperties</t:BaseShape>"
PREFIX = '<t:ExtendedFieldURI PropertyTag="0x3a45" PropertyType="String"/>'
WHOLE = (
    f"<t:ExtendedProperty>{PREFIX}<t:Value>Dr.</t:Value></t:ExtendedProperty>"
    "<t:DisplayName>Eva Novak</t:DisplayName><t:GivenName>Eva</t:GivenName><t:Initials>E.N.</t:Initials>"
    "<t:MiddleName>M</t:MiddleName><t:CompanyName>Acme</t:CompanyName>"
    '<t:EmailAddresses><t:Entry Key="EmailAddress1">eva@example.com</t:Entry>'
    '<t:Entry Key="EmailAddress2">e@example.org</t:Entry></t:EmailAddresses>'
    '<t:PhysicalAddresses><t:Entry Key="Business"><t:Street>Ring 1</t:Street><t:City>Wien</t:City></t:Entry>'
    '<t:Entry Key="Home"><t:City>Graz</t:City></t:Entry></t:PhysicalAddresses>'
    '<t:PhoneNumbers><t:Entry Key="MobilePhone">1</t:Entry><t:Entry Key="HomePhone">2</t:Entry></t:PhoneNumbers>'
    "<t:Generation>Jr.</t:Generation><t:JobTitle>Chief</t:JobTitle><t:Surname>Novak</t:Surname>"
)


def create(properties: str) -> str:
    return f"<m:CreateItem><m:Items><t:Contact>{properties}</t:Contact></m:Items></m:CreateItem>"


def change(item: str, key: str, updates: str, mode: str = "NeverOverwrite") -> str:
    return (
        f'<m:UpdateItem ConflictResolution="{mode}"><m:ItemChanges><t:ItemChange><t:ItemId Id="{item}" ChangeKey="{key}"/>'
        f"<t:Updates>{updates}</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )


def path(uri: str, index: str) -> str:
    return f'<t:IndexedFieldURI FieldURI="contacts:{uri}" FieldIndex="{index}"/>'


def set_phone(label: str, number: str) -> str:
    entry = f'<t:PhoneNumbers><t:Entry Key="{label}">{number}</t:Entry></t:PhoneNumbers>'
    return f"<t:SetItemField>{path('PhoneNumber', label)}<t:Contact>{entry}</t:Contact></t:SetItemField>"


def set_part(place: str, part: str, text: str) -> str:
    entry = f'<t:PhysicalAddresses><t:Entry Key="{place}"><t:{part}>{text}</t:{part}></t:Entry></t:PhysicalAddresses>'
    where = path(f"PhysicalAddress:{part}", place)
    return f"<t:SetItemField>{where}<t:Contact>{entry}</t:Contact></t:SetItemField>"


def made(sandbox: Sandbox, properties: str = WHOLE) -> tuple[str, str]:
    answer = ask(sandbox, create(properties))
    assert answer.codes == ["NoError"]
    [found] = answer.all("//t:ItemId")
    return found.get("Id"), found.get("ChangeKey")


def read(sandbox: Sandbox, item: str) -> Answer:
    return ask(sandbox, get_item(item, shape=ALL))


def phones(answer: Answer) -> dict[str, str | None]:
    return {entry.get("Key"): entry.text for entry in answer.all("//t:PhoneNumbers/t:Entry")}


# --- forms


def test_the_default_shape_of_a_contact(sandbox: Sandbox) -> None:
    """Pages GetItem operation (contact) and CompleteName: the complete name is part of the default shape."""
    item, _ = made(sandbox)
    answer = ask(sandbox, get_item(item, shape="<t:BaseShape>Default</t:BaseShape>"))
    assert answer.children("//t:Contact") == [
        "ItemId",
        "DisplayName",
        "CompleteName",
        "CompanyName",
        "EmailAddresses",
        "PhysicalAddresses",
        "PhoneNumbers",
        "JobTitle",
    ]


def test_the_complete_name_is_put_together_and_read_only(sandbox: Sandbox) -> None:
    """MS-OXWSCONT CompleteNameType: title, GivenName, MiddleName, Surname, Generation, Initials, DisplayName."""
    item, key = made(sandbox)
    answer = read(sandbox, item)
    assert [(element.tag.rpartition("}")[2], element.text) for element in answer.all("//t:CompleteName/*")] == [
        ("Title", "Dr."),
        ("FirstName", "Eva"),
        ("MiddleName", "M"),
        ("LastName", "Novak"),
        ("Suffix", "Jr."),
        ("Initials", "E.N."),
        ("FullName", "Eva Novak"),
    ]
    update = (
        '<t:SetItemField><t:FieldURI FieldURI="contacts:CompleteName"/><t:Contact><t:CompleteName><t:Title>Mag.</t:Title>'
        "</t:CompleteName></t:Contact></t:SetItemField>"
    )
    assert ask(sandbox, change(item, key, update)).codes == ["ErrorInvalidPropertySet"]


def test_contacts_are_synchronised_and_found_by_properties_and_entries(sandbox: Sandbox) -> None:
    item, _ = made(sandbox)
    other, _ = made(sandbox, "<t:Surname>Ray</t:Surname>")
    changes = ask(sandbox, sync(folder=CONTACTS))
    assert {element.get("Id") for element in changes.all("//t:Create/t:Contact/t:ItemId")} == {item, other}
    for expression in (
        equals(PREFIX, "Dr."),
        equals('<t:FieldURI FieldURI="contacts:Surname"/>', "Novak"),
        equals(path("EmailAddress", "EmailAddress2"), "e@example.org"),
    ):
        found = ask(sandbox, find(expression, folder=CONTACTS))
        assert [element.get("Id") for element in found.all("//t:Contact/t:ItemId")] == [item]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("LastCommaFirst", "Novak, Eva M"),
        ("FirstSpaceLast", "Eva M Novak Jr."),
        ("Company", "Acme"),
        ("LastName", "Novak"),
        ("LastCommaFirstCompany", "Novak, Eva M\r\nAcme"),
        ("None", None),
    ],
)
def test_a_contact_is_filed_as_its_mapping_says(sandbox: Sandbox, mapping: str, expected: str | None) -> None:
    """Page FileAsMapping."""
    before, after = WHOLE.split("<t:DisplayName>", 1)
    item, _ = made(sandbox, f"{before}<t:FileAsMapping>{mapping}</t:FileAsMapping><t:DisplayName>{after}")
    assert read(sandbox, item).text("//t:FileAs") == expected


def test_a_mapping_that_is_none_of_the_pages_is_refused(make: Callable[..., Sandbox]) -> None:
    sandbox = make(validator=None)
    assert ask(sandbox, create("<t:FileAsMapping>Nickname</t:FileAsMapping>")).status == 500


# --- entries, one by one (page IndexedFieldURI)


def test_setting_one_number_leaves_the_others(sandbox: Sandbox) -> None:
    item, key = made(sandbox)
    assert ask(sandbox, change(item, key, set_phone("MobilePhone", "9"))).codes == ["NoError"]
    assert phones(read(sandbox, item)) == {"MobilePhone": "9", "HomePhone": "2"}


def test_deleting_one_number_leaves_the_others(sandbox: Sandbox) -> None:
    item, key = made(sandbox)
    update = f"<t:DeleteItemField>{path('PhoneNumber', 'HomePhone')}</t:DeleteItemField>"
    assert ask(sandbox, change(item, key, update)).codes == ["NoError"]
    assert phones(read(sandbox, item)) == {"MobilePhone": "1"}


def test_parts_of_an_address_are_set_and_deleted_one_by_one(sandbox: Sandbox) -> None:
    item, key = made(sandbox)
    updates = set_part("Business", "City", "Linz") + (
        f"<t:DeleteItemField>{path('PhysicalAddress:City', 'Home')}</t:DeleteItemField>"
    )
    assert ask(sandbox, change(item, key, updates)).codes == ["NoError"]
    answer = read(sandbox, item)
    assert [entry.get("Key") for entry in answer.all("//t:PhysicalAddresses/t:Entry")] == ["Business"]
    assert answer.children("//t:PhysicalAddresses/t:Entry") == ["Street", "City"]
    assert answer.text("//t:PhysicalAddresses/t:Entry/t:City") == "Linz"


def test_an_update_that_names_two_entries_at_once_is_refused(sandbox: Sandbox) -> None:
    item, key = made(sandbox)
    two = set_phone("MobilePhone", "9").replace(
        "</t:PhoneNumbers>", '<t:Entry Key="HomePhone">8</t:Entry></t:PhoneNumbers>'
    )
    assert ask(sandbox, change(item, key, two)).codes == ["ErrorIncorrectUpdatePropertyCount"]
    assert phones(read(sandbox, item)) == {"MobilePhone": "1", "HomePhone": "2"}


def test_another_entry_of_the_same_contact_is_no_conflict_but_the_same_one_is(sandbox: Sandbox) -> None:
    """Page UpdateItem operation: AutoResolve."""
    item, key = made(sandbox)
    sandbox.mailbox(ANN).set_entry(item, "PhoneNumbers", "HomePhone", "22")
    assert ask(sandbox, change(item, key, set_phone("MobilePhone", "9"))).codes == ["ErrorIrresolvableConflict"]
    assert ask(sandbox, change(item, key, set_phone("MobilePhone", "9"), "AutoResolve")).codes == ["NoError"]
    assert ask(sandbox, change(item, key, set_phone("HomePhone", "9"), "AutoResolve")).codes == [
        "ErrorIrresolvableConflict"
    ]
    assert phones(read(sandbox, item)) == {"MobilePhone": "9", "HomePhone": "22"}


# --- as stock exchangelib and a user in Outlook see them


def test_exchangelib_reads_what_a_user_makes(account: exchangelib.Account, sandbox: Sandbox) -> None:
    user = sandbox.mailbox(ANN)
    item = user.create(
        "contacts",
        GivenName="Eva",
        Surname="Novak",
        DisplayName="Eva Novak",
        Body="Met in Graz",
        Categories=["Sales"],
        EmailAddresses={"EmailAddress1": {"": "eva@example.com"}},
    )
    user.set_entry(item, "PhoneNumbers", "BusinessFax", "7")
    user.set_entry(item, "PhysicalAddresses", "Home", "Wien", part="City")
    user.set_entry(item, "PhysicalAddresses", "Home", "Ring 1", part="Street")
    read_back = account.contacts.get(id=item)
    assert (read_back.complete_name.full_name, read_back.body) == ("Eva Novak", "Met in Graz")
    assert read_back.email_addresses == [EmailAddress(email="eva@example.com", label="EmailAddress1")]
    assert [(number.label, number.phone_number) for number in read_back.phone_numbers if number.phone_number] == [
        ("BusinessFax", "7")
    ]
    assert [(a.label, a.street, a.city) for a in read_back.physical_addresses] == [("Home", "Ring 1", "Wien")]
    user.set_entry(item, "PhoneNumbers", "BusinessFax", None)
    assert phones(read(sandbox, item)) == {}


def test_exchangelib_writes_every_kind_of_entry(account: exchangelib.Account) -> None:
    sent = Contact(
        account=account,
        folder=account.contacts,
        display_name="Eva Novak",
        file_as_mapping="LastCommaFirst",
        given_name="Eva",
        surname="Novak",
        generation="Jr.",
        department="Sales",
        email_addresses=[EmailAddress(email=f"{n}@example.com", label=f"EmailAddress{n}") for n in (1, 2, 3)],
        phone_numbers=[PhoneNumber(label=label, phone_number="1") for label in ("BusinessPhone", "HomeFax")],
        physical_addresses=[
            PhysicalAddress(label=label, street="a", city="b", state="c", country="d", zipcode="e")
            for label in ("Business", "Home", "Other")
        ],
    ).save()
    back = account.contacts.get(id=sent.id)
    assert (back.file_as, back.generation, back.department) == ("Novak, Eva", "Jr.", "Sales")
    assert {address.label for address in back.email_addresses} == {"EmailAddress1", "EmailAddress2", "EmailAddress3"}
    assert {a.label for a in back.physical_addresses} == {"Business", "Home", "Other"}
