"""Attacks: the whole table, family by family."""

from tests.guarded.attacks_baseline import BASELINE_ATTACKS
from tests.guarded.attacks_misread import MISREAD_ATTACKS
from tests.guarded.attacks_namespaces import NAMESPACE_ATTACKS
from tests.guarded.attacks_pods import POD_ATTACKS
from tests.guarded.attacks_policies import POLICY_ATTACKS
from tests.guarded.attempt import Row

ATTACKS: dict[str, list[Row]] = {
    **NAMESPACE_ATTACKS,
    **BASELINE_ATTACKS,
    **POLICY_ATTACKS,
    **MISREAD_ATTACKS,
    **POD_ATTACKS,
}
