"""GetFolder, FindFolder, CreateFolder, DeleteFolder and EmptyFolder (pages of the same names)."""

from __future__ import annotations

from collections.abc import Iterator

from runner.sandbox.context import Context, each
from runner.sandbox.failures import EwsError
from runner.sandbox.mailboxes import Folder
from runner.sandbox.wire import Element, M, T, children, local, tag

_ELEMENTS = {"IPF.Appointment": "CalendarFolder", "IPF.Contact": "ContactsFolder", "IPF.Task": "TasksFolder"}
_CLASSES = {element: folder_class for folder_class, element in _ELEMENTS.items()} | {"Folder": "IPF.Note"}
_RIGHTS = "".join(
    tag(name, "true") for name in ("CreateAssociated", "CreateContents", "CreateHierarchy", "Delete", "Modify", "Read")
)


def _render(context: Context, folder: Folder, shape: Element | None) -> str:
    base = (shape.findtext(T + "BaseShape") if shape is not None else None) or "IdOnly"
    additional = shape.find(T + "AdditionalProperties") if shape is not None else None
    wanted = {path.get("FieldURI", "") for path in children(additional)} if additional is not None else set()
    mailbox = context.mailboxes[folder.owner.lower()]
    element = _ELEMENTS.get(folder.folder_class, "Folder")
    rows = [
        (
            "ParentFolderId",
            f'<t:ParentFolderId Id="{folder.parent}" ChangeKey="AQAAAA=="/>' if folder.parent else "",
            "A",
        ),
        ("FolderClass", tag("FolderClass", folder.folder_class) if folder.folder_class else "", "A"),
        ("DisplayName", tag("DisplayName", folder.display_name), "D"),
        ("TotalCount", tag("TotalCount", str(len(folder.items))), "D"),
        ("ChildFolderCount", tag("ChildFolderCount", str(sum(1 for _ in mailbox.children(folder.id)))), "D"),
        ("EffectiveRights", f"<t:EffectiveRights>{_RIGHTS}</t:EffectiveRights>", "A"),
        ("DistinguishedFolderId", tag("DistinguishedFolderId", folder.name) if folder.name else "", "A"),
    ]
    if element in ("Folder", "TasksFolder"):
        rows.append(("UnreadCount", tag("UnreadCount", "0"), "D"))
    shown = "".join(
        text
        for name, text, level in rows
        if f"folder:{name}" in wanted or base == "AllProperties" or (base == "Default" and level == "D")
    )
    return f'<t:{element}><t:FolderId Id="{folder.id}" ChangeKey="{folder.change_key}"/>{shown}</t:{element}>'


def get(context: Context, request: Element) -> Iterator[str]:
    """The asked-for properties of each folder."""
    shape = request.find(M + "FolderShape")

    def one(entry: Element) -> str:
        return f"<m:Folders>{_render(context, context.folder(entry), shape)}</m:Folders>"

    return each(context, "GetFolder", _entries(request, "FolderIds"), one, tail="<m:Folders/>", id_of=_id_of)


def find(context: Context, request: Element) -> Iterator[str]:
    """Folders below each parent. Restrictions over folder properties are not read: everything is returned."""
    shape = request.find(M + "FolderShape")
    page = request.find(M + "IndexedPageFolderView")

    def one(entry: Element) -> str:
        parent = context.folder(entry)
        mailbox = context.mailboxes[parent.owner.lower()]
        found = list(mailbox.children(parent.id, deep=request.get("Traversal") == "Deep"))
        if request.get("Traversal") == "SoftDeleted":
            found = []
        offset = int(page.get("Offset", "0")) if page is not None else 0
        most = int(page.get("MaxEntriesReturned") or len(found) or 1) if page is not None else len(found)
        shown = found[offset : offset + most]
        last = offset + len(shown) >= len(found)
        place = f'IndexedPagingOffset="{offset + len(shown)}" ' if page is not None else ""
        return (
            f'<m:RootFolder {place}TotalItemsInView="{len(found)}" IncludesLastItemInRange="{"true" if last else "false"}">'
            f"<t:Folders>{''.join(_render(context, folder, shape) for folder in shown)}</t:Folders></m:RootFolder>"
        )

    return each(context, "FindFolder", _entries(request, "ParentFolderIds"), one, id_of=_id_of)


def create(context: Context, request: Element) -> Iterator[str]:
    """New folders below one parent."""
    parent = next(iter(_entries(request, "ParentFolderId")))

    def one(entry: Element) -> str:
        above = context.folder(parent)
        mailbox = context.mailboxes[above.owner.lower()]
        name = entry.findtext(T + "DisplayName") or ""
        if not name:
            raise EwsError("ErrorFolderSavePropertyError", "The folder has no display name.")
        folder_class = entry.findtext(T + "FolderClass") or _CLASSES.get(local(entry), "IPF.Note")
        folder = mailbox.create_folder(above, name, folder_class)
        return f"<m:Folders>{_render(context, folder, None)}</m:Folders>"

    return each(context, "CreateFolder", _entries(request, "Folders"), one, tail="<m:Folders/>")


def delete(context: Context, request: Element) -> Iterator[str]:
    """Delete each folder with what is in it; folders cannot be soft-deleted."""

    def one(entry: Element) -> str:
        folder = context.folder(entry)
        to_deleted_items = request.get("DeleteType") == "MoveToDeletedItems"
        context.mailboxes[folder.owner.lower()].delete_folder(folder, to_deleted_items=to_deleted_items)
        return ""

    return each(context, "DeleteFolder", _entries(request, "FolderIds"), one, id_of=_id_of)


def empty(context: Context, request: Element) -> Iterator[str]:
    """Delete everything in each folder, and its subfolders when asked."""

    def one(entry: Element) -> str:
        folder = context.folder(entry)
        mailbox = context.mailboxes[folder.owner.lower()]
        bins = {"MoveToDeletedItems": "deleteditems", "SoftDelete": "recoverableitemsdeletions"}
        target = mailbox.well_known(bins.get(request.get("DeleteType", ""), "recoverableitemspurges"))
        for item in list(folder.items.values()):
            mailbox.move(item, target)
        if request.get("DeleteSubFolders") in ("true", "1"):
            for child in list(mailbox.children(folder.id)):
                mailbox.delete_folder(child, to_deleted_items=False)
        return ""

    return each(context, "EmptyFolder", _entries(request, "FolderIds"), one, id_of=_id_of)


def _entries(request: Element, name: str) -> list[Element]:
    found = request.find(M + name)
    return list(children(found)) if found is not None else []


def _id_of(entry: Element) -> str | None:
    return entry.get("Id")
