"""The fakes keep the contract that the real connectors are held to, at every page size."""

from collections.abc import Callable

import pytest

from runner.testing.contract import CRM_CHECKS, TARGET_CHECKS, TASK_CHECKS, CrmBench, TargetBench, TaskBench
from tests.testing.benches import FakeContactBench, FakeCrmBench, FakeTargetBench, FakeTaskBench


def _name(check: Callable[..., None]) -> str:
    return check.__name__


@pytest.mark.parametrize("page", [1, 2, 100])
@pytest.mark.parametrize("check", TARGET_CHECKS, ids=_name)
def test_fake_target(check: Callable[[TargetBench], None], page: int, target_bench: FakeTargetBench) -> None:
    target_bench.connector.page = page
    check(target_bench)


@pytest.mark.parametrize("kind", [FakeTaskBench, FakeContactBench])
@pytest.mark.parametrize("check", TARGET_CHECKS, ids=_name)
def test_fake_target_of_tasks_and_contacts(check: Callable[[TargetBench], None], kind: type[FakeTargetBench]) -> None:
    check(kind())


@pytest.mark.parametrize("check", TASK_CHECKS, ids=_name)
def test_fake_tasks(check: Callable[[TaskBench], None]) -> None:
    """B-50."""
    check(FakeTaskBench())


@pytest.mark.parametrize("page", [1, 2, 100])
@pytest.mark.parametrize("check", CRM_CHECKS, ids=_name)
def test_fake_crm(check: Callable[[CrmBench], None], page: int, crm_bench: FakeCrmBench) -> None:
    crm_bench.connector.page = page
    check(crm_bench)
