"""What a plain YAML scalar means: the core schema of YAML 1.2 (chapter 10.3), with leading zeros left as text.

So ``no``, ``on``, ``012345``, ``12:30:45``, ``1_000`` and ``2026-03-29`` are text; the JSON Schemas decide what is wanted.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z")
_SUSPECTS = frozenset("-+.0123456789~nNtTfF")
_DIGITS = 18
"""Longest number that is taken as one: every 64-bit column holds it."""


class NumberTooLarge(ValueError):
    """The scalar reads as a number that is not finite or has too many digits."""


def core_value(text: str) -> Scalar:
    """The value of a plain scalar. Raises :class:`NumberTooLarge` for what no field could hold."""
    if text and text[0] not in _SUSPECTS:
        return text
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    for pattern, base in ((_INTEGER, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.match(text):
            if len(text.lstrip("+-")) > _DIGITS:
                raise NumberTooLarge(text)
            return int(text, base)
    if _NOT_FINITE.match(text):
        raise NumberTooLarge(text)
    if _FLOAT.match(text) and not _LEADING_ZERO.match(text):
        number = float(text)
        if not math.isfinite(number):
            raise NumberTooLarge(text)
        return number
    return text
