"""An examination from its first request to its report: findings, grade, and the dialect that they show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from muster.model.exchange import AddressRefused, ExchangeFailed
from muster.scim.dialect import Dialect, UpdateMethod
from muster.scim.mapping_paths import get_member
from muster.targets.conformance.findings import Examined, Finding, Probe, Verdict, failed, grade_of
from muster.targets.conformance.reading import READING
from muster.targets.conformance.searching import SEARCHING
from muster.targets.conformance.session import Session
from muster.targets.conformance.writing import Trial, writing

# Probes that show whether an attribute may stand in a filter.
_FILTERS = {"User": {"userName": "filter.nobody", "externalId": "filter.externalId"}}
_LARGEST_PAGE = 1_000


class ExaminationRefused(Exception):
    """The server does not take the credentials: there is nothing to examine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A field of the dialect that is not the standard's, and what says so."""

    field: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an examination found. `score` is the share of the points, 0 to 1."""

    grade: str
    score: float
    examined: Sequence[Examined]
    derived: Sequence[Derived]
    dialect: Dialect
    requests: int
    # Trial accounts that could not be removed: the server switches off what is deleted.
    left: Sequence[str] = ()

    def to_document(self) -> dict[str, Any]:
        """Returns the report as JSON values."""
        return {
            "grade": self.grade,
            "score": round(self.score, 4),
            "counts": {verdict.value: self.count(verdict) for verdict in Verdict},
            "requests": self.requests,
            "left": list(self.left),
            "probes": [
                {
                    "name": each.probe.name,
                    "area": each.probe.area,
                    "title": each.probe.title,
                    "weight": each.probe.weight.value,
                    "source": each.probe.source,
                    "verdict": each.finding.verdict.value,
                    "evidence": each.finding.evidence,
                }
                for each in self.examined
            ],
            "dialect": {each.field: each.value for each in self.derived},
            "origins": {each.field: each.origin for each in self.derived},
        }

    def count(self, verdict: Verdict) -> int:
        """Returns how many probes ended so."""
        return sum(each.finding.verdict is verdict for each in self.examined)


def examine(session: Session, *, writes: bool = False, extra: Mapping[str, Any] | None = None) -> Report:
    """Returns the report on a server.

    Args:
        writes: also create, change and delete a trial user and group.
        extra: attributes that the server asks of every user.
    Raises: ExchangeFailed when the server cannot be reached at all; ExaminationRefused when it lets nobody in.
    """
    # Asked first for its failure: a server that is not there, or lets nobody in, gets no report.
    first = session.get("/Users", startIndex="1", count="3")
    if first.status in (401, 403):
        raise ExaminationRefused(f"it refuses the token (HTTP {first.status}): enter the one that it has issued")
    trial = Trial(session, extra or {})
    # The trial user comes first: an empty server has somebody to find then.
    created, *others = writing(trial)
    probes = (created, *READING, *SEARCHING, *others) if writes else (*READING, *SEARCHING)
    try:
        examined = [_examined(probe, session) for probe in probes]
    finally:
        trial.clear()
    derived = tuple(_derive(session, {each.probe.name: each.finding for each in examined}))
    grade, score = grade_of(examined)
    dialect = replace(Dialect(), **{each.field: _value(each) for each in derived})
    return Report(
        grade=grade,
        score=score,
        examined=examined,
        derived=derived,
        dialect=dialect,
        requests=session.requests,
        left=tuple(trial.left),
    )


def _examined(probe: Probe, session: Session) -> Examined:
    try:
        return Examined(probe=probe, finding=probe.run(session))
    except AddressRefused:
        raise
    except ExchangeFailed as failure:
        return Examined(probe=probe, finding=failed(f"no answer: {failure.sentence}"))


def _value(derived: Derived) -> Any:
    if derived.field == "update":
        return UpdateMethod(derived.value)
    if derived.field == "filterable":
        return {kind: tuple(names) for kind, names in derived.value.items()}
    return derived.value


def _derive(session: Session, found: Mapping[str, Finding]) -> list[Derived]:
    """What differs from the standard's client, each with what shows it; what was proven goes before what is said."""
    derived: list[Derived] = []
    patches = found.get("patch.replace")
    if patches is not None and patches.verdict is Verdict.FAILED and _passed(found, "put"):
        derived.append(Derived(field="update", value=UpdateMethod.PUT.value, origin="PATCH failed, PUT worked"))
    elif session.offers("patch") is False:
        origin = "ServiceProviderConfig: patch is not supported"
        derived.append(Derived(field="update", value=UpdateMethod.PUT.value, origin=origin))
    if found["list"].verdict is Verdict.FAILED or found["list.pages"].verdict is Verdict.FAILED:
        derived.append(Derived(field="can_list", value=False, origin="lists or their pages do not work"))
    else:
        size = _page_size(session)
        if size is not None:
            derived.append(size)
    for kind, probes in _FILTERS.items():
        broken = [name for name, probe in probes.items() if found[probe].verdict is Verdict.FAILED]
        if broken:
            works = [name for name in probes if name not in broken]
            origin = f"filters on {', '.join(broken)} failed"
            derived.append(Derived(field="filterable", value={kind: works}, origin=origin))
    return derived


def _passed(found: Mapping[str, Finding], name: str) -> bool:
    return name in found and found[name].verdict is Verdict.PASSED


def _page_size(session: Session) -> Derived | None:
    for holder, name in (("pagination", "maxPageSize"), ("filter", "maxResults")):
        said = get_member(get_member(session.service, holder) or {}, name)
        if isinstance(said, int) and not isinstance(said, bool) and said > 0:
            size = min(said, _LARGEST_PAGE)
            if size != Dialect().page_size:
                return Derived(field="page_size", value=size, origin=f"ServiceProviderConfig: {holder}.{name} {said}")
            return None
    return None
