"""What an expression may say: parsed once, walked once, and every mistake found at its line and column.

An allow-list of node types: no calls, no assignments, no attributes but fields of the record in scope, no power. So an
expression always ends, in time and space proportional to its length and its input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeGuard

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.visitor import NodeTransformer

from runner.mapping.emptiness import loose, named
from runner.mapping.environment import CONCAT, TESTS, MappingEnvironment
from runner.mapping.filters import FILTERS
from runner.mapping.findings import Findings, suggest
from runner.mapping.source import Path
from runner.mapping.words import Word, Words
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
    places: dict[int, Word | None] = field(default_factory=dict)
    """Where each ``crm.field`` node of the tree stands."""
    owners: set[int] = field(default_factory=set)
    """The ``crm`` nodes that are asked for a field. Parents are checked before their children."""

    def error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.findings.error(code, message, self.path, span=span, hint=hint)

    def find(self, text: str, line: int, *after: str) -> Span:
        return self.words.span_of(self.words.find(text, line, after=after))

    def bad(self, message: str, span: Span, hint: str | None = None) -> None:
        self.error("bad-expression", message, span, hint)

    def node(self, node: nodes.Node) -> None:
        """Check one node; children are checked on their own."""
        if not isinstance(node, _ALLOWED):
            word, message, hint = _REFUSED.get(type(node), ("", f"{type(node).__name__} is not allowed here", None))
            self.bad(message, self.find(word, node.lineno), hint)
        for kind, check in _CHECKS:
            if isinstance(node, kind):
                check(self, node)

    def name(self, node: nodes.Name) -> None:
        if node.name != self.scope:
            hint = suggest(node.name, [self.scope], listing="in scope")
            self.error("unknown-name", f"unknown name {node.name!r}", self.find(node.name, node.lineno), hint)
        elif id(node) not in self.owners:
            message = f"{node.name!r} is the whole record, not a value"
            self.bad(message, self.find(node.name, node.lineno), f"name one of its fields: {node.name}.…")

    def access(self, node: nodes.Getattr | nodes.Getitem) -> None:
        """``crm.subject``, ``crm["subject"]``, or one character, entry or slice of something."""
        self.owners.add(id(node.node))
        if _is_scope(node.node) and node.node.name == self.scope:
            self.words.find(self.scope, node.lineno)  # taken, so that a later one is found at its own place
        name = named(node)
        if name is None:
            if _is_scope(node.node):
                self.bad("a field must be named, not computed", self.find("[", node.lineno))
            return
        word = self.words.find(name, node.lineno, after=[".", "["])
        if not _is_scope(node.node):
            message = f"only {self.scope} has fields; {name!r} is asked of something else"
            self.bad(message, self.words.span_of(word), "use a filter")
        elif node.node.name == self.scope:  # any other name is a finding of its own
            self.reads.add(name)
            self.places[id(node)] = word
            if name not in self.fields:
                span = self.words.span_of(word)
                self.error("unknown-field", f"{self.scope} has no field {name!r}", span, suggest(name, self.fields))

    def filter(self, node: nodes.Filter) -> None:
        if node.name not in FILTERS:
            span = self.find(node.name, node.lineno, "|")
            self.bad(f"no filter is named {node.name!r}", span, suggest(node.name, FILTERS, listing="filters"))
        elif node.dyn_args is not None or node.dyn_kwargs is not None:
            self.bad("arguments cannot be unpacked", self.find("*", node.lineno))

    def test(self, node: nodes.Test) -> None:
        if node.name not in TESTS:
            span = self.find(node.name, node.lineno, "is", "not")
            self.bad(f"no test is named {node.name!r}", span, suggest(node.name, TESTS, listing="tests"))

    def condition(self, node: nodes.CondExpr) -> None:
        if node.expr2 is None:
            self.bad("'if' without 'else'", self.find("if", node.lineno), "write … if … else none")

    def concat(self, tree: nodes.Expr) -> None:
        """Warn of fields that may be empty within ``~``."""
        for found, name in loose(tree, frozenset()):
            if not self.fields.get(name, False):
                continue
            self.findings.warning(
                "nullable-text",
                f"{self.scope}.{name} may be empty, and '~' would leave only the text around it",
                self.path, span=self.words.span_of(self.places[id(found)]),
                hint=f"use [{self.scope}.{name}, …] | join_nonempty, or {self.scope}.{name} | default('…')",
            )  # fmt: skip


_CHECKS: tuple[tuple[type[nodes.Node], Callable[..., None]], ...] = (
    (nodes.Name, _Check.name),
    (nodes.Getattr, _Check.access),
    (nodes.Getitem, _Check.access),
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
        message = (error.message or "cannot be read").rstrip(".")
        for theirs in ("'end of template'", "end of template"):
            message = message.replace(theirs, "end of the expression")
        bad(message, words.from_end(_remaining(parser)))
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
    """Every node, in the order of the source."""
    yield node
    children = [node.expr1, node.test, node.expr2] if isinstance(node, nodes.CondExpr) else node.iter_child_nodes()
    for child in children:
        if child is not None:
            yield from _walk(child)


def _is_scope(node: nodes.Node) -> TypeGuard[nodes.Name]:
    return isinstance(node, nodes.Name)


class _BoundedConcat(NodeTransformer):
    """Lets ``~`` run as a filter that is bounded and takes empty fields for empty text."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        """Jinja2 names visitors after node classes."""
        parts = nodes.List([self.visit(part) for part in node.nodes], lineno=node.lineno)
        return nodes.Filter(parts, CONCAT, [], [], None, None, lineno=node.lineno)
