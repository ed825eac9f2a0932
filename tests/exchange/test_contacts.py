"""Contacts through the connector and the simulated Exchange, every request validated against Microsoft's schema (B-52)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from lxml import etree

from runner.connectors.exchange import ExchangeConnector, connect
from runner.model.errors import OTHER_CLASS, Invalid
from runner.model.items import Item, Write, WriteResult
from runner.model.record import CONTACT, Value
from runner.model.terms import Operation
from runner.sandbox.exchange import Sandbox
from runner.sandbox.outlook import OutlookUser
from runner.testing.samples import CONTACT_SAMPLE
from tests.exchange.canned import CONTACTS, link_to, plan_for
from tests.support.xsd import request_validator

ANN = "ann.lee@example.com"
LINK = link_to(ANN, **CONTACTS)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(validator=request_validator(), keep_bodies=True) as server:
        server.add_mailbox(ANN)
        yield server
    assert server.schema_violations == []
    assert server.mails_sent == []


@pytest.fixture
def ann(sandbox: Sandbox) -> OutlookUser:
    return sandbox.mailbox(ANN)


@pytest.fixture
def exchange(sandbox: Sandbox) -> Iterator[ExchangeConnector]:
    with closing(connect(plan_for(sandbox.url, username=sandbox.username), sandbox.password)) as connector:
        yield connector


def create(exchange: ExchangeConnector, values: dict[str, Value]) -> WriteResult:
    (result,) = exchange.write(LINK, [Write(Operation.CREATE, None, None, values, frozenset(values), stamp="9:stamp")])
    assert result.error is None, result.error
    return result


def update(exchange: ExchangeConnector, key: str, values: dict[str, Value], *fields: str) -> None:
    write = Write(Operation.UPDATE, key, read(exchange, key).version, values, frozenset(fields))
    (result,) = exchange.write(LINK, [write])
    assert result.error is None, result.error


def read(exchange: ExchangeConnector, key: str | None) -> Item:
    item = exchange.get(LINK, [key or ""])[key or ""]
    assert isinstance(item, Item), item
    return item


def test_every_field_goes_there_and_back(exchange: ExchangeConnector) -> None:
    """B-52; the sample has every field that the record has."""
    made = create(exchange, dict(CONTACT_SAMPLE))
    assert read(exchange, made.key).values == dict(CONTACT_SAMPLE)
    assert CONTACT.keys() == CONTACT_SAMPLE.keys()


@pytest.mark.parametrize("field", sorted(CONTACT.keys() - {"privacy", "keywords"}))
def test_each_field_is_written_and_cleared_alone(exchange: ExchangeConnector, field: str) -> None:
    """Per label SetItemField and DeleteItemField: every other field stays."""
    made = create(exchange, dict(CONTACT_SAMPLE))
    others = {name: value for name, value in CONTACT_SAMPLE.items() if name != field}
    for value in ("Changed", None, "Again"):
        update(exchange, made.key or "", {**CONTACT_SAMPLE, field: value}, field)
        found = read(exchange, made.key).values
        assert {name: held for name, held in found.items() if name != field} == others
        if field != "full_name" or value is not None:
            assert found[field] == value


def test_labels_that_the_user_added_stay_his(exchange: ExchangeConnector, ann: OutlookUser, sandbox: Sandbox) -> None:
    """B-51: the whole list is never written. exchangelib's own update would delete the user's car telephone."""
    made = create(exchange, dict(CONTACT_SAMPLE))
    key = made.key or ""
    ann.set_entry(key, "PhoneNumbers", "CarPhone", "+43 1 99")
    ann.set_entry(key, "PhysicalAddresses", "Other", "Linz", part="City")
    ann.edit(key, SpouseName="Max")
    update(exchange, key, {**CONTACT_SAMPLE, "phone_home": None, "home_city": "Villach"}, "phone_home", "home_city")
    view = ann.item(key)
    phones, places = view.props["PhoneNumbers"], view.props["PhysicalAddresses"]
    assert isinstance(phones, dict)
    assert isinstance(places, dict)
    assert phones["CarPhone"] == {"": "+43 1 99"}
    assert "HomePhone" not in phones
    assert places["Other"] == {"City": "Linz"}
    assert places["Home"]["City"] == "Villach"
    assert places["Home"]["Street"] == "Gasse 3"
    assert view.text("SpouseName") == "Max"
    (request,) = [body for name, body in _bodies(sandbox) if name == "UpdateItem"]
    paths = [element.attrib for element in request.iter("{*}IndexedFieldURI")]
    assert [(path["FieldURI"], path["FieldIndex"]) for path in paths] == [
        ("contacts:PhysicalAddress:City", "Home"),
        ("contacts:PhoneNumber", "HomePhone"),
    ]


def test_a_contact_without_a_displayed_name_gets_one(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    """Without one Outlook lists a blank line; and Exchange files it by last name, as users expect."""
    made = create(exchange, {"given_name": "Eva", "surname": "Novak", "company": "Acme"})
    view = ann.item(made.key or "")
    assert (view.text("DisplayName"), view.text("FileAs")) == ("Eva Novak", "Novak, Eva")
    update(exchange, made.key or "", {"given_name": "Eva", "surname": "Moser", "company": "Acme"}, "surname")
    view = ann.item(made.key or "")
    assert (view.text("DisplayName"), view.text("FileAs")) == ("Eva Moser", "Moser, Eva")
    nameless = ann.item(create(exchange, {"company": "Acme", "email_1": "office@example.com"}).key or "")
    assert (nameless.text("DisplayName"), nameless.text("FileAs")) == ("Acme", "Acme")


def test_a_distribution_list_is_nobodys_business(exchange: ExchangeConnector, ann: OutlookUser) -> None:
    """B-52: only persons; what else lies in the folder takes no part, and is no failure either."""
    key = ann.create("contacts", element="Message", Subject="The team")
    answer = exchange.get(LINK, [key])[key]
    assert isinstance(answer, Invalid)
    assert answer.code == OTHER_CLASS


def test_text_that_xml_cannot_carry_is_cleaned(exchange: ExchangeConnector) -> None:
    made = create(
        exchange, {"surname": "a\x00b\ud800c", "notes": "x\x0by", "phone_home": "1\x07", "home_street": "a\rb"}
    )
    values = read(exchange, made.key).values
    cleaned = [values[name] for name in ("surname", "notes", "phone_home", "home_street")]
    assert cleaned == ["ab\ufffdc", "x\ny", "1", "a\nb"]


def _bodies(sandbox: Sandbox) -> list[tuple[str, etree._Element]]:
    return [(seen.operation, etree.fromstring(seen.body)) for seen in sandbox.requests if seen.body]
