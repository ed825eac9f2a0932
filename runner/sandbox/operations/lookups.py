"""ConvertId, ResolveNames and GetServerTimeZones, as far as clients need them to find their feet."""

from __future__ import annotations

from collections.abc import Iterator

from runner.sandbox.context import Context, each, failure, success
from runner.sandbox.failures import EwsError
from runner.sandbox.wire import Element, M, children, escape, tag
from runner.sandbox.zones import windows_zones

_MOST_NAMES = 100


def convert_id(context: Context, request: Element) -> Iterator[str]:
    """Hand each id back; only EWS ids are known, in the format that was asked for."""

    def one(entry: Element) -> str:
        wanted = request.get("DestinationFormat")
        if entry.get("Format") != "EwsId" or wanted != "EwsId":
            raise EwsError("ErrorInvalidIdMalformed")
        mailbox = entry.get("Mailbox", "")
        return (
            f'<m:AlternateId xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="t:AlternateIdType" '
            f'Format="{wanted}" Id="{escape(entry.get("Id", ""))}" Mailbox="{escape(mailbox)}"/>'
        )

    source = request.find(M + "SourceIds")
    entries = list(children(source)) if source is not None else []
    return each(context, "ConvertId", entries, one, id_of=lambda entry: entry.get("Id"))


def resolve_names(context: Context, request: Element) -> Iterator[str]:
    """Mailboxes whose name or address begins with the entry; several are a warning, as Exchange has it."""
    wanted = (request.findtext(M + "UnresolvedEntry") or "").lower().removeprefix("smtp:")
    found = [
        box
        for box in context.mailboxes.values()
        if box.address.lower().startswith(wanted) or box.display_name.lower().startswith(wanted)
    ][:_MOST_NAMES]
    if not found:
        yield failure("ResolveNames", EwsError("ErrorNameResolutionNoResults"))
        return
    rows = "".join(
        "<t:Resolution><t:Mailbox>"
        + tag("Name", box.display_name)
        + tag("EmailAddress", box.address)
        + "<t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox></t:Resolution>"
        for box in found
    )
    body = f'<m:ResolutionSet TotalItemsInView="{len(found)}" IncludesLastItemInRange="true">{rows}</m:ResolutionSet>'
    if len(found) > 1:
        error = EwsError("ErrorNameResolutionMultipleResults", "Multiple results were found.")
        yield failure("ResolveNames", error, body, severity="Warning")
    else:
        yield success("ResolveNames", body)


def get_server_time_zones(_context: Context, request: Element) -> Iterator[str]:
    """The zones by id and name; transitions are not served."""
    ids = request.find(M + "Ids")
    wanted = {child.text for child in children(ids)} if ids is not None else None
    rows = "".join(
        f'<t:TimeZoneDefinition Id="{escape(name)}" Name="{escape(name)}"/>'
        for name in sorted(windows_zones())
        if wanted is None or name in wanted
    )
    yield success("GetServerTimeZones", f"<m:TimeZoneDefinitions>{rows}</m:TimeZoneDefinitions>")
