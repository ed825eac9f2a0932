"""How EWS says no: per item (a response message of class Error) or for the whole request (a SOAP fault)."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "ErrorAccessDenied": "Access is denied. Check credentials and try again.",
    "ErrorAffectedTaskOccurrencesRequired": "AffectedTaskOccurrences attribute must be specified for Task items.",
    "ErrorCalendarCannotMoveOrCopyOccurrence": "Cannot move or copy an occurrence of a recurring calendar item.",
    "ErrorCalendarCannotUseIdForOccurrenceId": "The ID is not the ID of an occurrence.",
    "ErrorCalendarCannotUseIdForRecurringMasterId": "The ID is not the ID of a recurring master item.",
    "ErrorCalendarDurationIsTooLong": "Duration exceeded the maximum duration limit of 5 years.",
    "ErrorCalendarEndDateIsEarlierThanStartDate": "EndDate is earlier than StartDate",
    "ErrorCalendarFolderIsInvalidForCalendarView": "A calendar view needs a calendar folder.",
    "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange": "Occurrence index is out of recurrence range.",
    "ErrorCalendarOccurrenceIsDeletedFromRecurrence": "Occurrence with this index was previously deleted from the "
    "recurrence.",
    "ErrorCalendarViewRangeTooBig": "The specified view range exceeds the maximum range of two years.",
    "ErrorCalendarIsCancelledForAccept": "You cannot accept a meeting that has been cancelled.",
    "ErrorCalendarIsCancelledForDecline": "You cannot decline a meeting that has been cancelled.",
    "ErrorCalendarIsCancelledForTentative": "You cannot tentatively accept a meeting that has been cancelled.",
    "ErrorCalendarIsNotOrganizer": "Only the organizer of a meeting can cancel it.",
    "ErrorCalendarIsOrganizerForAccept": "The organizer of a meeting cannot accept it.",
    "ErrorCalendarIsOrganizerForDecline": "The organizer of a meeting cannot decline it.",
    "ErrorCalendarIsOrganizerForTentative": "The organizer of a meeting cannot tentatively accept it.",
    "ErrorCannotCreateCalendarItemInNonCalendarFolder": "Cannot create a calendar item in a non-calendar folder.",
    "ErrorCannotCreateContactInNonContactFolder": "Cannot create a contact item in a non-contact folder.",
    "ErrorCannotCreateTaskInNonTaskFolder": "Cannot create a task item in a non-task folder.",
    "ErrorCannotDeleteTaskOccurrence": "The task is not recurring, or this is its last occurrence.",
    "ErrorCannotUseFolderIdForItemId": "Id is a folder Id, not an item Id.",
    "ErrorCannotUseItemIdForFolderId": "Id is an item Id, not a folder Id.",
    "ErrorChangeKeyRequiredForWriteOperations": "Change key is required for this operation.",
    "ErrorDeleteDistinguishedFolder": "Distinguished folders cannot be deleted.",
    "ErrorDistinguishedUserNotSupported": "Distinguished user is not supported.",
    "ErrorExceededConnectionCount": "You have exceeded the available concurrent connections for your account.",
    "ErrorExceededSubscriptionCount": "You have exceeded the subscription limit for your account.",
    "ErrorExceededFindCountLimit": "You have exceeded the maximum number of objects that can be returned by a Find.",
    "ErrorFolderExists": "A folder with the specified name already exists.",
    "ErrorFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorImpersonateUserDenied": "The account does not have permission to impersonate the requested user.",
    "ErrorIncorrectUpdatePropertyCount": "An object within a change description must contain one and only one "
    "property to modify.",
    "ErrorInternalServerError": "An internal server error occurred. The operation failed.",
    "ErrorInvalidAttachmentId": "The attachment ID is not valid.",
    "ErrorInvalidChangeKey": "The change key is invalid.",
    "ErrorInvalidExtendedProperty": "The property definition of an extended property is not valid.",
    "ErrorInvalidExtendedPropertyValue": "The value of an extended property does not fit its type.",
    "ErrorInvalidId": "The ID is not valid.",
    "ErrorInvalidIdMalformed": "Id is malformed.",
    "ErrorInvalidOperation": "The operation is not valid for this object.",
    "ErrorInvalidPropertyDelete": "Property is not valid for a delete operation.",
    "ErrorInvalidPropertyRequest": "Property is not valid for this object type.",
    "ErrorInvalidPropertySet": "Set action is invalid for property.",
    "ErrorInvalidRequest": "The request is invalid.",
    "ErrorInvalidServerVersion": "The specified server version is invalid.",
    "ErrorInvalidSyncStateData": "Synchronization state data is corrupt or otherwise invalid.",
    "ErrorIrresolvableConflict": "The send or update operation could not be performed because the change key passed in "
    "the request does not match the current change key for the item.",
    "ErrorInvalidSubscription": "The subscription is not of the right kind for this operation.",
    "ErrorInvalidWatermark": "The watermark used for creating this subscription was not found.",
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorMailboxMoveInProgress": "Mailbox move in progress. Try again later.",
    "ErrorMailboxStoreUnavailable": "The mailbox database is temporarily unavailable.",
    "ErrorMessageDispositionRequired": "Message disposition is required for this request.",
    "ErrorMissedNotificationEvents": "A notification event was missed.",
    "ErrorNameResolutionNoResults": "No results were found.",
    "ErrorNonExistentMailbox": "The SMTP address has no mailbox associated with it.",
    "ErrorOccurrenceCrossingBoundary": "Modified occurrence is crossing or overlapping adjacent occurrence.",
    "ErrorOccurrenceTimeSpanTooBig": "The time span of the occurrence overlaps another occurrence of its series.",
    "ErrorProxyRequestNotAllowed": "The mailbox is on another server. Use Autodiscover to find it.",
    "ErrorQuotaExceeded": "The user's mailbox has exceeded its quota.",
    "ErrorRecurrenceHasNoOccurrence": "The recurrence has no occurrences in its range.",
    "ErrorSchemaValidation": "The request failed schema validation.",
    "ErrorSendMeetingCancellationsRequired": "SendMeetingCancellations attribute is required for Calendar items.",
    "ErrorSendMeetingInvitationsOrCancellationsRequired": "SendMeetingInvitationsOrCancellations attribute is required "
    "for calendar items.",
    "ErrorSendMeetingInvitationsRequired": "SendMeetingInvitations attribute is required for calendar items.",
    "ErrorRequiredPropertyMissing": "Required property is missing.",
    "ErrorServerBusy": "The server cannot service this request right now. Try again later.",
    "ErrorSubscriptionAccessDenied": "Access to the specified subscription was denied.",
    "ErrorSubscriptionNotFound": "The specified subscription was not found.",
    "ErrorSubscriptionUnsubscribed": "The subscription was unsubscribed.",
    "ErrorSyncFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorTimeZone": "The specified time zone is not valid.",
    "ErrorUnsupportedPathForQuery": "The property can not be used with this type of restriction.",
    "ErrorUnsupportedPathForSortGroup": "The property can not be used for sorting or grouping results.",
}


class EwsError(Exception):
    """A fault of one item of a request; the other items of the batch go on."""

    def __init__(self, code: str, text: str | None = None, *, values: Mapping[str, str] | None = None) -> None:
        super().__init__(text or TEXTS.get(code, code))
        self.code = code
        self.text = str(self)
        self.values = dict(values or {})
        """Goes out as ``MessageXml`` (``BackOffMilliseconds`` and the like)."""


class SoapFault(EwsError):
    """A fault of the whole request: HTTP 500 with a SOAP fault that carries the response code."""


class SchemaViolation(SoapFault):
    """The request does not fit the schema: the fault names line, column and violation (Handling errors in EWS)."""

    def __init__(self, violation: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__("ErrorSchemaValidation", f"The request failed schema validation: {violation}")
        self.violation, self.line, self.column = violation, line, column
