"""Text as XML can carry it."""

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from runner.connectors.exchange.text import canonical, carried, mended


def test_canonical_text_has_unix_newlines_no_trailing_space_and_is_never_empty() -> None:
    assert canonical("one\r\ntwo\rthree\n \t\r\n") == "one\ntwo\nthree"
    assert canonical("  indented") == "  indented"
    assert canonical(" \r\n ") is None
    assert canonical("") is None
    assert canonical(None) is None


def test_nul_controls_and_lone_surrogates_never_reach_the_wire() -> None:
    assert carried("a\x00b\x01c\x1f") == "abc"
    assert carried("soft\x0bbreak\x0cpage") == "soft\nbreak\npage"
    assert carried("lone \ud83d end") == "lone \ufffd end"
    assert carried("pair \ud83d\ude00") == "pair 😀"
    assert carried("Grüße, 日本語 😀\ttab\nline") == "Grüße, 日本語 😀\ttab\nline"


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=40))
def test_whatever_the_crm_holds_fits_into_xml_and_cleaning_twice_changes_nothing(text: str) -> None:
    element = etree.Element("x")
    element.text = carried(text)
    assert etree.fromstring(etree.tostring(element, encoding="utf-8")).text == (carried(text) or None)
    assert carried(carried(text)) == carried(text)


def test_forbidden_references_are_taken_out_of_answers_and_others_left() -> None:
    assert mended(b"<a>x&#x0;y&#xB;z&#11;&#x41;&#13;&#xD800;\x02</a>") == b"<a>xy\nz\n&#x41;&#13;\xef\xbf\xbd</a>"
