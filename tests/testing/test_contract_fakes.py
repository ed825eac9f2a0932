"""The fakes keep the contract that the real connectors are held to, at every page size."""

from collections.abc import Callable

import pytest

from runner.testing.contract import CRM_CHECKS, TARGET_CHECKS, CrmBench, TargetBench
from tests.testing.benches import FakeCrmBench, FakeTargetBench


def _name(check: Callable[..., None]) -> str:
    return check.__name__


@pytest.mark.parametrize("page", [1, 2, 100])
@pytest.mark.parametrize("check", TARGET_CHECKS, ids=_name)
def test_fake_target(check: Callable[[TargetBench], None], page: int, target_bench: FakeTargetBench) -> None:
    target_bench.connector.page = page
    check(target_bench)


@pytest.mark.parametrize("page", [1, 2, 100])
@pytest.mark.parametrize("check", CRM_CHECKS, ids=_name)
def test_fake_crm(check: Callable[[CrmBench], None], page: int, crm_bench: FakeCrmBench) -> None:
    crm_bench.connector.page = page
    check(crm_bench)
