from __future__ import annotations

import pytest

from runner.config.scalars import NumberTooLarge, core_value


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "on",
        "off",
        "yes",
        "y",
        "012345",
        "12:30:45",
        "1_000",
        "2026-03-29",
        "0b1",
        "+",
        "-",
        ".",
        "e1",
        "1e",
        "0x",
    ],
)
def test_what_yaml_1_1_would_twist_stays_text(text: str) -> None:
    assert core_value(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-7", -7),
        ("0o17", 15),
        ("0xff", 255),
        ("1.5", 1.5),
        ("-.5e3", -500.0),
        ("2e3", 2000.0),
    ],
)
def test_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    found = core_value(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9" * 5000, "0x" + "f" * 400])
def test_numbers_that_no_column_holds_are_refused(text: str) -> None:
    with pytest.raises(NumberTooLarge):
        core_value(text)
