"""The form of answers, each held to the page of the EWS reference that shows it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.sandbox.bodies import Body
from runner.sandbox.exchange import Sandbox
from runner.sandbox.plain import attendees, organizer
from runner.sandbox.wire import Fragment
from tests.sandbox.raw import (
    CALENDAR,
    ask,
    create,
    envelope,
    equals,
    find,
    get_item,
    send,
    set_subject,
    sync,
    update,
)
from tests.sandbox.stock import ANN, BOB, Ticking

STAMP = '<t:ExtendedFieldURI PropertySetId="5D0A2C7E-43C1-4C35-9D35-7C8C9F4B3A11" PropertyName="Key" PropertyType="String"/>'


def with_properties(*paths: str, base: str = "IdOnly", body_type: str = "") -> str:
    kind = f"<t:BodyType>{body_type}</t:BodyType>" if body_type else ""
    return f"<t:BaseShape>{base}</t:BaseShape>{kind}<t:AdditionalProperties>{''.join(paths)}</t:AdditionalProperties>"


def field(uri: str) -> str:
    return f'<t:FieldURI FieldURI="{uri}"/>'


# --- SyncFolderItems (page: SyncFolderItems operation)


def test_sync_answers_with_code_state_flag_and_changes_in_this_order(sandbox: Sandbox) -> None:
    item = sandbox.mailbox(ANN).create(Subject="x")
    answer = ask(sandbox, sync())
    assert answer.children("//m:SyncFolderItemsResponseMessage") == [
        "ResponseCode",
        "SyncState",
        "IncludesLastItemInRange",
        "Changes",
    ]
    [found] = answer.all("//t:Create/t:CalendarItem/t:ItemId")
    assert found.get("Id") == item
    assert answer.children("//t:Create/t:CalendarItem") == ["ItemId"]


@pytest.mark.parametrize("state", ["rubbish", "H4sIAAAA", "H4sIAAAAAAAA", "////"])
def test_an_invalid_sync_state_is_an_error_with_an_empty_state(sandbox: Sandbox, state: str) -> None:
    """The page's error example: MessageText, ResponseCode, DescriptiveLinkKey, an empty SyncState, the flag."""
    answer = ask(sandbox, sync(state))
    assert answer.status == 200
    assert answer.codes == ["ErrorInvalidSyncStateData"]
    assert answer.children("//m:SyncFolderItemsResponseMessage") == [
        "MessageText",
        "ResponseCode",
        "DescriptiveLinkKey",
        "SyncState",
        "IncludesLastItemInRange",
    ]
    assert answer.text("//m:SyncState") is None
    assert answer.text("//m:MessageText") == "Synchronization state data is corrupt or otherwise invalid."


def test_a_sync_state_belongs_to_one_folder_of_one_mailbox(sandbox: Sandbox) -> None:
    state = ask(sandbox, sync()).text("//m:SyncState")
    assert ask(sandbox, sync(state)).codes == ["NoError"]
    other_folder = sync(state, folder='<t:DistinguishedFolderId Id="tasks"/>')
    assert ask(sandbox, other_folder).codes == ["ErrorInvalidSyncStateData"]
    assert ask(sandbox, sync(state), impersonate=BOB).codes == ["ErrorInvalidSyncStateData"]


def test_a_folder_that_is_gone_is_a_sync_folder_not_found(sandbox: Sandbox) -> None:
    folder = sandbox.mailbox(ANN).create_folder("Projects")
    named = f'<t:FolderId Id="{folder}"/>'
    assert ask(sandbox, sync(folder=named)).codes == ["NoError"]
    gone = f'<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds>{named}</m:FolderIds></m:DeleteFolder>'
    assert ask(sandbox, gone).codes == ["NoError"]
    assert ask(sandbox, sync(folder=named)).codes == ["ErrorSyncFolderNotFound"]


