"""What an expression may say: parsed once, walked once, and every mistake found at its line and column.

An allow-list of node types: no calls, no assignments, no attributes but fields of the record in scope, no power. So an
expression always ends, in time and space proportional to its length and its input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.visitor import NodeTransformer

from runner.mapping.environment import CONCAT, TESTS, MappingEnvironment
from runner.mapping.filters import FILTERS, NEVER_EMPTY
from runner.mapping.findings import Findings, suggest
from runner.mapping.source import Path
from runner.mapping.words import Words
from runner.model.diagnostics import Span

ENVIRONMENT = MappingEnvironment()
"""The one environment of all mappings; it holds no state of any."""

LONGEST_SOURCE = 2_000
"""Characters of one expression."""
DEEPEST = 24
"""Brackets, or operators, within each other."""

_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_ALLOWED = (
    nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter,
    nodes.Test, nodes.CondExpr, nodes.Concat, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg,
    nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Keyword,
)  # fmt: skip
_REFUSED: Mapping[type[nodes.Node], tuple[str, str, str | None]] = {
    nodes.Call: ("(", "expressions cannot call anything", "use a filter, such as crm.subject | upper"),
    nodes.Pow: ("**", "'**' is not allowed", "multiply instead"),
    nodes.Dict: ("{", "an expression gives one value, not a mapping", None),
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """An expression that may run: its tree, and the fields of the scope that it reads."""

    tree: nodes.Expr
    reads: frozenset[str]


@dataclass(slots=True)
class _Check:
    """One expression under check. ``fields``: each field of ``scope`` → whether it may be empty."""

    words: Words
    scope: str
    fields: Mapping[str, bool]
    path: Path
    findings: Findings
    reads: set[str] = field(default_factory=set)

    def error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.findings.error(code, message, self.path, span=span, hint=hint)

    def bad(self, message: str, span: Span, hint: str | None = None) -> None:
        self.error("bad-expression", message, span, hint)

    def node(self, node: nodes.Node) -> None:
        """Check one node; children are checked on their own."""
        if not isinstance(node, _ALLOWED):
            word, message, hint = _REFUSED.get(type(node), ("", f"{type(node).__name__} is not allowed here", None))
            self.bad(message, self.words.find(word, node.lineno), hint)
        for kind, check in _CHECKS:
            if isinstance(node, kind):
                check(self, node)

    def name(self, node: nodes.Name) -> None:
        if node.name != self.scope:
            hint = suggest(node.name, [self.scope], listing="in scope")
            self.error("unknown-name", f"unknown name {node.name!r}", self.words.find(node.name, node.lineno), hint)

    def attribute(self, node: nodes.Getattr) -> None:
        self.field_of(node.node, node.attr, node.lineno, ".")

    def entry(self, node: nodes.Getitem) -> None:
        key = node.arg
        if isinstance(key, nodes.Const) and isinstance(key.value, str):
            self.field_of(node.node, key.value, node.lineno, "[")
        elif _is_scope(node.node):
            self.bad("a field must be named, not computed", self.words.find("[", node.lineno))

    def field_of(self, owner: nodes.Node, name: str, line: int, after: str) -> None:
        span = self.words.find(name, line, after=[after])
        if not _is_scope(owner):
            self.bad(f"only {self.scope} has fields; {name!r} is asked of something else", span, "use a filter")
        elif isinstance(owner, nodes.Name) and owner.name == self.scope:
            self.reads.add(name)
            if name not in self.fields:
                self.error("unknown-field", f"{self.scope} has no field {name!r}", span, suggest(name, self.fields))

    def filter(self, node: nodes.Filter) -> None:
        if node.name not in FILTERS:
            span = self.words.find(node.name, node.lineno, after=["|"])
            self.bad(f"no filter is named {node.name!r}", span, suggest(node.name, FILTERS, listing="filters"))
        elif node.dyn_args is not None or node.dyn_kwargs is not None:
            self.bad("arguments cannot be unpacked", self.words.find("*", node.lineno))

    def test(self, node: nodes.Test) -> None:
        if node.name not in TESTS:
            span = self.words.find(node.name, node.lineno, after=["is", "not"])
            self.bad(f"no test is named {node.name!r}", span, suggest(node.name, TESTS, listing="tests"))

    def condition(self, node: nodes.CondExpr) -> None:
        if node.expr2 is None:
            self.bad("'if' without 'else'", self.words.find("if", node.lineno), "write … if … else none")

    def concat(self, tree: nodes.Expr) -> None:
        """Warn of fields that may be empty within ``~``."""
        for found in _loose(tree, self.may_be_empty, frozenset()):
            self.findings.warning(
                "nullable-text",
                f"{self.scope}.{found.attr} may be empty, and '~' would leave only the text around it",
                self.path, span=self.words.find(found.attr, found.lineno, after=["."]),
                hint=f"use [{self.scope}.{found.attr}, …] | join_nonempty, or {self.scope}.{found.attr} | default('…')",
            )  # fmt: skip

    def may_be_empty(self, node: nodes.Getattr) -> bool:
        return _is_scope(node.node) and self.fields.get(node.attr, False)


_CHECKS: tuple[tuple[type[nodes.Node], Callable[..., None]], ...] = (
    (nodes.Name, _Check.name),
    (nodes.Getattr, _Check.attribute),
    (nodes.Getitem, _Check.entry),
    (nodes.Filter, _Check.filter),
    (nodes.Test, _Check.test),
    (nodes.CondExpr, _Check.condition),
)


def parse(source: str, scope: str, fields: Mapping[str, bool], path: Path, findings: Findings) -> Parsed | None:
    """Parse and check one expression. ``fields`` says of each field of ``scope`` whether it may be empty.

    Notes every finding with its exact place; None when one of them is an error.
    """
    before = findings.errors
    words = Words(ENVIRONMENT.lexer, source, findings.source.span(path), findings.source.text)
    check = _Check(words, scope, fields, path, findings)
    tree = _tree(words, check.bad)
    if tree is None:
        return None
    for node in _walk(tree):
        check.node(node)
    if findings.errors > before:
        return None
    check.concat(tree)
    bounded = _BoundedConcat().visit(tree)
    bounded.set_environment(ENVIRONMENT)
    return Parsed(bounded, frozenset(check.reads))


def _tree(words: Words, bad: Callable[..., None]) -> nodes.Expr | None:
    source = words.source
    if len(source) > LONGEST_SOURCE:
        bad(f"the expression has {len(source)} characters; {LONGEST_SOURCE} are allowed", words.whole)
    elif not source.strip():
        bad("the expression is empty", words.whole)
    elif "{{" in source or "{%" in source or "{#" in source:
        bad("this is a template, not an expression", words.whole, "write a bare expression, without '{{ }}' or '{% %}'")
    else:
        return _parsed(words, bad)
    return None


def _parsed(words: Words, bad: Callable[..., None]) -> nodes.Expr | None:
    try:
        depth = _nesting(words)
    except TemplateSyntaxError as error:
        message, _, at = (error.message or "").rpartition(" at ")
        start = int(at) if at.isdecimal() else 0
        bad(message if at.isdecimal() else str(error.message), words.span(start, start + 1))
        return None
    if depth > DEEPEST:
        bad(f"brackets are nested {depth} deep; {DEEPEST} are allowed", words.whole)
        return None
    parser = Parser(ENVIRONMENT, words.source, state="variable")
    try:
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateSyntaxError("something follows the expression's end", parser.stream.current.lineno)
    except TemplateSyntaxError as error:
        bad((error.message or "cannot be read").rstrip("."), words.from_end(_remaining(parser)))
        return None
    except RecursionError:
        bad("the expression is nested too deeply", words.whole)
        return None
    if _depth(tree) > DEEPEST:
        bad(f"operators are nested deeper than {DEEPEST}", words.whole)
        return None
    return tree


def _nesting(words: Words) -> int:
    deepest = depth = 0
    for word in words.tokens:
        depth += _BRACKETS.get(word.text, 0)
        deepest = max(deepest, depth)
    return deepest


def _remaining(parser: Parser) -> int:
    rest = 0
    while not parser.stream.eos:
        rest += 1
        next(parser.stream)
    return rest


def _depth(tree: nodes.Node) -> int:
    depth, level = 0, [tree]
    while level and depth <= DEEPEST:
        depth += 1
        level = list(chain.from_iterable(node.iter_child_nodes() for node in level))
    return depth


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)


def _is_scope(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name)


def _loose(node: nodes.Node, empty: Callable[[nodes.Getattr], bool], known: frozenset[str]) -> Iterator[nodes.Getattr]:
    """Fields that may be empty, directly within a ``~``; ``known`` are those that a condition has found filled."""
    if isinstance(node, nodes.CondExpr):
        yield from _loose(node.test, empty, known)
        yield from _loose(node.expr1, empty, known | _filled(node.test))
        if node.expr2 is not None:
            yield from _loose(node.expr2, empty, known)
        return
    if isinstance(node, nodes.Concat):
        for part in node.nodes:
            yield from (found for found in _bare(part, known) if empty(found))
    for child in node.iter_child_nodes():
        yield from _loose(child, empty, known)


def _bare(node: nodes.Node, known: frozenset[str]) -> Iterator[nodes.Getattr]:
    """The fields whose emptiness would become the emptiness of this node."""
    if isinstance(node, nodes.Getattr) and node.attr not in known:
        yield node
    elif isinstance(node, nodes.Filter) and node.name not in NEVER_EMPTY and node.node is not None:
        yield from _bare(node.node, known)
    elif isinstance(node, nodes.Or):
        yield from _bare(node.right, known)
    elif isinstance(node, nodes.CondExpr):
        yield from _bare(node.expr1, known | _filled(node.test))
        if node.expr2 is not None:
            yield from _bare(node.expr2, known)


def _filled(test: nodes.Node) -> frozenset[str]:
    """The fields that are not empty where a condition holds."""
    if isinstance(test, nodes.Getattr):
        return frozenset({test.attr})
    if isinstance(test, nodes.And):
        return _filled(test.left) | _filled(test.right)
    if isinstance(test, nodes.Not) and isinstance(test.node, nodes.Test) and test.node.name == "none":
        return _filled(test.node.node)
    return frozenset()


class _BoundedConcat(NodeTransformer):
    """Lets ``~`` run as a filter that is bounded and takes empty fields for empty text."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        """Jinja2 names visitors after node classes."""
        parts = nodes.List([self.visit(part) for part in node.nodes], lineno=node.lineno)
        return nodes.Filter(parts, CONCAT, [], [], None, None, lineno=node.lineno)
