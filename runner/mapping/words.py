"""The words of one expression and where each stands in the file, so that a mistake is shown under its own characters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from jinja2.lexer import Lexer

from runner.mapping.positions import Alignment
from runner.model.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Word:
    """One token: its offset and line in the expression, and its text."""

    start: int
    line: int
    text: str


class Words:
    """One expression's source, its tokens and their places. Jinja2's tree knows lines only; its tokens know it all."""

    def __init__(self, lexer: Lexer, source: str, span: Span, file_text: str) -> None:
        self.source = source
        self._lexer, self._span, self._file_text = lexer, span, file_text
        self._taken: set[int] = set()

    @cached_property
    def _alignment(self) -> Alignment:
        return Alignment(self._file_text, self._span, self.source)

    @cached_property
    def tokens(self) -> tuple[Word, ...]:
        """Everything but white space. Raises ``TemplateSyntaxError``."""
        at, found = 0, []
        for line, kind, text in self._lexer.tokeniter(self.source, None, state="variable"):
            if kind != "whitespace":
                found.append(Word(at, line, text))
            at += len(text)
        return tuple(found)

    def span(self, start: int, end: int) -> Span:
        """The place of a stretch of the source."""
        return self._alignment.span(start, end)

    def span_of(self, word: Word | None) -> Span:
        """The place of a word; of the whole expression when there is none."""
        return self.whole if word is None else self.span(word.start, word.start + len(word.text))

    @property
    def whole(self) -> Span:
        """The place of the whole expression."""
        return self.span(0, len(self.source.rstrip()))

    def from_end(self, rest: int) -> Span:
        """The place of the token that stands ``rest`` tokens from the end, itself included; 0 = behind the last."""
        if 0 < rest <= len(self.tokens):
            return self.span_of(self.tokens[len(self.tokens) - rest])
        end = len(self.source.rstrip())
        return self.span(end - 1, end)

    def find(self, text: str, line: int, *, after: Iterable[str] = ()) -> Word | None:
        """The next occurrence of a word, from a line of the expression on, that was not asked for yet.

        ``after`` names the tokens of which one must stand right before it.
        """
        before = frozenset(after)
        previous = ""
        for word in self.tokens:
            fits = word.text == text or word.text in (f"'{text}'", f'"{text}"')
            if fits and word.line >= line and word.start not in self._taken and (not before or previous in before):
                self._taken.add(word.start)
                return word
            previous = word.text
        return None