def test_changes_come_newest_first_and_an_idle_call_returns_the_state_unchanged(sandbox: Sandbox) -> None:
    """Mailbox synchronization and EWS in Exchange."""
    user = sandbox.mailbox(ANN)
    ids = [user.create(Subject=str(number)) for number in range(5)]
    first = ask(sandbox, sync(most=3))
    assert [element.get("Id") for element in first.all("//t:ItemId")] == ids[:1:-1]
    assert first.text("//m:IncludesLastItemInRange") == "false"
    second = ask(sandbox, sync(first.text("//m:SyncState"), most=3))
    assert [element.get("Id") for element in second.all("//t:ItemId")] == ids[1::-1]
    assert second.text("//m:IncludesLastItemInRange") == "true"
    idle = ask(sandbox, sync(second.text("//m:SyncState")))
    again = ask(sandbox, sync(idle.text("//m:SyncState")))
    assert idle.text("//m:SyncState") == again.text("//m:SyncState")
    assert again.all("//m:Changes/*") == []


def test_no_more_than_512_changes_may_be_asked_for(make: Callable[..., Sandbox]) -> None:
    sandbox = make(validator=None)
    assert ask(sandbox, sync(most=513)).codes == ["ErrorInvalidRequest"]


def test_sync_and_find_return_neither_bodies_nor_recipients_nor_the_organizers_address(sandbox: Sandbox) -> None:
    """Pages SyncFolderItems operation and FindItem operation."""
    sandbox.mailbox(ANN).create(Subject="x", Body="secret", RequiredAttendees=attendees([BOB]), Location="y" * 300)
    paths = [
        field(uri) for uri in ("item:Body", "calendar:RequiredAttendees", "calendar:Organizer", "calendar:Location")
    ]
    shape = f"<m:ItemShape>{with_properties(*paths)}</m:ItemShape>"
    for request in (sync(), find()):
        request = request.replace("<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>", shape)
        answer = ask(sandbox, request)
        assert answer.children("//t:CalendarItem") == ["ItemId", "Location", "Organizer"]
        assert answer.children("//t:Organizer/t:Mailbox") == ["Name"]
        assert len(answer.text("//t:Location") or "") == 255


# --- GetItem (page: GetItem operation (calendar item))


def test_the_default_shape_of_a_calendar_item(sandbox: Sandbox, clock: Ticking) -> None:
    item = sandbox.mailbox(ANN).create(Subject="x", Location="y", Start=clock.now, Body="b")
    answer = ask(sandbox, get_item(item, shape="<t:BaseShape>Default</t:BaseShape>"))
    assert answer.children("//t:CalendarItem") == [
        "ItemId",
        "Subject",
        "ResponseObjects",
        "Start",
        "End",
        "LegacyFreeBusyStatus",
        "Location",
        "CalendarItemType",
        "Organizer",
    ]


def test_all_properties_of_an_appointment_are_those_of_the_page(sandbox: Sandbox, clock: Ticking) -> None:
    item = sandbox.mailbox(ANN).create(Subject="x", Start=clock.now, End=clock.now)
    answer = ask(sandbox, get_item(item, shape="<t:BaseShape>AllProperties</t:BaseShape>"))
    expected = """
        ItemId ParentFolderId ItemClass Sensitivity Body DateTimeReceived Size Importance IsSubmitted
        IsDraft IsFromMe IsResend IsUnmodified DateTimeSent DateTimeCreated ResponseObjects ReminderDueBy
        ReminderIsSet ReminderMinutesBeforeStart DisplayCc DisplayTo HasAttachments Culture Start End
        IsAllDayEvent LegacyFreeBusyStatus IsMeeting IsCancelled IsRecurring MeetingRequestWasSent
        CalendarItemType MyResponseType Organizer Duration TimeZone AppointmentSequenceNumber
        AppointmentState
    """.split()  # noqa: SIM905
    found = answer.children("//t:CalendarItem")
    assert [name for name in found if name in expected] == expected
    assert answer.text("//t:MyResponseType") == "Organizer"
    assert answer.text("//t:ItemClass") == "IPM.Appointment"
    [body] = answer.all("//t:Body")
    assert (body.get("BodyType"), body.text) == ("Text", None)


def test_a_batch_answers_each_item_in_its_place(sandbox: Sandbox) -> None:
    user = sandbox.mailbox(ANN)
    first, gone, last = (user.create(Subject=name) for name in "abc")
    user.delete(gone)
    answer = ask(sandbox, get_item(first, gone, last))
    assert answer.codes == ["NoError", "ErrorItemNotFound", "NoError"]
    assert [element.get("ResponseClass") for element in answer.all("//m:GetItemResponseMessage")] == [
        "Success",
        "Error",
        "Success",
    ]
    assert answer.children("//m:GetItemResponseMessage[2]") == [
        "MessageText",
        "ResponseCode",
        "DescriptiveLinkKey",
        "Items",
    ]


