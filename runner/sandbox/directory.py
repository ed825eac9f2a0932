"""A tiny LDAP directory: for the demo, and for what OpenLDAP and Samba do not show (ranges, cookies that die, silence).

It answers binds and searches only, and looks at no filter: a search over a subtree finds every entry below its base, one of
a base that entry. Messages are BER as in RFC 4511; the few forms that are needed are written out here.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

PAGED = b"1.2.840.113556.1.4.319"
Entries = Sequence[tuple[str, Mapping[str, Sequence[bytes]]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A result code with its diagnostic text."""

    code: int = 0
    text: str = ""


@dataclass
class FakeLdap:
    """Use as a context manager. ``dying``: the page whose cookie is not known any more; ``silent_from``: from which search
    on nothing is answered; ``ranged``: values that one answer gives at most; ``rooted``: entries are found below
    their bases only."""

    entries: Entries = ()
    bind: Answer = Answer()
    paging: bool = True
    dying: int = 0
    empty_last: bool = False
    references: Sequence[str] = ()
    silent: bool = False
    silent_from: int = 0
    ranged: int = 0
    range_gap: bool = False
    rooted: bool = False
    searches: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self.hang_up()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def url(self) -> str:
        """Where it listens: a free port on loopback."""
        return f"ldap://127.0.0.1:{self._listener.getsockname()[1]}"

    def hang_up(self) -> None:
        """Cut every open connection."""
        for one in self._open:
            with _quietly():
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(None)
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, _quietly():
            while message := _message(connection):
                if self.silent:
                    continue
                _, (number, operation, *rest) = _sequence(message)
                tag, body = operation
                controls = _children(rest[0][1]) if rest else []
                if tag == 0x60:
                    connection.sendall(_reply(_integer_of(number[1]), _done(0x61, self.bind)))
                elif tag == 0x63:
                    self.searches += 1
                    if not (self.silent_from and self.searches >= self.silent_from):
                        connection.sendall(self._search(_integer_of(number[1]), body, controls))
                elif tag == 0x42:
                    return

    def _search(self, number: int, body: bytes, controls: list[tuple[int, bytes]]) -> bytes:
        base, scope, *_, attributes = _children(body)
        wanted = [value.decode().lower() for _, value in _children(attributes[1])]
        dn, whole = base[1].decode(), scope[1] != b"\0"
        found = [entry for entry in self.entries if entry[0] == dn or (whole and self._is_below(entry[0], dn))]
        paging = next((c for c in (_children(each[1]) for each in controls) if c[0][1] == PAGED), None)
        answers: list[bytes] = []
        reply_controls = b""
        result = Answer()
        if paging is not None and self.paging:
            size, cookie = _children(_children(paging[-1][1])[0][1])
            start, most = int(cookie[1] or b"0"), _integer_of(size[1])
            if self.dying and cookie[1] and start // most + 1 >= self.dying:
                result = Answer(2, "paged results cookie is invalid")
                found = []
            after = start + most
            more = after < len(found) or (self.empty_last and after == len(found))
            found = found[start:after]
            value = _tlv(0x30, _tlv(2, b"\0") + _tlv(4, str(after).encode() if more else b""))
            reply_controls = _tlv(0xA0, _tlv(0x30, _tlv(4, PAGED) + _tlv(4, value)))
        answers += [_reply(number, _entry(dn, self._given(attributes, wanted))) for dn, attributes in found]
        answers += [_reply(number, _tlv(0x73, _tlv(4, uri.encode()))) for uri in self.references]
        return b"".join([*answers, _reply(number, _done(0x65, result), reply_controls)])

    def _is_below(self, dn: str, base: str) -> bool:
        """Whether a search over a subtree finds the entry. Without bases of its own the server gives everything."""
        return not self.rooted or dn.endswith(f",{base}")

    def _given(self, attributes: Mapping[str, Sequence[bytes]], wanted: Sequence[str]) -> dict[str, Sequence[bytes]]:
        given: dict[str, Sequence[bytes]] = {}
        for name, values in attributes.items():
            asked = next((each for each in wanted if each.partition(";")[0] == name.lower() or each == "*"), None)
            if asked is None:
                continue
            if not self.ranged or len(values) <= self.ranged:
                given[name] = values
                continue
            start = int(asked.partition(";range=")[2].partition("-")[0] or 0)
            start += 7 if self.range_gap and start else 0
            end = min(start + self.ranged, len(values))
            last = "*" if end == len(values) else str(end - 1)
            given[f"{name};range={start}-{last}"] = values[start:end]
        return given


class _quietly:  # noqa: N801 - reads as the words that it is used in
    """Inside, a connection may end."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return isinstance(error, OSError)


def _message(connection: socket.socket) -> bytes:
    """One whole message; empty at the end."""
    head = _exactly(connection, 2)
    if len(head) < 2:
        return b""
    length = head[1]
    if length & 0x80:
        more = _exactly(connection, length & 0x7F)
        head += more
        length = int.from_bytes(more, "big")
    return head + _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count and (part := connection.recv(count - len(got))):
        got += part
    return got


def _sequence(data: bytes) -> tuple[int, list[tuple[int, bytes]]]:
    ((tag, body),) = _children(data)
    return tag, _children(body)


def _children(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _integer_of(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _tlv(tag: int, body: bytes) -> bytes:
    length = len(body)
    if length < 0x80:
        return bytes([tag, length]) + body
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def _reply(number: int, operation: bytes, controls: bytes = b"") -> bytes:
    identifier = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    return _tlv(0x30, _tlv(2, identifier) + operation + controls)


def _done(tag: int, answer: Answer) -> bytes:
    return _tlv(tag, _tlv(10, bytes([answer.code])) + _tlv(4, b"") + _tlv(4, answer.text.encode()))


def _entry(dn: str, attributes: Mapping[str, Sequence[bytes]]) -> bytes:
    told = b"".join(
        _tlv(0x30, _tlv(4, name.encode()) + _tlv(0x31, b"".join(_tlv(4, value) for value in values)))
        for name, values in attributes.items()
    )
    return _tlv(0x64, _tlv(4, dn.encode()) + _tlv(0x30, told))
