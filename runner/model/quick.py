"""Frozen dataclasses that are made in a third of the time.

A frozen dataclass fills each of its fields through ``object.__setattr__``, which looks the field up by its name. Of the
values that a pass makes a dozen of for every item each is, while it is filled, an instance of a *draft*: a class of the same
slots that is not frozen, whose fields are filled by plain assignment. Before anybody sees it, it becomes what it shall be.
The values are as frozen as before, and equal, hash, copy and print as before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """Give a class made by ``@dataclass(frozen=True, slots=True)`` a faster ``__init__`` with the same parameters. It must
    have no subclasses.

    Raises ``TypeError`` for a class whose fields an ``__init__`` does not fill one by one in their order.
    """
    slots = tuple(one.name for one in fields(cls))  # type: ignore[arg-type]
    draft = type(cls.__name__, (), {"__slots__": slots})
    # The class of a frozen value is as frozen as its fields: it is set past its own ``__setattr__``.
    names: dict[str, Any] = {"_become": vars(object)["__class__"].__set__, "_draft": draft, "_final": cls}
    parameters: list[str] = []
    lines = ["_become(self, _draft)"]
    for one in fields(cls):  # type: ignore[arg-type]
        if not one.init or one.kw_only or hasattr(cls, "__post_init__"):
            raise TypeError(f"{cls.__name__}.{one.name} is not filled by position")
        value = one.name
        if one.default_factory is not MISSING:
            names[f"make_{one.name}"] = one.default_factory
            names[f"default_{one.name}"] = MISSING
            value = f"make_{one.name}() if {one.name} is default_{one.name} else {one.name}"
        elif one.default is not MISSING:
            names[f"default_{one.name}"] = one.default
        parameters.append(f"{one.name}=default_{one.name}" if f"default_{one.name}" in names else one.name)
        lines.append(f"self.{one.name} = {value}")
    lines.append("self.__class__ = _final")
    source = f"def __init__(self, {', '.join(parameters)}):\n    " + "\n    ".join(lines)
    exec(source, names)  # noqa: S102 - our own field names, as dataclasses itself does it
    made: Callable[..., None] = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__module__ = cls.__module__
    made.__annotations__ = {one.name: one.type for one in fields(cls)} | {"return": None}  # type: ignore[arg-type]
    cls.__init__ = made  # type: ignore[method-assign]
    return cls


__all__ = ["quick"]