def test_ids_are_case_sensitive_and_malformed_ones_are_told_apart(sandbox: Sandbox) -> None:
    """EWS identifiers in Exchange; FindItem operation (error example)."""
    ids = [sandbox.mailbox(ANN).create(Subject=str(number)) for number in range(64)]
    assert len({item.lower() for item in ids}) < len(ids), "some ids must differ in case only"
    assert ask(sandbox, get_item(ids[0].swapcase())).codes == ["ErrorInvalidIdMalformed"]
    assert ask(sandbox, get_item(ids[0][:-8] + "AAAAAAAA")).codes == ["ErrorItemNotFound"]
    folder = ask(
        sandbox,
        f"<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>{CALENDAR}</m:FolderIds></m:GetFolder>",
    )
    [found] = folder.all("//t:FolderId")
    assert ask(sandbox, get_item(found.get("Id"))).codes == ["ErrorCannotUseFolderIdForItemId"]


def test_bodies_are_converted_as_asked(sandbox: Sandbox) -> None:
    """Page BodyType: Best, HTML and Text."""
    user = sandbox.mailbox(ANN)
    html = user.create(Body=Body("HTML", "<p>one</p><p>two &amp; three<br>four</p><ul><li>five</li></ul>"))
    text = user.create(Body="one\ntwo <b>")

    def body(item: str, kind: str) -> tuple[str, str]:
        answer = ask(sandbox, get_item(item, shape=with_properties(field("item:Body"), body_type=kind)))
        [element] = answer.all("//t:Body")
        return element.get("BodyType"), element.text

    assert body(html, "Text") == ("Text", "one\r\ntwo & three\r\nfour\r\nfive")
    assert body(html, "Best")[0] == body(html, "HTML")[0] == "HTML"
    assert body(text, "Best") == body(text, "Text") == ("Text", "one\r\ntwo <b>")
    kind, markup = body(text, "HTML")
    assert kind == "HTML"
    assert "one<br>\r\ntwo &lt;b&gt;" in markup


def test_control_characters_come_as_references_that_xml_forbids(sandbox: Sandbox) -> None:
    """Seen in real mailboxes: the answer is not well-formed XML 1.0."""
    import http.client

    from tests.sandbox.raw import basic

    item = sandbox.mailbox(ANN).create(Subject="bell\x07")
    sandbox._service.response_validator = None
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    connection.request(
        "POST",
        "/EWS/Exchange.asmx",
        envelope(get_item(item, shape=with_properties(field("item:Subject")))),
        basic(sandbox),
    )
    assert b"<t:Subject>bell&#x7;</t:Subject>" in connection.getresponse().read()
    connection.close()


# --- CreateItem, UpdateItem, DeleteItem


def test_create_answers_with_id_and_change_key_only(sandbox: Sandbox) -> None:
    answer = ask(sandbox, create("<t:Subject>x</t:Subject>"))
    assert answer.codes == ["NoError"]
    assert answer.children("//m:CreateItemResponseMessage") == ["ResponseCode", "Items"]
    assert answer.children("//t:CalendarItem") == ["ItemId"]


def test_what_calendar_items_and_tasks_must_say_about_mail_is_asked_for(sandbox: Sandbox) -> None:
    """Pages CreateItem, UpdateItem and DeleteItem: the attributes are required for these classes (ResponseCode)."""
    assert ask(sandbox, create("", invitations=None)).text("//e:ResponseCode") == "ErrorSendMeetingInvitationsRequired"
    user = sandbox.mailbox(ANN)
    item, task = user.create(Subject="x"), user.create("tasks", Subject="y")
    key = user.item(item).change_key
    silent = update(item, key, set_subject("z")).replace(' SendMeetingInvitationsOrCancellations="SendToNone"', "")
    assert ask(sandbox, silent).codes == ["ErrorSendMeetingInvitationsOrCancellationsRequired"]

    def delete(identifier: str) -> str:
        ids = f'<m:ItemIds><t:ItemId Id="{identifier}"/></m:ItemIds>'
        return f'<m:DeleteItem DeleteType="MoveToDeletedItems">{ids}</m:DeleteItem>'

    assert ask(sandbox, delete(item)).codes == ["ErrorSendMeetingCancellationsRequired"]
    assert ask(sandbox, delete(task)).codes == ["ErrorAffectedTaskOccurrencesRequired"]


