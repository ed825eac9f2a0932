"""The benches that put the fakes under the contract checks."""

import pytest

from tests.testing.benches import FakeCrmBench, FakeTargetBench


@pytest.fixture
def target_bench() -> FakeTargetBench:
    return FakeTargetBench()


@pytest.fixture
def crm_bench() -> FakeCrmBench:
    return FakeCrmBench()
