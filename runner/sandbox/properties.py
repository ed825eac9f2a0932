"""The properties of each item class, in schema order: what they are called, hold, and who may set them.

Order, names and field URIs follow the EWS reference (pages CalendarItem, Task, Contact, Message, FieldURI). A row is
``name kind flags default``; flags:

``r`` read-only: setting it is ``ErrorInvalidPropertySet`` · ``d`` part of the Default shape, ``m`` of messages only ·
``b`` never returned by FindItem and SyncFolderItems (bodies, recipients, streams: FindItem operation) · ``q`` not usable
in a restriction · ``c`` computed when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_ITEM = """
MimeContent                 xml    rbq
ItemId                      xml    rdcq
ParentFolderId              xml    rcq
ItemClass                   text   c
Subject                     text   d
Sensitivity                 Normal|Personal|Private|Confidential m Normal
Body                        body   bmq
Attachments                 xml    rbcq
DateTimeReceived            time   rc
Size                        int    rc
Categories                  strings -
Importance                  Low|Normal|High - Normal
InReplyTo                   text   -
IsSubmitted                 bool   r false
IsDraft                     bool   r false
IsFromMe                    bool   r false
IsResend                    bool   r false
IsUnmodified                bool   r false
InternetMessageHeaders      xml    rbq
DateTimeSent                time   rc
DateTimeCreated             time   rc
ResponseObjects             xml    rdbcq
ReminderDueBy               time   cq
ReminderIsSet               bool   -
ReminderNextTime            time   r
ReminderMinutesBeforeStart  int    -
DisplayCc                   text   rc
DisplayTo                   text   rc
HasAttachments              bool   rmc
Culture                     text   q en-US
EffectiveRights             xml    rcq
LastModifiedName            text   rc
LastModifiedTime            time   rc
IsAssociated                bool   r false
WebClientReadFormQueryString text  rq
WebClientEditFormQueryString text  rq
ConversationId              xml    rq
UniqueBody                  body   rbq
Flag                        xml    q
StoreEntryId                text   rq
InstanceKey                 text   rq
NormalizedBody              body   rbq
EntityExtractionResult      xml    rbq
PolicyTag                   xml    q
ArchiveTag                  xml    q
RetentionDate               time   r
Preview                     text   rq
RightsManagementLicenseData xml    rbq
NextPredictedAction         xml    rq
GroupingAction              xml    rq
PredictedActionReasons      xml    rq
IsClutter                   bool   rq
BlockStatus                 bool   rq
HasBlockedImages            bool   rq
TextBody                    body   rbcq
IconIndex                   text   rq
"""

_CALENDAR = """
UID                         text   q
RecurrenceId                time   r
DateTimeStamp               time   c
Start                       time   d
End                         time   d
OriginalStart               time   r
IsAllDayEvent               bool   - false
LegacyFreeBusyStatus        Free|Tentative|Busy|OOF|WorkingElsewhere|NoData d Busy
Location                    text   d
When                        text   -
IsMeeting                   bool   rc
IsCancelled                 bool   r false
IsRecurring                 bool   rc
MeetingRequestWasSent       bool   r false
IsResponseRequested         bool   q true
CalendarItemType            text   rcd
MyResponseType              text   rc
Organizer                   xml    rcd
RequiredAttendees           attendees bq
OptionalAttendees           attendees bq
Resources                   attendees bq
ConflictingMeetingCount     int    rq
AdjacentMeetingCount        int    rq
ConflictingMeetings         xml    rbq
AdjacentMeetings            xml    rbq
Duration                    text   rc
TimeZone                    text   rc
AppointmentReplyTime        time   r
AppointmentSequenceNumber   int    r 0
AppointmentState            int    rc
Recurrence                  xml    bq
FirstOccurrence             xml    rbcq
LastOccurrence              xml    rbcq
ModifiedOccurrences         xml    rbcq
DeletedOccurrences          xml    rbcq
MeetingTimeZone             xml    q
StartTimeZone               zone   q
EndTimeZone                 zone   q
ConferenceType              int    -
AllowNewTimeProposal        bool   q true
IsOnlineMeeting             bool   r false
MeetingWorkspaceUrl         text   -
NetShowUrl                  text   -
EnhancedLocation            xml    bq
StartWallClock              time   rcq
EndWallClock                time   rcq
StartTimeZoneId             text   rcq
EndTimeZoneId               text   rcq
IntendedFreeBusyStatus      text   rq
JoinOnlineMeetingUrl        text   rq
OnlineMeetingSettings       xml    rbq
IsOrganizer                 bool   rcq
"""

_TASK = """
ActualWork                  int    -
AssignedTime                time   r
BillingInformation          text   -
ChangeCount                 int    rc
Companies                   strings -
CompleteDate                time   -
Contacts                    strings -
DelegationState             text   r NoMatch
Delegator                   text   r
DueDate                     time   d
IsAssignmentEditable        int    r
IsComplete                  bool   rc
IsRecurring                 bool   rc
IsTeamTask                  bool   r false
Mileage                     text   -
Owner                       text   rc
PercentComplete             float  d 0
Recurrence                  xml    bq
StartDate                   time   d
Status                      NotStarted|InProgress|Completed|WaitingOnOthers|Deferred dq NotStarted
StatusDescription           text   rc
TotalWork                   int    -
"""

_FILE_AS = (
    "None|LastCommaFirst|FirstSpaceLast|Company|LastCommaFirstCompany|CompanyLastFirst|LastFirst"
    "|LastFirstCompany|CompanyLastCommaFirst|LastFirstSuffix|LastSpaceFirstCompany|CompanyLastSpaceFirst"
    "|LastSpaceFirst|DisplayName|FirstName|LastFirstMiddleSuffix|LastName|Empty"
)

_CONTACT = f"""
FileAs                      text   d
FileAsMapping               {_FILE_AS} -
DisplayName                 text   d
GivenName                   text   -
Initials                    text   -
MiddleName                  text   -
Nickname                    text   -
CompleteName                xml    rdcq
CompanyName                 text   d
EmailAddresses              dictionary d
PhysicalAddresses           dictionary d
PhoneNumbers                dictionary d
AssistantName               text   -
Birthday                    time   -
BusinessHomePage            text   -
Children                    strings -
Companies                   strings q
ContactSource               text   r
Department                  text   -
Generation                  text   -
ImAddresses                 dictionary d
JobTitle                    text   d
Manager                     text   -
Mileage                     text   -
OfficeLocation              text   -
PostalAddressIndex          None|Business|Home|Other -
Profession                  text   -
SpouseName                  text   -
Surname                     text   -
WeddingAnniversary          time   -
HasPicture                  bool   r false
PhoneticFullName            text   r
PhoneticFirstName           text   r
PhoneticLastName            text   r
Alias                       text   r
Notes                       text   r
Photo                       text   rbq
UserSMIMECertificate        xml    rbq
MSExchangeCertificate       xml    rbq
DirectoryId                 text   r
ManagerMailbox              xml    rbq
DirectReports               xml    rbq
"""

_MESSAGE = """
Sender                      xml    bd
ToRecipients                xml    b
CcRecipients                xml    b
BccRecipients               xml    b
IsReadReceiptRequested      bool   d false
IsDeliveryReceiptRequested  bool   d false
ConversationIndex           text   r
ConversationTopic           text   r
From                        xml    b
InternetMessageId           text   -
IsRead                      bool   d
IsResponseRequested         bool   -
References                  text   -
ReplyTo                     xml    b
ReceivedBy                  xml    rb
ReceivedRepresenting        xml    rb
"""

KNOWN_PREFIXES = frozenset(
    ["folder", "item", "message", "meeting", "meetingRequest", "calendar", "task", "contacts", "distributionlist"]
) | frozenset(["postitem", "conversation", "persona", "rolemember", "sharingMessage"])


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an item class. ``values`` is the closed vocabulary of an enumeration (empty for other kinds)."""

    name: str
    uri: str
    kind: str
    default: str | None
    values: tuple[str, ...]
    read_only: bool
    in_default_shape: bool
    big: bool
    searchable: bool
    computed: bool


