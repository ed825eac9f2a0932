"""Whatever is changed in the configuration, nothing is deleted for it (P18, D13, A11)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config.plan import LinkPlan, Window
from runner.model.terms import ConflictPolicy, Direction, EditVsDelete, Operation, Private
from runner.reconcile.guards import Limits
from runner.testing.store import MemoryStore
from tests.engine.test_taking_part import condition
from tests.engine.world import ANN, World, link_plan

_DAYS = st.sampled_from([timedelta(0), timedelta(hours=1), timedelta(days=20), timedelta(days=400)])
_FILTERS = st.sampled_from([None, "record.location == 'Room 4'", "record.priority < 3", "record.title != 'CRM 1'"])


def _filter(text: str | None) -> Any:
    return None if text is None else condition(text)


_LINKS = st.builds(
    link_plan,
    st.just(ANN),
    direction=st.sampled_from(Direction),
    conflict=st.sampled_from(ConflictPolicy),
    edit_vs_delete=st.sampled_from(EditVsDelete),
    window=st.builds(Window, _DAYS, _DAYS),
    private=st.sampled_from(Private),
    filter=_FILTERS.map(_filter),
    limits=st.just(Limits({})),
)
_PLANS = st.one_of(st.just([]), st.lists(_LINKS, min_size=1, max_size=1))
"""The link is gone, or it is there in any form."""


@settings(max_examples=50)
@given(plans=st.lists(st.tuples(_PLANS, st.booleans()), min_size=1, max_size=4))
def test_no_change_of_the_configuration_deletes_anything(plans: list[tuple[list[LinkPlan], bool]]) -> None:
    """P18: window, filter, direction, privacy, policies, the link taken out and put back, in any order, with edits between;
    no delete is sent to either side, and who made an item still has it. But one: what a link says of private items, ``skip``,
    is that the CRM shall not have them (B-35)."""
    world = World(link_plan(limits=Limits({})), store=MemoryStore())
    world.in_outlook("Private", privacy="private")
    for number, start in enumerate(("2026-02-20", "2026-03-03", "2026-03-12", "2026-05-30")):
        world.in_outlook(f"Outlook {number}", start=f"{start}T10:00:00", priority=1 + 4 * (number % 2))
        world.in_crm(f"CRM {number}", starts_at=f"{start}T09:00:00Z", ends_at=f"{start}T10:00:00Z")
    orders = {"allowed": frozenset(Operation)}
    world.run(**orders)
    private = world.records()["Private"].key
    for links, edited in plans:
        if edited:
            world.target.user_edit(world.outlook()["Outlook 1"].key, location="Garden")
            world.crm.user_edit(world.records()["CRM 1"].key, place="Hall")
        world.links = links
        for _ in range(2):
            world.run(**orders)
    deletes = [str(each.call) for each in world.boundary.writes() if each.call.name == Operation.DELETE]
    skipped = any(link.private is Private.SKIP for links, _ in plans for link in links)
    assert deletes == [] or (skipped and {each.partition(" ")[2] for each in deletes} == {f"crm.delete({private})"})
    outlook, crm = world.titles()
    assert {f"Outlook {number}" for number in range(4)} | {"Private"} <= set(outlook)
    assert {f"CRM {number}" for number in range(4)} <= set(crm)
    assert len(outlook) == len(set(outlook))
    assert len(crm) == len(set(crm))
