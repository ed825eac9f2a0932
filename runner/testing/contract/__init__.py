"""What every connector must do, as plain functions: the fakes and the real connectors are held to the same words.

What it is: checks that take a *bench* (``contract.bench``): a connector, a link over an empty folder or table, and the
hands of a user on the same data. ``TARGET_CHECKS``, ``TASK_CHECKS`` and ``CRM_CHECKS`` list them; each raises
``ContractBroken`` with what it saw.
What it is not: a test of any one connector's wire format.
Invariant: a fake and a real connector pass the same checks, or what the fakes prove about the engine would prove nothing.
"""

from runner.testing.contract.bench import Bench, ContractBroken, CrmBench, TargetBench, TaskBench
from runner.testing.contract.crm import CRM_CHECKS
from runner.testing.contract.target import TARGET_CHECKS
from runner.testing.contract.tasks import TASK_CHECKS

__all__ = [
    "CRM_CHECKS",
    "TARGET_CHECKS",
    "TASK_CHECKS",
    "Bench",
    "ContractBroken",
    "CrmBench",
    "TargetBench",
    "TaskBench",
]