def _rows(table: str, prefix: str, owner: str) -> list[Property]:
    rows = []
    for line in table.strip().splitlines():
        name, kind, *rest = line.split()
        flags, default = (rest or ["-"])[0], (rest[1] if len(rest) > 1 else None)
        rows.append(
            Property(
                name=name,
                uri=f"{prefix}:{name}",
                kind="enum" if "|" in kind else kind,
                default=default,
                values=tuple(kind.split("|")) if "|" in kind else (),
                read_only="r" in flags,
                in_default_shape="d" in flags or ("m" in flags and owner == "message"),
                big="b" in flags,
                searchable="q" not in flags,
                computed="c" in flags,
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class ItemKind:
    """One class of item: its element, its ``ItemClass`` and its properties in schema order."""

    element: str
    item_class: str
    folder_class: str
    properties: Mapping[str, Property]
    by_uri: Mapping[str, Property]


def _kind(element: str, item_class: str, folder_class: str, prefix: str, table: str) -> ItemKind:
    rows = _rows(_ITEM, "item", prefix) + _rows(table, prefix, prefix)
    return ItemKind(
        element,
        item_class,
        folder_class,
        MappingProxyType({row.name: row for row in rows}),
        MappingProxyType({row.uri: row for row in rows}),
    )


KINDS: Mapping[str, ItemKind] = MappingProxyType(
    {
        kind.element: kind
        for kind in (
            _kind("CalendarItem", "IPM.Appointment", "IPF.Appointment", "calendar", _CALENDAR),
            _kind("Task", "IPM.Task", "IPF.Task", "task", _TASK),
            _kind("Contact", "IPM.Contact", "IPF.Contact", "contacts", _CONTACT),
            _kind("Message", "IPM.Note", "IPF.Note", "message", _MESSAGE),
        )
    }
)

EXTENDED = "ExtendedProperty"
"""Extended properties stand between ``HasAttachments`` and ``Culture`` in the schema's sequence."""

DICTIONARIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "contacts:EmailAddress": ("EmailAddresses", ""),
        "contacts:PhoneNumber": ("PhoneNumbers", ""),
        "contacts:ImAddress": ("ImAddresses", ""),
        **{
            f"contacts:PhysicalAddress:{part}": ("PhysicalAddresses", part)
            for part in ("Street", "City", "State", "CountryOrRegion", "PostalCode")
        },
    }
)
"""Indexed field URIs, parts of an address in schema order: the dictionary they point into, and the part of the entry."""

_DICTIONARY_URIS = frozenset(
    ["contacts:PhysicalAddresses", "contacts:EmailAddresses", "contacts:PhoneNumbers", "contacts:ImAddresses"]
)


def known_uri(uri: str) -> bool:
    """Whether the schema's enumeration of field URIs has this one, as far as the sandbox's item classes go."""
    prefix, _, name = uri.partition(":")
    if prefix not in KNOWN_PREFIXES or not name:
        return False
    owner = {"item": "Message", "message": "Message", "calendar": "CalendarItem", "task": "Task", "contacts": "Contact"}
    if prefix not in owner:
        return True
    return uri in KINDS[owner[prefix]].by_uri or uri in _DICTIONARY_URIS or prefix == "message"
