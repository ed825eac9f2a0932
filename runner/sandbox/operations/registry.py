"""Which function answers which operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from runner.sandbox.context import Context
from runner.sandbox.operations import (
    attachments,
    create_item,
    delete_item,
    find_item,
    folders,
    get_item,
    lookups,
    move_item,
    notifications,
    sync_folder_items,
    update_item,
)
from runner.sandbox.wire import Element

Operation = Callable[[Context, Element], Iterator[str]]

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "SyncFolderItems": sync_folder_items.run,
        "GetItem": get_item.run,
        "CreateItem": create_item.run,
        "UpdateItem": update_item.run,
        "DeleteItem": delete_item.run,
        "MoveItem": move_item.move,
        "CopyItem": move_item.copy,
        "FindItem": find_item.run,
        "CreateAttachment": attachments.create,
        "GetAttachment": attachments.get,
        "DeleteAttachment": attachments.delete,
        "GetFolder": folders.get,
        "FindFolder": folders.find,
        "CreateFolder": folders.create,
        "DeleteFolder": folders.delete,
        "EmptyFolder": folders.empty,
        "ConvertId": lookups.convert_id,
        "ResolveNames": lookups.resolve_names,
        "GetServerTimeZones": lookups.get_server_time_zones,
        "Subscribe": notifications.subscribe,
        "Unsubscribe": notifications.unsubscribe,
        "GetEvents": notifications.get_events,
    }
)

Streaming = Callable[[Context, Element], Iterator[str | None]]

STREAMS: Mapping[str, Streaming] = MappingProxyType({"GetStreamingEvents": notifications.get_streaming_events})
"""Operations that answer with one document after the other; None in place of one: the line is cut."""
