"""One open reference as what is sent of it: the operation, its cause, and which members leave by it."""

from muster.model.cause import Cause, CauseKind
from muster.model.operation import Operation
from muster.planning.references import plan_references
from muster.ports.cycles import OpenReference
from muster.ports.world import Ids


def reference_operation(item: OpenReference, members_per_request: int, ids: Ids) -> Operation:
    """Returns the operation that sets and takes away what is open."""
    return plan_references(
        change_id=ids.new_id(),
        kind=item.kind,
        source_id=item.source_id,
        source_name=item.source_name,
        target_id=item.target_id,
        attribute=item.attribute,
        multivalued=item.multivalued,
        add=item.add,
        remove=item.remove,
        members_per_request=members_per_request,
    )


def members_lost(item: OpenReference) -> tuple[tuple[str, str], ...]:
    """Returns members that are taken away and not only known by another id now."""
    if not item.multivalued:
        return ()
    staying = {source_id for source_id, _ in item.add}
    return tuple(pair for pair in item.remove if pair[0] not in staying)


def reference_cause(item: OpenReference) -> Cause:
    """Returns why references change: members left, or something else."""
    if item.multivalued and not item.add:
        return Cause(
            kind=CauseKind.MEMBERS_LEFT, subject=item.source_id, sentence=f"members left the group {item.source_name}"
        )
    short = item.attribute.rsplit(":", 1)[-1]
    return Cause(kind=CauseKind.REFERENCES_CHANGED, subject=short, sentence=f"{short} changed")
