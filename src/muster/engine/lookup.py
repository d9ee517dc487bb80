"""Intent → TargetObject: what is known of each object at the target."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from muster.engine.apply import LOST
from muster.engine.parts import EngineStores, JobParts
from muster.model.copies import replace
from muster.model.directory import ObjectKind
from muster.model.failures import LinkedElsewhere, ObjectFailure, TargetObjectGone
from muster.model.job import Cycle, CycleKind
from muster.model.operation import (
    Acknowledged,
    Change,
    Intent,
    Link,
    LinkState,
    MatchingValue,
    Presence,
    TargetObject,
    TargetResource,
)
from muster.planning.decision import deletes_purged, is_released
from muster.planning.matching import choose, former_matching, found_again, needs_lookup
from muster.ports.target import MemberedTarget
from muster.ports.wire import concerning

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

# Members of an enum are slow to reach (Python 3.11): those that everybody's way leads past are held here.
_RELEASED, _INCREMENTAL = LinkState.RELEASED, CycleKind.INCREMENTAL
# Failures after which only the target itself knows how an object stands there.
_DOUBTED = (LOST, TargetObjectGone.code)


class TooManyAtOnce(Exception):
    """The target would be asked about more objects than go at once; `before`: how many of the page come before that."""

    def __init__(self, before: int) -> None:
        super().__init__(before)
        self.before = before


class Lookup:
    """Finds target objects for a page of intents with as few requests as the cycle's kind allows.

    A full pass (initial, plan, on demand) compares with what the target says; an incremental one with the acknowledged
    projection, and asks the target only about those who are not linked yet, come back, are said to be gone there, or of
    whom an answer was lost.
    """

    def __init__(self, stores: EngineStores, parts: JobParts, pool: ThreadPoolExecutor) -> None:
        self._stores = stores
        self._parts = parts
        self._pool = pool
        # About how many objects the target was asked so far.
        self.asked = 0

    def find(
        self,
        cycle: Cycle,
        kind: ObjectKind,
        intents: Sequence[Intent],
        tried: Mapping[str, tuple[MatchingValue, ...]],
        *,
        at_most: int | None = None,
    ) -> list[TargetObject]:
        """Returns one target object an intent, in order.

        `tried`: besides what escrows tell; `at_most`: of how many the target may be asked. Raises TooManyAtOnce.
        """
        job_id = self._parts.job.id
        links = self._stores.links.links(job_id, kind, [intent.change.source_id for intent in intents])
        open_ends: frozenset[str] = frozenset()
        if links and cycle.kind is _INCREMENTAL:
            # Of these a request may have arrived since, or the object is gone: what the target confirmed before says
            # nothing.
            open_ends = self._stores.links.failed_with(job_id, kind, list(links), _DOUBTED)
        found: dict[int, TargetObject] = {}
        linked: list[tuple[int, Link]] = []
        for number, intent in enumerate(intents):
            link = links.get(intent.change.source_id)
            if link is not None and self._must_ask(cycle, intent, link, is_open=link.source_id in open_ends):
                linked.append((number, link))
            elif link is not None:
                found[number] = TargetObject(link=link, exists=True)
        if len(found) == len(intents):
            # Most pages of a pass: everybody is linked, and nobody is asked about.
            return list(found.values())
        listed: Mapping[str, TargetResource] = {}
        if linked and has_census(cycle):
            listed = self._stores.census.by_id(cycle.id, kind, [link.target_id for _, link in linked])
        read = {number for number, link in linked if link.target_id not in listed}
        asked = [
            number
            for number, intent in enumerate(intents)
            if number in read
            or (intent.change.source_id not in links and not has_census(cycle) and needs_lookup(intent))
        ]
        if at_most is not None and len(asked) > at_most:
            raise TooManyAtOnce(asked[at_most])
        self.asked += len(asked)
        gone: dict[int, TargetObject] = {}
        left: dict[int, Link] = {}
        for number, target in self._read_linked(kind, linked, listed):
            if target.exists or target.failure is not None:
                found[number] = target
                continue
            gone[number] = target
            if not needs_lookup(intents[number]) and target.link is not None and target.link.state is not _RELEASED:
                left[number] = target.link
        missing = [number for number in range(len(intents)) if number not in found]
        claimed: dict[str, Change] = {}
        ours = self._made(cycle, kind, {number: intents[number] for number in missing}, tried, claimed)
        found.update((number, target) for number, target in ours.items() if target.exists or target.failure is not None)
        unlinked = {
            number: intents[number] for number in missing if number not in found and needs_lookup(intents[number])
        }
        found.update(self._match(cycle, kind, unlinked, claimed))
        found.update(
            self._found_again(cycle, kind, intents, {n: each for n, each in left.items() if n not in found}, claimed)
        )
        # One that is gone, and that nothing else was found for, keeps its link: the decision says what comes of it.
        found = {**gone, **found}
        for number, target in ours.items():
            found[number] = replace(found.get(number, TargetObject()), tried=target.tried)
        return [found.get(number, TargetObject()) for number in range(len(intents))]

    def members(
        self, kind: ObjectKind, target_ids: Sequence[str], attribute: str
    ) -> Mapping[str, tuple[str, ...] | None]:
        """Returns who is in a list of each object; None where that is not shown."""
        target = self._parts.target
        if not isinstance(target, MemberedTarget):
            return {}

        def ask(target_id: str) -> tuple[str, tuple[str, ...] | None]:
            try:
                return target_id, target.members(kind, target_id, attribute)
            except ObjectFailure:
                return target_id, None

        return dict(self._side_by_side(ask, target_ids))

    def _must_ask(self, cycle: Cycle, intent: Intent, link: Link, *, is_open: bool) -> bool:
        presence = intent.verdict.presence
        if link.state is _RELEASED:
            # Whoever stays away is not asked about, unless nobody knows whether they were let in again (the answer was
            # lost as their removal was taken back); whoever comes back is, in whatever cycle.
            if presence is Presence.ABSENT or presence is Presence.DISABLED:
                return is_open or not is_released(link, self._parts.rules.kinds[link.kind])
            return presence is Presence.PRESENT or cycle.kind is not _INCREMENTAL
        if not is_open and cycle.kind is _INCREMENTAL:
            return False
        # A deletion does not mind that there is nothing any more; what switches off does.
        return presence is not Presence.ABSENT or not deletes_purged(link, self._parts.rules.kinds[link.kind])

    def _read_linked(
        self, kind: ObjectKind, linked: Sequence[tuple[int, Link]], listed: Mapping[str, TargetResource]
    ) -> Iterable[tuple[int, TargetObject]]:
        """Reads linked objects from the census, and those that it lacks one by one: a list may leave some out."""

        def read(item: tuple[int, Link]) -> tuple[int, TargetObject]:
            number, link = item
            resource = listed.get(link.target_id)
            try:
                if resource is None:
                    with concerning(link.source_id):
                        resource = self._parts.target.read(kind, link.target_id)
            except ObjectFailure as failure:
                return number, TargetObject(link=link, exists=True, failure=failure.record())
            return number, TargetObject(link=link, resource=resource, exists=resource is not None)

        asked = [item for item in linked if item[1].target_id not in listed]
        yield from (read(item) for item in linked if item[1].target_id in listed)
        yield from self._side_by_side(read, asked)

    def _made(
        self,
        cycle: Cycle,
        kind: ObjectKind,
        intents: Mapping[int, Intent],
        tried: Mapping[str, tuple[MatchingValue, ...]],
        claimed: dict[str, Change],
    ) -> Mapping[int, TargetObject]:
        """Looks for objects whose creation, or taking over, was sent without an answer, by the names of then.

        Whoever has got another name since, or is no longer wanted, would else leave an account behind.
        """
        if not intents:
            # Most pages of a pass: everybody is linked.
            return {}
        source_ids = [intent.change.source_id for intent in intents.values()]
        kept = self._stores.links.tried(self._parts.job.id, kind, source_ids, cycle.id)
        values = {
            number: tuple(dict.fromkeys((*kept.get(source_id, ()), *tried.get(source_id, ()))))
            for (number, intent), source_id in zip(intents.items(), source_ids, strict=True)
        }
        asked = {number: replace(intents[number], matching=each) for number, each in values.items() if each}
        found = self._match(cycle, kind, asked, claimed)
        return {
            number: replace(target, link=_link_to(target, intent, intent.matching), tried=intent.matching)
            for number, intent in asked.items()
            for target in [found.get(number, TargetObject())]
        }

    def _match(
        self, cycle: Cycle, kind: ObjectKind, unlinked: Mapping[int, Intent], claimed: dict[str, Change]
    ) -> Mapping[int, TargetObject]:
        """Looks for unlinked objects by their matching attributes in order of precedence, up to the first hit.

        `claimed`: who of the page has an object already, by its id; added to.
        """
        found: dict[int, TargetObject] = {}
        rounds = max((len(intent.matching) for intent in unlinked.values()), default=0)
        for turn in range(rounds):
            asking = {
                number: intent.matching[turn]
                for number, intent in unlinked.items()
                if number not in found and turn < len(intent.matching)
            }
            candidates = self._candidates(cycle, kind, asking, unlinked)
            ids = [one.target_id for several in candidates.values() if isinstance(several, tuple) for one in several]
            owners = self._stores.links.owners(self._parts.job.id, kind, ids) if ids else {}
            for number, answer in candidates.items():
                if isinstance(answer, TargetObject):
                    found[number] = answer
                    continue
                target = choose(asking[number], answer, owners, unlinked[number], self._parts.job.id)
                if target is not None:
                    found[number] = _claimed(target, unlinked[number], claimed)
        return found

    def _found_again(
        self,
        cycle: Cycle,
        kind: ObjectKind,
        intents: Sequence[Intent],
        left: Mapping[int, Link],
        claimed: dict[str, Change],
    ) -> Mapping[int, TargetObject]:
        """Looks for those who are to lose access, and are gone under their id, by the names they had."""
        rules = self._parts.rules.kinds[kind]
        asked = {
            number: replace(intents[number], matching=former_matching(link, rules)) for number, link in left.items()
        }
        matched = self._match(cycle, kind, asked, claimed)
        again = ((number, found_again(left[number], target)) for number, target in matched.items())
        return {number: target for number, target in again if target is not None}

    def _candidates(
        self, cycle: Cycle, kind: ObjectKind, asking: Mapping[int, MatchingValue], intents: Mapping[int, Intent]
    ) -> Mapping[int, tuple[TargetResource, ...] | TargetObject]:
        if has_census(cycle):
            by_attribute: dict[str, list[str]] = {}
            for matching in asking.values():
                by_attribute.setdefault(matching.attribute, []).append(matching.value)
            listed = {
                attribute: self._stores.census.find(cycle.id, kind, attribute, values)
                for attribute, values in by_attribute.items()
            }
            return {
                number: tuple(
                    resource
                    for resource in listed[matching.attribute].get(matching.value, ())
                    if not matching.case_exact or resource.attributes.get(matching.attribute) == matching.value
                )
                for number, matching in asking.items()
            }

        def ask(item: tuple[int, MatchingValue]) -> tuple[int, tuple[TargetResource, ...] | TargetObject]:
            number, matching = item
            try:
                with concerning(intents[number].change.source_id):
                    return number, self._parts.target.find(kind, matching)
            except ObjectFailure as failure:
                return number, TargetObject(failure=failure.record())

        return dict(self._side_by_side(ask, list(asking.items())))

    def _side_by_side(self, call: Callable[[_Item], _Answer], items: Sequence[_Item]) -> Iterable[_Answer]:
        if len(items) < 2:
            return [call(item) for item in items]
        # Each with the ids of the cycle: a context is entered by one thread at a time.
        contexts = [copy_context() for _ in items]
        return self._pool.map(lambda context, item: context.run(call, item), contexts, items)


def has_census(cycle: Cycle) -> bool:
    """Whether the target was listed whole at the start of this cycle."""
    return cycle.options.get("census") == "complete"


def _link_to(target: TargetObject, intent: Intent, tried: Sequence[MatchingValue]) -> Link | None:
    """Returns the link to an object that we have made, or taken over, without knowing it."""
    if target.resource is None:
        return None
    state = LinkState.ADOPTED if any(value.was_there for value in tried) else LinkState.MANAGED
    return Link(
        source_id=intent.change.source_id,
        kind=intent.change.kind,
        target_id=target.resource.target_id,
        state=state,
        owned=state,
        acknowledged=Acknowledged(),
        display_name=intent.change.display_name,
    )


def _claimed(target: TargetObject, intent: Intent, claimed: dict[str, Change]) -> TargetObject:
    """Lets only one object of a page have a target object: the second one is told who has it."""
    if target.resource is None:
        return target
    target_id = target.resource.target_id
    other = claimed.setdefault(target_id, intent.change)
    if other.source_id == intent.change.source_id:
        return target
    clash = LinkedElsewhere(
        f"The account {target_id} at the target also matches {other.display_name}, who has it already."
    )
    return replace(target, resource=None, exists=False, failure=clash.record())
