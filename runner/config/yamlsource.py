"""YAML text → plain data with the position of every value and key in a side table.

The text is read event by event with a stack of our own, so that nesting costs no recursion and nothing is expanded:
anchors, aliases, tags and merge keys are refused where they stand. What is refused is noted and reading goes on, so that
one run shows every mistake; only a syntax error ends a file. Paths at or below a refused value are ``poisoned``: nothing
sensible can be said about them. libyaml parses; a text that it rejects is parsed again in Python for a better message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from runner.config.findings import Findings
from runner.config.scalars import NumberTooLarge, core_value
from runner.config.syntax import place_of, tell
from runner.model.diagnostics import Diagnostic, Span

Path = tuple[str | int, ...]
Region = tuple[int, int, int, int]

MAX_BYTES = 8 * 1024 * 1024
MAX_NODES = 500_000
MAX_DEPTH = 64
MAX_REFUSALS = 50
READ_AS = {
    dict: "mapping",
    list: "list",
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "nothing (null)",
}
"""What operators call the types of data."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


@dataclass(slots=True)
class Source:
    """One file as data, with its positions. ``complete`` is False when a syntax error cut it short (``data`` is None)."""

    file: str
    text: str
    data: Any = None
    values: dict[Path, Region] = field(default_factory=dict)
    keys: dict[Path, Region] = field(default_factory=dict)
    poisoned: set[Path] = field(default_factory=set)
    diagnostics: tuple[Diagnostic, ...] = ()
    complete: bool = True

    def span(self, path: Path) -> Span:
        """Where the value at a path is, or its nearest parent."""
        while path not in self.values and path:
            path = path[:-1]
        return Span(self.file, *self.values.get(path, (1, 1, 1, 1)))

    def key_span(self, path: Path) -> Span:
        """Where the key of a path is; the value's place when it has none (list items, the document)."""
        region = self.keys.get(path)
        return Span(self.file, *region) if region else self.span(path)

    def value(self, path: Path) -> Any:
        """The value at a path of ``values``."""
        value = self.data
        for part in path:
            value = value[part]
        return value

    def is_poisoned(self, path: Path) -> bool:
        """Whether a path or one of its parents was refused."""
        return bool(self.poisoned) and any(path[:length] in self.poisoned for length in range(len(path) + 1))


@dataclass(slots=True)
class _Frame:
    """An open collection. ``path`` None: inside something refused, read only to find its end."""

    value: dict[str, Any] | list[Any]
    path: Path | None
    region: Region
    flow: bool
    as_key: bool = False
    key: str | None = None
    key_open: bool = False
    last_end: tuple[int, int] | None = None


def read(data: bytes, file: str) -> Source:
    """Read one document. Never raises for what a file may hold: every finding is in the result's ``diagnostics``."""
    source = Source(file, "")
    findings = Findings()
    start = Span(file, 1, 1, 1, 1)
    if len(data) > MAX_BYTES:
        findings.error(
            "too-large",
            f"the file has {len(data)} bytes; at most {MAX_BYTES} are read",
            start,
            hint="split it: several files in the directory are read together",
        )
    else:
        try:
            source.text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = data[: error.start].decode("utf-8-sig", errors="replace")
            line, column = place_of(before)
            span = Span(file, line, column, line, column + 1)
            hint = "save the file as UTF-8"
            findings.error("not-utf8", f"byte 0x{data[error.start]:02x} is not UTF-8", span, hint=hint)
    if findings.has_errors:
        source.complete = False
    else:
        _Reader(source, findings).run()
    source.diagnostics = findings.sorted()
    return source


def _region(event: Any) -> Region:
    start, end = event.start_mark, event.end_mark
    return (start.line + 1, start.column + 1, end.line + 1, end.column + 1)


