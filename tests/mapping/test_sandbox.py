"""What no expression can do (E4): leave the sandbox, run for ever, fill the memory. Each escape is tried at both walls:
the grammar refuses it when the mapping is compiled, and the environment would refuse it at run time."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from jinja2 import TemplateError
from jinja2.environment import TemplateExpression

from runner.mapping.environment import MappingEnvironment
from runner.mapping.filters import FILTERS, LONGEST
from runner.model.errors import Invalid
from tests.mapping.yamls import HEAD, attempt, entries

WALKS = [
    "crm.subject.__class__.__mro__[1].__subclasses__()",
    "crm.__class__",
    "crm['__class__']",
    "crm.subject['__class__']",
    "''.__class__.__base__",
    "().__class__.__bases__[0].__subclasses__()",
    "crm.subject.format(crm)",
    "'{0.__class__}'.format(crm)",
    "crm.categories.append('x')",
    "crm.get('subject')",
    "crm.subject.center(1000000000)",
    "self._TemplateReference__context",
    "lipsum.__globals__['os'].popen('id').read()",
    "cycler.__init__.__globals__",
    "range(99999999)",
    "dict(a=1)",
    "namespace()",
    "crm.subject | attr('__class__')",
    "crm.categories | map(attribute='__class__') | list",
    "crm.categories | map('upper') | join",
    "[1, 2] | sum(start=[])",
    "crm.subject | center(1000000000)",
    "crm.subject | format(1)",
    "'%s' % crm",
    "'%99999999s' % 'a'",
    "'a' * 1000000000",
    "[1] * 1000000000",
    "9 ** 9 ** 9",
    "{'a': 1}.items()",
]


def compiles(expression: str) -> bool:
    quoted = "'" + expression.replace("'", "''") + "'"
    return attempt(f"{HEAD}- {{record: title, direction: outbound, outbound: {quoted}}}\n")[0] is not None


@pytest.mark.parametrize("expression", WALKS)
def test_an_escape_is_refused_when_compiled_or_fails_when_run(expression: str) -> None:
    if not compiles(expression):
        return
    quoted = "'" + expression.replace("'", "''") + "'"
    mapping = entries(f"- {{record: title, direction: outbound, outbound: {quoted}}}\n")
    with pytest.raises(Invalid, match="the expression fails: TypeError"):
        mapping.outbound({"subject": "a", "categories": ("a",)})


@pytest.mark.parametrize("expression", WALKS)
def test_the_environment_alone_refuses_the_same(expression: str) -> None:
    """The second wall, without the grammar before it: nothing but errors comes out, and no object of Python's own."""
    crm = {"subject": "a", "categories": ("a",), "label": "l"}
    try:
        run: TemplateExpression = MappingEnvironment().compile_expression(expression, undefined_to_none=False)
        result: Any = run(crm=crm)
    except (TemplateError, TypeError, ValueError):
        return
    assert result is None  # a field that the record does not have


def test_only_the_operators_that_repeat_or_format_text_get_past_the_grammar() -> None:
    past = [expression for expression in WALKS if compiles(expression)]
    assert past == ["'%99999999s' % 'a'", "'a' * 1000000000", "[1] * 1000000000"]


@pytest.mark.parametrize(
    "expression",
    [
        "not " * 400 + "true",
        "-" * 1500 + "1",
        "(" * 900 + "1" + ")" * 900,
        "[" * 900 + "1" + "]" * 900,
        " + ".join(["1"] * 400),
        " or ".join(["crm.label"] * 150),
        "1 if " * 300 + "1" + " else 1" * 300,
        "crm.label" + " | upper" * 200,
        "x" * 2001,
    ],
    ids=["not", "minus", "brackets", "lists", "plus", "or", "if", "filters", "long"],
)
def test_deep_or_long_expressions_are_findings_not_crashes(expression: str) -> None:
    mapping, found = attempt(f'{HEAD}- {{record: title, direction: outbound, outbound: "{expression}"}}\n')
    assert mapping is None
    assert [diagnostic.code for diagnostic in found] == ["bad-expression"]


@pytest.mark.parametrize(
    "expression",
    [
        " ~ ".join(["crm.label"] * 150),
        "crm.label | replace('a', crm.label)",
        "crm.label | replace('a', crm.label) | replace('a', crm.label) | replace('a', crm.label)",
        "[" + ", ".join(["crm.label"] * 150) + "] | join_nonempty",
        "['a', 'b', 'c', 'd'] | join_nonempty(crm.label)",
        "crm.label + crm.label + crm.label",
    ],
)
def test_text_cannot_grow_without_bound(expression: str) -> None:
    mapping = entries(f'- {{record: title, direction: outbound, outbound: "{expression}"}}')
    label = "a" * (LONGEST // 2)
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match=f"longer than {LONGEST} characters"):
            mapping.outbound({"label": label})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * LONGEST


def test_a_result_is_bounded_however_it_came_about() -> None:
    mapping = entries("- {record: title, direction: outbound, outbound: crm.label | upper}")
    assert mapping.outbound({"label": "a" * LONGEST})["title"] == "A" * LONGEST
    with pytest.raises(Invalid, match="the result is longer than"):
        mapping.outbound({"label": "a" * (LONGEST + 1)})


def test_numbers_cannot_grow_without_bound() -> None:
    product = " * ".join(["crm.case_no"] * 20)
    mapping = entries(f"- {{record: priority, direction: outbound, outbound: {product}}}")
    assert mapping.outbound({"case_no": 2})["priority"] == 2**20
    with pytest.raises(Invalid, match="the number is too large"):
        mapping.outbound({"case_no": 2**40})


def test_an_expression_cannot_change_the_record_it_reads() -> None:
    crm = {"subject": "a", "categories": ("x",)}
    mapping = entries("- {record: keywords, direction: outbound, outbound: crm.categories}")
    mapping.outbound(crm)
    assert crm == {"subject": "a", "categories": ("x",)}


def test_the_environment_offers_nothing_but_the_allow_list() -> None:
    environment = MappingEnvironment()
    assert environment.globals == {}
    assert set(environment.filters) == {*FILTERS, "~"}
    assert not environment.is_safe_callable(str)


def test_no_expression_can_name_the_filter_behind_concatenation() -> None:
    assert not compiles("crm.label | ~")
