"""GetItem (page GetItem operation)."""

from __future__ import annotations

from collections.abc import Iterator

from runner.sandbox.context import Context, each, element_id, item_ids, need
from runner.sandbox.shapes import read_shape, render_item
from runner.sandbox.wire import Element, M

NAME = "GetItem"


def run(context: Context, request: Element) -> Iterator[str]:
    """The asked-for properties of each item."""
    shape = read_shape(need(request, M + "ItemShape"), listing=False)

    def one(entry: Element) -> str:
        return f"<m:Items>{render_item(context.item(entry), shape)}</m:Items>"

    return each(context, NAME, item_ids(request.find(M + "ItemIds")), one, tail="<m:Items/>", id_of=element_id)