class _Reader:
    """Turns one stream of YAML events into a :class:`Source`."""

    def __init__(self, source: Source, findings: Findings) -> None:
        self.source = source
        self.findings = findings
        self.stack: list[_Frame] = []
        self.nodes = 0
        self.refusals = 0
        self.documents = 0

    def run(self) -> None:
        try:
            for event in _events(self.source.text):
                if not self._take(event):
                    self._abandon()
                    return
        except yaml.YAMLError as error:
            tell(self.source.text, self.source.file, error, self.findings)
            self._abandon()

    def _abandon(self) -> None:
        self.source.complete = False
        self.source.data = None

    def _take(self, event: Any) -> bool:
        """Handle one event; False ends the file."""
        if isinstance(event, yaml.ScalarEvent):
            return self._counted(event) and self._scalar(event)
        if isinstance(event, yaml.CollectionStartEvent):
            return self._counted(event) and self._open(event)
        if isinstance(event, yaml.CollectionEndEvent):
            self._close(event)
        elif isinstance(event, yaml.AliasEvent):
            self._refuse(
                "yaml-alias",
                "aliases are not supported",
                _region(event),
                "write the value out, or use 'defaults:'; quote a text that starts with '*'",
            )
            self._place(None, _region(event), poison=True)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._refuse("yaml-documents", "only one document per file", _region(event), "use one file each")
                return False
        return self.refusals <= MAX_REFUSALS

    def _counted(self, event: Any) -> bool:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            hint = "split it: several files in the directory are read together"
            self._refuse("too-large", f"the file has more than {MAX_NODES} values", _region(event), hint)
            return False
        return True

    def _refuse(self, code: str, message: str, region: Region, hint: str | None = None) -> None:
        self.refusals += 1
        self.findings.error(code, message, Span(self.source.file, *region), hint=hint, pointer=pointer(self._path()))

    def _path(self) -> Path:
        """The path of the value that is expected next (or of its nearest parent inside something refused)."""
        for frame in reversed(self.stack):
            if frame.path is not None:
                return self._child(frame)
        return ()

    @staticmethod
    def _child(frame: _Frame) -> Path:
        assert frame.path is not None  # noqa: S101  (asked only of frames that are kept)
        if isinstance(frame.value, list):
            return (*frame.path, len(frame.value))
        return frame.path if frame.key is None else (*frame.path, frame.key)

    def _expects_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, dict) and not self.stack[-1].key_open

    def _properties(self, event: Any) -> bool:
        """Refuse anchors and tags; True when the node had a tag."""
        region = _region(event)
        if event.anchor is not None:
            hint = "write the value out where it is needed; quote a text that starts with '&'"
            self._refuse("yaml-alias", "anchors are not supported", region, hint)
        if event.tag is not None:
            hint = "leave the tag out; quote a text that starts with '!'"
            self._refuse("yaml-tag", "tags are not supported", region, hint)
            return True
        return False

    def _scalar(self, event: Any) -> bool:
        region = _region(event)
        tagged = self._properties(event)
        plain = bool(event.implicit[0])
        value: Any = event.value
        if plain:
            try:
                value = core_value(event.value)
            except NumberTooLarge:
                if not self._expects_key():
                    self._refuse(
                        "bad-number", "this number is not finite or too large", region, "quote it if it is text"
                    )
                    self._place(None, region, poison=True)
                    return self.refusals <= MAX_REFUSALS
        if self._expects_key():
            self._key(event.value, value, region, plain)
        else:
            self._place(value, region, poison=tagged)
        return self.refusals <= MAX_REFUSALS

    def _key(self, text: str, value: Any, region: Region, plain: bool) -> None:
        frame = self.stack[-1]
        frame.key_open, frame.key = True, text
        if frame.path is None:
            return
        path = (*frame.path, text)
        assert isinstance(frame.value, dict)  # noqa: S101  (keys are expected of mappings only)
        if plain and text == "<<":
            self._refuse("yaml-merge", "merge keys ('<<') are not supported", region, "use 'defaults:'")
        elif not isinstance(value, str):
            read_as = READ_AS[type(value)]
            hint = f'quote it: "{text}"' if text else "a key is missing before ':'"
            self._refuse("yaml-key", f"keys must be text; this one reads as {read_as}", region, hint)
            self.source.poisoned.add(path)
        elif text in frame.value:
            self.findings.error(
                "duplicate-key",
                f"{text!r} is given twice in this mapping",
                Span(self.source.file, *region),
                hint="keep one of the two",
                pointer=pointer(path),
                related=self.source.key_span(path),
            )
            self.refusals += 1
        else:
            self.source.keys[path] = region
            return
        frame.key = None

    def _open(self, event: Any) -> bool:
        region = _region(event)
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(
                "too-deep", f"values are nested more than {MAX_DEPTH} deep", region, "is a bracket never closed?"
            )
            return False
        tagged = self._properties(event)
        as_key = self._expects_key()
        parent = self.stack[-1] if self.stack else None
        path: Path | None = ()
        if as_key and parent is not None:
            self._collection_key(event, parent, region)
            path = None
        elif parent is not None:
            dropped = parent.path is None or (isinstance(parent.value, dict) and parent.key is None)
            path = None if dropped else self._child(parent)
        if tagged and path is not None:
            self.source.poisoned.add(path)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.stack.append(_Frame(value, path, region, bool(event.flow_style), as_key))
        return self.refusals <= MAX_REFUSALS

    def _collection_key(self, event: Any, parent: _Frame, region: Region) -> None:
        if parent.path is None:
            return
        jinja = event.flow_style and parent.flow and parent.region[:2] == (region[0], region[1] - 1)
        if jinja and isinstance(event, yaml.MappingStartEvent):
            self._refuse(
                "yaml-key",
                "'{{' opens a mapping inside a mapping here",
                (region[0], region[1] - 1, region[0], region[1] + 1),
                "expressions are written without '{{ }}'; quote the value if the braces are meant as text",
            )
        else:
            self._refuse("yaml-key", "keys must be text, not mappings or lists", region, "quote it if it is text")
        if parent.flow:
            self.source.poisoned.add(parent.path)

    def _close(self, event: Any) -> None:
        frame = self.stack.pop()
        end = event.end_mark
        if frame.flow:
            region = (*frame.region[:2], end.line + 1, end.column + 1)
        else:
            # A block collection's own end mark lies at the next token, often lines below its last value.
            region = (*frame.region[:2], *(frame.last_end or frame.region[2:]))
        if frame.as_key:
            parent = self.stack[-1]
            parent.key_open, parent.key = True, None
        else:
            self._place(frame.value, region)

    def _place(self, value: Any, region: Region, *, poison: bool = False) -> None:
        """Put a finished value where the innermost open collection expects it."""
        if not self.stack:
            self.source.data = value
            self.source.values[()] = region
            if poison:
                self.source.poisoned.add(())
            return
        frame = self.stack[-1]
        frame.last_end = (region[2], region[3])
        if self._expects_key():  # an alias as a key
            frame.key_open, frame.key = True, None
            return
        wanted = frame.path is not None and not (isinstance(frame.value, dict) and frame.key is None)
        if wanted:
            path = self._child(frame)
            self.source.values[path] = region
            if poison:
                self.source.poisoned.add(path)
            if isinstance(frame.value, list):
                frame.value.append(value)
            elif frame.key is not None:
                frame.value[frame.key] = value
        frame.key_open, frame.key = False, None


def _events(text: str) -> Iterator[Any]:
    loader = _Loader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()