def test_delete_needs_no_change_key_and_answers_with_a_bare_success(sandbox: Sandbox) -> None:
    """Page DeleteItem operation: the request example has none, the answer only a code."""
    user = sandbox.mailbox(ANN)
    item = user.create(Subject="x")
    ids = f'<m:ItemIds><t:ItemId Id="{item}"/></m:ItemIds>'
    request = (
        f'<m:DeleteItem DeleteType="MoveToDeletedItems" SendMeetingCancellations="SendToNone">{ids}</m:DeleteItem>'
    )
    answer = ask(sandbox, request)
    assert answer.children("//m:DeleteItemResponseMessage") == ["ResponseCode"]
    assert ask(sandbox, request).codes == ["ErrorItemNotFound"]


def test_deleted_items_keep_their_change_key(sandbox: Sandbox) -> None:
    """Deleting items by using EWS in Exchange: the change key is not updated by the move."""
    user = sandbox.mailbox(ANN)
    item = user.create(Subject="x")
    key = user.item(item).change_key
    there = user.delete(item)
    assert there is not None
    assert there != item
    assert user.item(there).change_key == key


def test_a_change_key_is_required_unless_always_overwrite(sandbox: Sandbox) -> None:
    """Page ResponseCode: ErrorChangeKeyRequiredForWriteOperations."""
    user = sandbox.mailbox(ANN)
    item = user.create(Subject="x")
    for mode in ("NeverOverwrite", "AutoResolve"):
        answer = ask(sandbox, update(item, None, set_subject("y"), mode))
        assert answer.codes == ["ErrorChangeKeyRequiredForWriteOperations"]
    assert ask(sandbox, update(item, None, set_subject("y"), "AlwaysOverwrite")).codes == ["NoError"]
    assert ask(sandbox, update(item, "no base64!", set_subject("z"))).codes == ["ErrorInvalidChangeKey"]


def test_one_update_is_one_change_key_and_one_change(sandbox: Sandbox) -> None:
    user = sandbox.mailbox(ANN)
    item = user.create(Subject="x")
    key, before = user.item(item).change_key, user.change_count()
    clear = '<t:DeleteItemField><t:FieldURI FieldURI="calendar:Location"/></t:DeleteItemField>'
    answer = ask(sandbox, update(item, key, set_subject("y") + clear))
    assert answer.children("//m:UpdateItemResponseMessage") == ["ResponseCode", "Items", "ConflictResults"]
    assert answer.text("//m:ConflictResults/t:Count") == "0"
    [named] = answer.all("//t:ItemId")
    assert named.get("ChangeKey") == user.item(item).change_key != key
    assert user.change_count() == before + 1


def test_an_update_is_all_or_nothing(sandbox: Sandbox) -> None:
    user = sandbox.mailbox(ANN)
    item = user.create(Subject="x", Start=user_time(10), End=user_time(11))
    key = user.item(item).change_key
    backwards = (
        '<t:SetItemField><t:FieldURI FieldURI="calendar:End"/><t:CalendarItem><t:End>2026-12-01T09:00:00Z</t:End>'
        "</t:CalendarItem></t:SetItemField>"
    )
    answer = ask(sandbox, update(item, key, set_subject("y") + backwards))
    assert answer.codes == ["ErrorCalendarEndDateIsEarlierThanStartDate"]
    assert (user.item(item).text("Subject"), user.item(item).change_key) == ("x", key)


