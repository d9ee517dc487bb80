"""The second wave: managers and members, once both ends are linked."""

from muster.model.directory import ObjectKind
from muster.model.operation import AttributeChange, Operation, OperationKind, Verb


def plan_references(
    *,
    change_id: str,
    kind: ObjectKind,
    source_id: str,
    source_name: str,
    target_id: str,
    attribute: str,
    multivalued: bool,
    add: tuple[tuple[str, str], ...],
    remove: tuple[tuple[str, str], ...],
    members_per_request: int,
) -> Operation:
    """Returns one operation that sets and removes the references of one attribute of one object.

    `add` and `remove` are pairs (source id, target id). A single-valued reference that gets another value is replaced;
    lists are changed by what was added and removed only, cut into requests of the dialect's size.
    """
    changes: list[AttributeChange] = []
    if multivalued:
        for verb, pairs in ((Verb.REMOVE, remove), (Verb.ADD, add)):
            ids = [target for _, target in pairs]
            for start in range(0, len(ids), members_per_request):
                part = tuple(ids[start : start + members_per_request])
                changes.append(
                    AttributeChange(
                        attribute=attribute,
                        verb=verb,
                        old=part if verb is Verb.REMOVE else None,
                        new=part if verb is Verb.ADD else None,
                        is_reference=True,
                        multivalued=True,
                    )
                )
    elif add:
        verb = Verb.REPLACE if remove else Verb.ADD
        old = remove[0][1] if remove else None
        changes.append(AttributeChange(attribute=attribute, verb=verb, old=old, new=add[0][1], is_reference=True))
    else:
        changes.append(
            AttributeChange(attribute=attribute, verb=Verb.REMOVE, old=remove[0][1], new=None, is_reference=True)
        )
    return Operation(
        change_id=change_id,
        kind=OperationKind.REFER,
        object_kind=kind,
        source_id=source_id,
        source_name=source_name,
        reason=_sentence(source_name, attribute, len(add), len(remove)),
        target_id=target_id,
        changes=tuple(changes),
    )


def _sentence(name: str, attribute: str, added: int, removed: int) -> str:
    short = attribute.rsplit(":", 1)[-1]
    parts = [f"{count} {word}" for count, word in ((added, "set"), (removed, "removed")) if count]
    return f"{short} of {name}: {', '.join(parts)}, as both ends are linked."
