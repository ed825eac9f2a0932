"""The port ``TargetConnector`` over EWS: what the engine asks, in the fewest requests that answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from runner.config.plan import ExchangePlan
from runner.connectors.exchange import feed, search
from runner.connectors.exchange.attachments import (
    UNFINISHED,
    Attached,
    Digests,
    FileReader,
    FileWriter,
    concerns_files,
    plain,
    with_value,
    without_files,
)
from runner.connectors.exchange.codec import Advance, Codec, Decode
from runner.connectors.exchange.codecs import CODECS
from runner.connectors.exchange.directory import Directory
from runner.connectors.exchange.listening import Listening
from runner.connectors.exchange.mailbox import Mailbox
from runner.connectors.exchange.master import Master
from runner.connectors.exchange.names import Element, add, root
from runner.connectors.exchange.occurrences import SeriesWriter, concerns_series
from runner.connectors.exchange.requests import create_request, delete_request, update_request
from runner.connectors.exchange.series import read_series
from runner.connectors.exchange.services import ITEM_ID, CreateItem, DeleteItem, GetItem, UpdateItem
from runner.connectors.exchange.veil import veiling
from runner.model.errors import (
    ConnectorError,
    ContainerGone,
    Gone,
    Invalid,
    ProtocolFault,
    Throttled,
    Transient,
    VersionMoved,
)
from runner.model.items import Capabilities, ChangePage, Found, Identity, Item, LinkRef, Ref, Write, WriteResult
from runner.model.ports import Meter, Places
from runner.model.terms import Folder, Operation

_DOOMED = 3
"""Items in a row that fail like the whole batch did, before the fault is believed to be the server's."""