def user_time(hour: int):  # type: ignore[no-untyped-def]
    from datetime import UTC, datetime

    return datetime(2026, 12, 1, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ("<t:IsMeeting>true</t:IsMeeting>", "ErrorInvalidPropertySet"),
        ("<t:DateTimeCreated>2026-01-01T00:00:00Z</t:DateTimeCreated>", "ErrorInvalidPropertySet"),
        ('<t:StartTimeZone Id="Mitteleuropäische Zeit"/>', "ErrorTimeZone"),
        (
            "<t:Start>2026-01-02T00:00:00Z</t:Start><t:End>2026-01-01T00:00:00Z</t:End>",
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
        (
            "<t:Start>2020-01-02T00:00:00Z</t:Start><t:End>2026-01-01T00:00:00Z</t:End>",
            "ErrorCalendarDurationIsTooLong",
        ),
        (
            f"<t:ExtendedProperty>{STAMP.replace('String', 'StringArray')}<t:Value>x</t:Value></t:ExtendedProperty>",
            "ErrorInvalidExtendedPropertyValue",
        ),
        (
            '<t:ExtendedProperty><t:ExtendedFieldURI PropertyName="x" PropertyType="String"/>'
            "<t:Value>x</t:Value></t:ExtendedProperty>",
            "ErrorInvalidExtendedProperty",
        ),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_code(sandbox: Sandbox, properties: str, code: str) -> None:
    assert ask(sandbox, create(properties)).codes == [code]
    assert sandbox.mailbox(ANN).items() == []


def test_an_item_of_the_wrong_class_does_not_go_into_the_calendar(sandbox: Sandbox) -> None:
    request = (
        f"<m:CreateItem><m:SavedItemFolderId>{CALENDAR}</m:SavedItemFolderId><m:Items><t:Task><t:Subject>x</t:Subject>"
        "</t:Task></m:Items></m:CreateItem>"
    )
    assert ask(sandbox, request).codes == ["ErrorCannotCreateTaskInNonTaskFolder"]


def test_an_all_day_event_spans_whole_days_of_its_zone(sandbox: Sandbox) -> None:
    properties = (
        "<t:Start>2026-07-01T10:00:00Z</t:Start><t:End>2026-07-01T11:00:00Z</t:End><t:IsAllDayEvent>true</t:IsAllDayEvent>"
        '<t:StartTimeZone Id="W. Europe Standard Time"/>'
    )
    assert ask(sandbox, create(properties)).codes == ["NoError"]
    [item] = sandbox.mailbox(ANN).items()
    assert (item.text("Start"), item.text("End")) == ("2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z")


def test_times_without_an_offset_are_wall_time_of_the_time_zone_context(sandbox: Sandbox) -> None:
    """Page TimeZoneContext."""
    properties = "<t:Start>2026-07-01T10:00:00</t:Start><t:End>2026-07-01T11:00:00</t:End>"
    zone = '<t:TimeZoneContext><t:TimeZoneDefinition Id="W. Europe Standard Time"/></t:TimeZoneContext>'
    assert ask(sandbox, create(properties), header=zone).codes == ["NoError"]
    assert sandbox.mailbox(ANN).items()[0].text("Start") == "2026-07-01T08:00:00Z"


def test_is_recurring_is_false_for_the_organizers_series_and_true_for_an_attendees(sandbox: Sandbox) -> None:
    """Page IsRecurring, which calls the first of the two a mistake of the server."""
    rule = Fragment(
        "<t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>"
        "<t:NoEndRecurrence><t:StartDate>2026-12-01</t:StartDate></t:NoEndRecurrence>"
    )
    user = sandbox.mailbox(ANN)
    mine = user.create(Recurrence=rule)
    theirs = user.create(Recurrence=rule, Organizer=organizer(BOB))
    shape = with_properties(field("calendar:IsRecurring"), field("calendar:CalendarItemType"))
    answer = ask(sandbox, get_item(mine, theirs, shape=shape))
    assert [element.text for element in answer.all("//t:IsRecurring")] == ["false", "true"]
    assert {element.text for element in answer.all("//t:CalendarItemType")} == {"RecurringMaster"}


# --- FindItem


def test_a_uid_is_found_by_its_global_object_id_only(sandbox: Sandbox) -> None:
    """calendar:UID cannot be restricted; PidLidCleanGlobalObjectId holds it in the form of MS-OXOCAL."""
    user = sandbox.mailbox(ANN)
    item = user.create(UID="abc@example.com")
    user.create(Subject="other")
    assert ask(sandbox, find(equals(field("calendar:UID"), "abc@example.com"))).codes == [
        "ErrorUnsupportedPathForQuery"
    ]
    path = '<t:ExtendedFieldURI DistinguishedPropertySetId="Meeting" PropertyId="35" PropertyType="Binary"/>'
    value = ask(sandbox, get_item(item, shape=with_properties(path))).text("//t:Value")
    [found] = ask(sandbox, find(equals(path, str(value)))).all("//t:ItemId")
    assert found.get("Id") == item


def test_the_search_key_follows_an_item_through_moves(sandbox: Sandbox) -> None:
    """Move and copy email messages by using EWS in Exchange: PidTagSearchKey (0x300B0102)."""
    path = '<t:ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/>'
    user = sandbox.mailbox(ANN)
    item = user.create(Subject="x")
    key = ask(sandbox, get_item(item, shape=with_properties(path))).text("//t:Value")
    there = user.delete(item)
    found = ask(sandbox, find(equals(path, str(key)), folder='<t:DistinguishedFolderId Id="deleteditems"/>'))
    assert [element.get("Id") for element in found.all("//t:ItemId")] == [there]


def test_a_soft_deleted_traversal_finds_nothing(sandbox: Sandbox) -> None:
    """Deleting items by using EWS in Exchange: such traversals are not supported since Exchange 2010."""
    user = sandbox.mailbox(ANN)
    user.delete(user.create(Subject="x"), "SoftDelete")
    assert ask(sandbox, find(traversal="SoftDeleted")).all("//t:ItemId") == []
    recoverable = '<t:DistinguishedFolderId Id="recoverableitemsdeletions"/>'
    assert len(ask(sandbox, find(folder=recoverable)).all("//t:ItemId")) == 1


def test_a_restricted_find_ends_at_250_and_says_so(sandbox: Sandbox) -> None:
    """EWS throttling in Exchange: EWSFindCountLimit."""
    sandbox.mailbox(ANN).fill(260)
    answer = ask(sandbox, find(f"<t:Exists>{field('item:Subject')}</t:Exists>"))
    assert len(answer.all("//t:ItemId")) == 250
    [root] = answer.all("//m:RootFolder")
    assert (root.get("IncludesLastItemInRange"), root.get("TotalItemsInView")) == ("false", "260")
    page = '<m:IndexedPageItemView MaxEntriesReturned="100" Offset="250" BasePoint="Beginning"/>'
    rest = ask(sandbox, find(f"<t:Exists>{field('item:Subject')}</t:Exists>", page=page))
    [root] = rest.all("//m:RootFolder")
    assert (len(rest.all("//t:ItemId")), root.get("IndexedPagingOffset")) == (10, "260")
    assert root.get("IncludesLastItemInRange") == "true"


# --- faults of the whole request (page: Handling errors related to EWS)


def test_a_request_outside_the_schema_is_a_fault_that_names_the_violation(sandbox: Sandbox) -> None:
    answer = ask(sandbox, create("<t:Location>y</t:Location><t:Subject>x</t:Subject>"))
    assert answer.status == 500
    assert answer.text("//faultcode") == "a:ErrorSchemaValidation"
    assert answer.text("//e:ResponseCode") == "ErrorSchemaValidation"
    assert answer.text("//e:Message") == "The request failed schema validation."
    assert "Subject" in (answer.text("//t:Violation") or "")
    assert answer.children("//t:MessageXml") == ["LineNumber", "LinePosition", "Violation"]
    assert len(sandbox.schema_violations) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"<not xml",
        b"",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]><a>&e;</a>',
    ],
)
def test_rubbish_is_a_schema_fault(sandbox: Sandbox, data: bytes) -> None:
    answer = send(sandbox, data)
    assert (answer.status, answer.text("//e:ResponseCode")) == (500, "ErrorSchemaValidation")


