"""Which fields of an expression may be empty where ``~`` joins text: found at compile time, told as a warning."""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import nodes

from runner.mapping.filters import NEVER_EMPTY


def named(node: nodes.Node) -> str | None:
    """The field that a node names, as ``x.name`` or ``x["name"]``."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return node.arg.value
    return None


def loose(node: nodes.Node, known: frozenset[str]) -> Iterator[tuple[nodes.Node, str]]:
    """Fields directly within a ``~``, with their names; not those ``known`` to be filled by a condition around them."""
    if isinstance(node, nodes.CondExpr):
        yield from loose(node.expr1, known | _filled(node.test))
        yield from loose(node.test, known)
        if node.expr2 is not None:
            yield from loose(node.expr2, known)
        return
    if isinstance(node, nodes.Concat):
        for part in node.nodes:
            yield from _bare(part, known)
    for child in node.iter_child_nodes():
        yield from loose(child, known)


def _bare(node: nodes.Node, known: frozenset[str]) -> Iterator[tuple[nodes.Node, str]]:
    """The fields whose emptiness would become the emptiness of this node."""
    name = named(node)
    if name is not None:
        if name not in known:
            yield node, name
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
    name = named(test)
    if name is not None:
        return frozenset({name})
    if isinstance(test, nodes.And):
        return _filled(test.left) | _filled(test.right)
    if isinstance(test, nodes.Not) and isinstance(test.node, nodes.Test) and test.node.name == "none":
        return _filled(test.node.node)
    return frozenset()
