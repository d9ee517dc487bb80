"""Which object at the target is the person's: by link, or by matching attribute; never the first of several."""

from collections.abc import Mapping, Sequence

from muster.model.failures import AmbiguousMatch, LinkedElsewhere
from muster.model.operation import Intent, MatchingValue, Presence, TargetObject, TargetResource


def needs_lookup(intent: Intent) -> bool:
    """Whether an object without a link is looked for: only those who are wanted there are ever adopted."""
    return (
        intent.failure is None
        and intent.left_out is None
        and intent.verdict.presence in (Presence.PRESENT, Presence.PRESENT_IF_LINKED)
    )


def choose(
    matching: MatchingValue,
    candidates: Sequence[TargetResource],
    owners: Mapping[str, tuple[str, str]],
    intent: Intent,
    job_id: str,
) -> TargetObject | None:
    """Returns the object that a matching attribute found, or None: the next attribute in precedence is asked.

    `owners` tells, by target id, which job and source object is linked to it already.
    """
    if not candidates:
        return None
    ids = tuple(dict.fromkeys(candidate.target_id for candidate in candidates))
    if len(ids) > 1:
        ambiguous = AmbiguousMatch(attribute=matching.attribute, value=matching.shown, target_ids=ids)
        return TargetObject(failure=ambiguous.record())
    owner = owners.get(ids[0])
    if owner is None or owner == (job_id, intent.change.source_id):
        return TargetObject(resource=candidates[0], exists=True, matched_by=matching.attribute)
    if owner[1] != intent.change.source_id:
        taken = LinkedElsewhere(
            f"The account {ids[0]} at the target, found by {matching.attribute} = “{matching.shown}”, "
            f"belongs to another directory object ({owner[1]}, job {owner[0]})."
        )
    else:
        taken = LinkedElsewhere(
            f"The account {ids[0]} at the target is managed for {intent.change.display_name} by job {owner[0]}."
        )
    return TargetObject(failure=taken.record())
