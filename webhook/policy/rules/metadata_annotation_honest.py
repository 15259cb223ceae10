"""Rule metadata-annotation-honest."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.change import Change, Operation
from webhook.policy.finding import Complaint, Severity
from webhook.policy.objects import DefectKind, HostEndpoint, NetworkSet, Policy
from webhook.policy.parse_meta import METADATA_PATH
from webhook.policy.rule import rule
from webhook.policy.subjects import misread
from webhook.policy.world import World


@rule(Policy, NetworkSet, HostEndpoint, Change, Severity.DENY, staged=True, everywhere=True)
def metadata_annotation_honest(
    subject: Policy | NetworkSet | HostEndpoint | Change, world: World
) -> Iterator[Complaint]:
    """
    The annotation projectcalico.org/metadata of a v1 object tells of that object.

    Why:
        Calico keeps the v3 metadata there and acts on it: a name or namespace of another object makes
        Calico's own accounts create or delete that one.

    Fix:
        Write through projectcalico.org/v3, or leave the annotation out.

    Bad:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata:
            name: web
            namespace: shop
            annotations: {projectcalico.org/metadata: '{"name":"default-deny"}'}
          spec: {order: 600, types: [Ingress]}

    Good:
        - {kind: Namespace, apiVersion: v1, metadata: {name: shop, labels: {env: dev}}}
        - kind: NetworkPolicy
          apiVersion: crd.projectcalico.org/v1
          metadata:
            name: web
            namespace: shop
            annotations: {projectcalico.org/metadata: '{"name":"web","namespace":"shop"}'}
          spec: {order: 600, types: [Ingress]}
    """
    if not isinstance(subject, Change):
        yield from misread(subject, DefectKind.METADATA_ANNOTATION)
    elif subject.operation is Operation.CREATE and subject.subject.meta.deleting:
        # The API server takes a real deletionTimestamp off what is created; Calico would act on this one.
        yield Complaint("is born with a deletionTimestamp in projectcalico.org/metadata", METADATA_PATH)