def test_an_unknown_field_uri_fails_the_request_even_without_a_validator(make: Callable[..., Sandbox]) -> None:
    sandbox = make(validator=None)
    item = sandbox.mailbox(ANN).create(Subject="x")
    answer = ask(sandbox, get_item(item, shape=with_properties(field("calendar:Nonsense"))))
    assert (answer.status, answer.text("//e:ResponseCode")) == (500, "ErrorSchemaValidation")


def test_impersonation_faults(make: Callable[..., Sandbox]) -> None:
    """Page ResponseCode: ErrorImpersonateUserDenied, ErrorNonExistentMailbox."""
    sandbox = make(scope=[ANN])
    denied = ask(sandbox, sync(), impersonate=BOB)
    assert (denied.status, denied.text("//e:ResponseCode")) == (500, "ErrorImpersonateUserDenied")
    nobody = ask(sandbox, sync(), impersonate="nobody@example.com")
    assert (nobody.status, nobody.text("//e:ResponseCode")) == (500, "ErrorNonExistentMailbox")
    assert ask(sandbox, sync(), impersonate=None).codes == ["ErrorNonExistentMailbox"]


def test_a_folder_of_another_mailbox_is_not_opened(sandbox: Sandbox) -> None:
    def of(address: str) -> str:
        box = f"<t:Mailbox><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox>"
        return sync(folder=f'<t:DistinguishedFolderId Id="calendar">{box}</t:DistinguishedFolderId>')

    assert ask(sandbox, of(ANN)).codes == ["NoError"]
    assert ask(sandbox, of(BOB)).codes == ["ErrorAccessDenied"]
    assert ask(sandbox, of("nobody@example.com")).codes == ["ErrorNonExistentMailbox"]


