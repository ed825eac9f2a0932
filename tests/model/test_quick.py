"""Values that are made quickly are the dataclasses that they would be otherwise."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from runner.engine.decide import Decided
from runner.model.items import Item, Ref, Write, WriteResult
from runner.model.quick import quick
from runner.model.state import Base, Intent, LedgerEntry, Mark, Pairing
from runner.model.terms import Operation, Side
from runner.reconcile.decision import Change, Decision, Presented

QUICK = (Base, Change, Decided, Decision, Intent, Item, LedgerEntry, Mark, Pairing, Presented, Ref, Write, WriteResult)


@pytest.mark.parametrize("cls", QUICK, ids=lambda cls: cls.__name__)
def test_a_quick_class_takes_what_its_dataclass_would_take(cls: type) -> None:
    parameters = list(inspect.signature(cls).parameters.values())
    assert [one.name for one in parameters] == [one.name for one in fields(cls)]
    values = {one.name: object() for one in fields(cls)}
    by_name, by_place = cls(**values), cls(*values.values())
    for name, value in values.items():
        assert getattr(by_name, name) is value
        assert getattr(by_place, name) is value
    assert by_name == by_place
    assert hash(by_name) == hash(by_place)
    with pytest.raises(TypeError, match="unheard_of"):
        cls(**values, unheard_of=1)


@pytest.mark.parametrize("cls", QUICK, ids=lambda cls: cls.__name__)
def test_a_quick_class_is_frozen(cls: type) -> None:
    made = cls(**{one.name: one.name for one in fields(cls)})
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(cls)[0].name, "other")


def test_defaults_stay_and_made_ones_are_made_anew() -> None:
    mark = Mark("link", Side.CRM, "c1")
    assert (mark.deleted, mark.due, mark.tries, mark.seq) == (False, None, 0, 0)
    first, second = Write(Operation.DELETE, "1", "2"), Write(Operation.DELETE, "1", "2")
    assert first == second
    assert first.values == {}
    assert first.values is not second.values


def test_a_quick_value_is_replaced_copied_and_pickled() -> None:
    mark = replace(Mark("link", Side.CRM, "c1"), tries=3)
    assert mark == Mark("link", Side.CRM, "c1", tries=3)
    assert copy.deepcopy(mark) == mark
    assert pickle.loads(pickle.dumps(mark)) == mark  # noqa: S301 - our own bytes
    assert repr(mark).startswith("Mark(link='link'")


def test_what_is_not_filled_by_position_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Counted:
        name: str
        length: int = field(init=False, default=0)

    with pytest.raises(TypeError, match=r"Counted\.length"):
        quick(Counted)