class ExchangeConnector(Listening):
    """One Exchange server. Safe to share between threads; close it when done.

    After a refused log-on it refuses everything itself: a new attempt takes a new connector.
    """

    def __init__(
        self, plan: ExchangePlan, password: str, places: Places | None = None, meter: Meter | None = None
    ) -> None:
        super().__init__(Directory(plan, password, places, meter))
        self._plan = plan
        self._digests = Digests()

    @property
    def capabilities(self) -> Capabilities:
        """Every entity that has a codec; meetings can be written without mail."""
        return Capabilities(entities=frozenset(CODECS))

    def check(self, link: LinkRef) -> None:
        """Raise what a pass over this link would meet: connection, log-on, access, folder."""
        with self._directory.following(link.user):
            mailbox = self._mailbox(link)
            mailbox.folders.pop(link.folder, None)
            self._folder(mailbox, link.folder)

    def changes(self, link: LinkRef, since: str | None) -> Iterator[ChangePage]:
        """Pages of changed and deleted ids since a watermark (None: everything). One request for each page."""
        mailbox = self._mailbox(link)
        try:
            yield from feed.changes(mailbox, self._folder(mailbox, link.folder), since, self._plan.page)
        except ConnectorError as error:
            if isinstance(error, ContainerGone):
                mailbox.folders.pop(link.folder, None)
            self._directory.doubt(link.user, error)
            raise

    def get(self, link: LinkRef, keys: Sequence[str]) -> Mapping[str, Item | ConnectorError]:
        """The items of these ids, every one answered; ``plan.batch`` of them per request.

        Raises when the server, the log-on or the mailbox is at fault rather than an item.
        """
        mailbox, decode = self._mailbox(link), veiling(_codec(link).decoder(link), link)
        distinct = list(dict.fromkeys(keys))
        answers: dict[str, Item | ConnectorError] = {}
        for first in range(0, len(distinct), self._plan.batch):
            batch = distinct[first : first + self._plan.batch]
            try:
                answers.update(self._items(mailbox, link, decode, batch))
            except Throttled:
                raise
            except (Transient, ProtocolFault) as fault:
                answers.update(self._one_by_one(mailbox, link, decode, batch, fault))
        return answers

    def write(self, link: LinkRef, writes: Sequence[Write]) -> Iterator[WriteResult]:
        """One request per write, sent when its result is asked for and never again; a series takes one for its master and
        one for each occurrence that differs.

        A delete is preceded by a read of the item's version: DeleteItem does not check a change key. What changes in
        the time of one round trip between the two is deleted with it (and can be taken back from Deleted Items).
        A recurring task's update may end its occurrence: its result then has no version, for the item has gone on.
        """
        mailbox = self._mailbox(link)
        for write in writes:
            try:
                yield self._written(mailbox, link, write)
            except ConnectorError as error:
                yield WriteResult(key=write.key, error=error)

    def find(self, link: LinkRef, identities: Sequence[Identity]) -> Sequence[Found]:
        """Every holder of these identities in the folder, in other folders of its class, and among the deleted."""
        mailbox = self._mailbox(link)
        known = list(dict.fromkeys(identity for identity in identities if identity.stamp or identity.native))
        if not known:
            return ()
        return search.find(mailbox, link, _codec(link).native, self._folder(mailbox, link.folder), known)

    def content(self, link: LinkRef, key: str, file: str) -> bytes:
        """The bytes of one file of an item (B-45), asked for anew."""
        if link.files is None:
            raise Gone(f"{link.name} keeps no attachments in step")
        return FileReader(self._mailbox(link), link.files, self._digests).wanted(key, file)

    def close(self) -> None:
        """Close every connection but the hanging ones, whose readers close them."""
        self._directory.close()

    def _mailbox(self, link: LinkRef) -> Mailbox:
        _codec(link)
        return self._directory.mailbox(link.user)

    def _folder(self, mailbox: Mailbox, folder: Folder) -> str:
        known = mailbox.folders.get(folder)
        if known is None:
            answer = search.folder_ids(mailbox, (mailbox.folder_name(folder),))[0]
            if isinstance(answer, ConnectorError):
                raise answer
            known = mailbox.folders[folder] = answer
        return known

    def _items(
        self, mailbox: Mailbox, link: LinkRef, decode: Decode, keys: Sequence[str]
    ) -> Mapping[str, Item | ConnectorError]:
        request = root("GetItem")
        request.append(_codec(link).shape(link.record_fields))
        wanted = add(request, "m:ItemIds")
        for key in keys:
            add(wanted, "t:ItemId", Id=key)
        answers = GetItem(mailbox, decode).ask(request)
        if len(answers) != len(keys):
            raise ProtocolFault(f"GetItem answered {len(answers)} times for {len(keys)} items", code="answers-missing")
        answers = [
            self._with_files(mailbox, link, answer) if isinstance(answer, Attached) else answer for answer in answers
        ]
        answers = [
            read_series(mailbox, link, answer, self._plan.batch) if isinstance(answer, Master) else answer
            for answer in answers
        ]
        if len(keys) == 1:
            # Asked for alone there is no doubt which item is meant, even if the server writes its id in another way.
            return {keys[0]: replace(only, key=keys[0]) if isinstance(only := answers[0], Item) else only}
        for key, answer in zip(keys, answers, strict=True):
            if isinstance(answer, Item) and answer.key != key:
                raise ProtocolFault("GetItem answered with another item than was asked for", code="answers-mixed")
        return dict(zip(keys, answers, strict=True))

    def _with_files(self, mailbox: Mailbox, link: LinkRef, answer: Attached) -> Item | Master | ConnectorError:
        """The item with its attachments (B-45). What is wrong with one of them is the item's fault alone."""
        assert link.files is not None  # noqa: S101 - by construction: the link asked for them
        try:
            return with_value(answer.bare, FileReader(mailbox, link.files, self._digests).value(answer.files))
        except Gone:
            return Transient("an attachment went while the item was read", code="attachment-gone")
        except Invalid as error:
            return error

    def _one_by_one(
        self, mailbox: Mailbox, link: LinkRef, decode: Decode, keys: Sequence[str], fault: ConnectorError
    ) -> Mapping[str, Item | ConnectorError]:
        """A batch that failed as a whole, item by item: the culprit becomes ``Invalid``, its neighbours live on."""
        if len(keys) == 1:
            return {keys[0]: _culprit(fault)}
        answers: dict[str, Item | ConnectorError] = {}
        for key in keys:
            try:
                answers.update(self._items(mailbox, link, decode, [key]))
            except Throttled:
                raise
            except (Transient, ProtocolFault) as alone:
                answers[key] = _culprit(alone)
                if len(answers) == _DOOMED and all(isinstance(answer, ConnectorError) for answer in answers.values()):
                    raise fault from None
        return answers

    def _written(self, mailbox: Mailbox, link: LinkRef, write: Write) -> WriteResult:
        if link.files is None or write.operation is Operation.DELETE:
            return self._written_plain(mailbox, link, write)
        rest = plain(write)
        done = WriteResult(write.key, write.version)
        if rest.fields or rest.stamp or write.operation is Operation.CREATE:
            done = self._written_plain(mailbox, without_files(link), rest)
        if not concerns_files(link, write) or not done.key:
            return done
        if done.error is not None:
            return replace(done, unfinished=done.unfinished | UNFINISHED)
        writer = FileWriter(FileReader(mailbox, link.files, self._digests))
        return writer.bring(done.key, done.version or "", write, begun=done.version != write.version)

    def _written_plain(self, mailbox: Mailbox, link: LinkRef, write: Write) -> WriteResult:
        codec = _codec(link)
        if concerns_series(link, write) and (write.operation is Operation.CREATE or (write.key and write.version)):
            return SeriesWriter(codec, mailbox, link, self._plan.batch).write(write)
        if write.operation is Operation.CREATE:
            key, version = CreateItem(mailbox).one(create_request(codec, mailbox, link, write))
            return WriteResult(key, version)
        if not write.key or not write.version:
            raise ProtocolFault(f"a {write.operation} without a precondition is never sent", code="no-precondition")
        if write.operation is Operation.DELETE:
            self._demand_version(mailbox, write)
            DeleteItem(mailbox).one(delete_request(write, codec.deletion))
            return WriteResult(write.key)
        if (
            codec.advance
            and codec.advance.possible(write)
            and self._advanced(mailbox, link, codec, codec.advance, write)
        ):
            return WriteResult(write.key)
        request = update_request(codec, link, write)
        if request is None:
            return WriteResult(write.key, write.version)
        key, version = UpdateItem(mailbox).one(request)
        if codec.advance and key != write.key:
            # The change left a one-off item behind, whose id this is; the item went on under its own, to a version that
            # nobody told (UpdateItem operation (task)).
            return WriteResult(write.key)
        return WriteResult(key, version)

    def _advanced(self, mailbox: Mailbox, link: LinkRef, codec: Codec, advance: Advance, write: Write) -> bool:
        """Take a recurring item to its next occurrence, if that is what the write means."""
        held = self._items(mailbox, link, codec.decoder(link), [write.key or ""])[write.key or ""]
        if isinstance(held, ConnectorError):
            raise held
        if held.version != write.version:
            raise VersionMoved("the item changed since it was read", code="change-key-moved")
        if not advance.meant(held.values, write):
            return False
        DeleteItem(mailbox).one(delete_request(write, advance.deletion))
        return True

    def _demand_version(self, mailbox: Mailbox, write: Write) -> None:
        request = root("GetItem")
        add(add(request, "m:ItemShape"), "t:BaseShape", "IdOnly")
        add(add(request, "m:ItemIds"), "t:ItemId", Id=write.key or "")
        ref: Ref = GetItem(mailbox, _ref).one(request)
        if ref.version != write.version:
            raise VersionMoved("the item changed since it was read", code="change-key-moved")


def _codec(link: LinkRef) -> Codec:
    codec = CODECS.get(link.entity)
    if codec is None:
        raise ProtocolFault(f"{link.name}: Exchange has no {link.entity} records", code="entity-unsupported")
    return codec


def _ref(element: Element) -> Ref:
    item_id = element.find(ITEM_ID)
    if item_id is None:
        raise ProtocolFault("an item without an id", code="unreadable-answer")
    return Ref(item_id.get("Id", ""), item_id.get("ChangeKey"))


def _culprit(fault: ConnectorError) -> ConnectorError:
    """What a lone item is told when its request failed as a whole: an unreadable one waits, a busy server is retried."""
    return Invalid(str(fault), code=fault.code) if isinstance(fault, ProtocolFault) else fault