def test_every_answer_names_the_servers_version(sandbox: Sandbox) -> None:
    """Page ServerVersionInfo."""
    [version] = ask(sandbox, sync()).all("//s:Header/t:ServerVersionInfo")
    assert (version.get("MajorVersion"), version.get("MinorVersion")) == ("15", "2")


def test_a_version_that_does_not_exist_is_refused(sandbox: Sandbox) -> None:
    answer = ask(sandbox, sync(), header='<t:RequestServerVersion Version="Exchange1997"/>')
    assert answer.text("//e:ResponseCode") == "ErrorInvalidServerVersion"


# --- what else clients ask for


def test_server_time_zones_are_listed_by_id(sandbox: Sandbox) -> None:
    """Page GetServerTimeZones operation."""
    one = "<m:Ids><t:Id>W. Europe Standard Time</t:Id></m:Ids>"
    answer = ask(sandbox, f'<m:GetServerTimeZones ReturnFullTimeZoneData="false">{one}</m:GetServerTimeZones>')
    assert [zone.get("Id") for zone in answer.all("//t:TimeZoneDefinition")] == ["W. Europe Standard Time"]
    every = ask(sandbox, '<m:GetServerTimeZones ReturnFullTimeZoneData="false"/>')
    assert len(every.all("//t:TimeZoneDefinition")) > 100


def test_an_operation_that_the_sandbox_lacks_is_a_fault(make: Callable[..., Sandbox]) -> None:
    answer = ask(make(validator=None), "<m:GetInboxRules/>")
    assert (answer.status, answer.text("//e:ResponseCode")) == (500, "ErrorInvalidRequest")


def test_default_folders_cannot_be_deleted_and_names_are_unique(sandbox: Sandbox) -> None:
    """Deleting items by using EWS in Exchange; page CreateFolder operation."""
    request = f'<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds>{CALENDAR}</m:FolderIds></m:DeleteFolder>'
    assert ask(sandbox, request).codes == ["ErrorDeleteDistinguishedFolder"]
    new = (
        f"<m:CreateFolder><m:ParentFolderId>{CALENDAR}</m:ParentFolderId><m:Folders><t:CalendarFolder>"
        "<t:DisplayName>Team</t:DisplayName></t:CalendarFolder></m:Folders></m:CreateFolder>"
    )
    assert ask(sandbox, new).codes == ["NoError"]
    assert ask(sandbox, new).codes == ["ErrorFolderExists"]


def test_half_a_surrogate_pair_comes_out_as_the_replacement_character(sandbox: Sandbox) -> None:
    """As .NET encodes what UTF-8 cannot say; nothing breaks on the way out."""
    item = sandbox.mailbox(ANN).create(Subject="a\ud800b", Location="\udfff", Body="\ud800 whole \U0001f600")
    answer = ask(sandbox, get_item(item, shape=with_properties(field("item:Subject"), field("calendar:Location"))))
    [subject], [location] = answer.all("//t:Subject"), answer.all("//t:Location")
    assert (subject.text, location.text) == ("a\ufffdb", "\ufffd")
    assert ask(sandbox, get_item(item, shape=with_properties(field("item:Body")))).all("//t:Body")[0].text
