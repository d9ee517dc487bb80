"""…/jobs/{job}/reconciliation and …/discoveredAccounts (ours): what the application has otherwise, and besides."""

from muster.administration import reconciliation
from muster.model.discovery import DiscoveredAccount
from muster.web.graph import render_jobs
from muster.web.graph.applications import application_of
from muster.web.graph.call import Answer, Call, Document
from muster.web.graph.render import instant


def get_reconciliation(call: Call) -> Answer:
    """GET …/jobs/{job}/reconciliation: how a job is reconciled, and what the last time found."""
    sp = application_of(call).service_principal_id
    found = reconciliation.reconciliation(call.desk, sp, call.parts["job"])
    policy = {name: action.value for name, action in sorted(found.policy.attributes.items())}
    return call.entity(
        "reconciliation",
        {
            "driftPolicy": {"default": found.policy.default.value, "attributes": policy},
            "nextDateTime": instant(found.next_at),
            "lastCycle": None if found.cycle is None else render_jobs.cycle(found.cycle),
            "linkedAccounts": found.linked,
            "unmanagedAccounts": {standing.value: count for standing, count in found.unmanaged.items()},
        },
    )


def list_discovered(call: Call) -> Answer:
    """GET …/jobs/{job}/discoveredAccounts?standing=local: accounts at the application that nobody manages."""
    sp, options = application_of(call).service_principal_id, call.options()
    found, next_after = reconciliation.discovered(
        call.desk, sp, call.parts["job"], call.query.get("standing"), options.after, options.limit
    )
    return call.collection("discoveredAccounts", found, _shown, next_after=next_after)


def _shown(account: DiscoveredAccount) -> Document:
    return {
        "targetId": account.target_id,
        "targetType": account.kind.value,
        "displayName": account.display_name,
        "standing": account.standing.value,
        "sourceId": account.source_id,
        "sourceName": account.source_name,
    }
