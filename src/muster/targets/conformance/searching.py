"""Probes that search: filters, projection, sorting, groups."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from muster.scim.mapping_paths import get_member
from muster.targets.conformance.findings import Finding, Probe, Weight, judged, skipped
from muster.targets.conformance.reading import NOBODY
from muster.targets.conformance.session import (
    CORE_GROUP,
    Reply,
    Session,
)

# ---------------------------------------------------------------- filters


def _finds_nobody(session: Session) -> Finding:
    answer = session.get("/Users", filter=f'userName eq "{session.mark}"')
    return judged(answer.resources == [] and answer.total == 0, answer.shown())


def _finds_one(session: Session) -> Finding:
    return _found(session, "userName", lambda name: f"userName eq {_text(name)}")


def _ignores_case(session: Session) -> Finding:
    return _found(session, "userName", lambda name: f"userName eq {_text(name.swapcase())}")


def _takes_plus(session: Session) -> Finding:
    if session.sample is None:
        return skipped(NOBODY)
    name = str(get_member(session.sample, "userName"))
    answer = session.get_raw(f"/Users?filter=userName+eq+{quote(_text(name), safe='')}")
    return judged(_only(answer, session.sample), answer.shown())


def _survives_quotes(session: Session) -> Finding:
    answer = session.get("/Users", filter=f"userName eq {_text(chr(34) + session.mark + chr(92))}")
    return judged(answer.resources == [], answer.shown())


def _filters_by_external_id(session: Session) -> Finding:
    answer = session.get("/Users", filter=f'externalId eq "{session.mark}"')
    return judged(answer.resources == [] and answer.total == 0, answer.shown())


def _filters_by_email(session: Session) -> Finding:
    answer = session.get("/Users", filter=f'emails[type eq "work" and value eq "{session.mark}"]')
    return judged(answer.resources == [] and answer.total == 0, answer.shown())


def _filters_by_email_as_entra(session: Session) -> Finding:
    answer = session.get("/Users", filter=f'emails[type eq "work"].value eq "{session.mark}"')
    return judged(answer.resources == [] and answer.total == 0, answer.shown())


def _filters_by_id(session: Session) -> Finding:
    return _found(session, "id", lambda name: f"id eq {_text(name)}")


def _filters_by_active(session: Session) -> Finding:
    return _no_error(session, "active eq true")


def _filters_by_time(session: Session) -> Finding:
    answer = session.get("/Users", filter='meta.lastModified gt "2100-01-01T00:00:00Z"')
    return judged(answer.resources == [], answer.shown())


def _knows_and(session: Session) -> Finding:
    answer = session.get("/Users", filter=f'userName eq "{session.mark}" and active eq true')
    return judged(answer.resources == [] and answer.total == 0, answer.shown())


def _knows_or(session: Session) -> Finding:
    return _found(session, "userName", lambda name: f'userName eq "{session.mark}" or userName eq {_text(name)}')


def _knows_not(session: Session) -> Finding:
    answer = session.get("/Users", filter="not (userName pr)", count="1")
    return judged(answer.resources == [], answer.shown())


def _knows_sw(session: Session) -> Finding:
    return _found(session, "userName", lambda name: f"userName sw {_text(name[:64])}", alone=False)


def _knows_co(session: Session) -> Finding:
    answer = session.get("/Users", filter=f'userName co "{session.mark}"')
    return judged(answer.resources == [], answer.shown())


def _knows_pr(session: Session) -> Finding:
    return _no_error(session, "userName pr")


def _refuses_nonsense(session: Session) -> Finding:
    answer = session.get("/Users", filter="userName qe 'x")
    kind = get_member(answer.document or {}, "scimType")
    return judged(answer.status == 400 and kind == "invalidFilter", f"{answer.shown()}, scimType {kind}")


# ---------------------------------------------------------------- projection, sorting, search


def _projects(session: Session) -> Finding:
    if session.sample is None:
        return skipped(NOBODY)
    answer = session.get("/Users", startIndex="1", count="1", attributes="userName")
    first = next(iter(answer.resources or []), {})
    odd = [name for name in first if name.lower() not in ("username", "id", "schemas", "meta")]
    return judged(get_member(first, "userName") is not None and not odd, f"shows {', '.join(first)}")


def _excludes(session: Session) -> Finding:
    if session.sample is None:
        return skipped(NOBODY)
    answer = session.get("/Users", startIndex="1", count="1", excludedAttributes="userName,emails")
    first = next(iter(answer.resources or []), {})
    return judged(
        get_member(first, "id") is not None and get_member(first, "emails") is None, f"shows {', '.join(first)}"
    )


def _sorts(session: Session) -> Finding:
    if session.offers("sort") is not True:
        return skipped("Sorting is not offered.")
    up = session.get("/Users", startIndex="1", count="1", sortBy="userName")
    down = session.get("/Users", startIndex="1", count="1", sortBy="userName", sortOrder="descending")
    if (up.total or 0) < 2:
        return skipped("There are fewer than two accounts.")
    return judged(bool(up.ids) and up.ids != down.ids, f"first {up.ids}, last {down.ids}")


def _searches(session: Session) -> Finding:
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": f'userName eq "{session.mark}"',
    }
    answer = session.send("POST", "/Users/.search", body)
    if answer.status in (404, 405, 501):
        return skipped(f"POST …/.search is not offered ({answer.shown()}).")
    return judged(answer.resources == [], answer.shown())


# ---------------------------------------------------------------- groups


def _lists_groups(session: Session) -> Finding:
    if not session.has_groups:
        return skipped("Groups are not offered.")
    answer = session.get("/Groups", startIndex="1", count="1")
    return judged(answer.resources is not None, answer.shown())


def _leaves_members_out(session: Session) -> Finding:
    if not session.has_groups:
        return skipped("Groups are not offered.")
    answer = session.get("/Groups", excludedAttributes="members", startIndex="1", count="1")
    first = next(iter(answer.resources or []), None)
    if first is None:
        return judged(answer.resources == [], answer.shown())
    return judged(get_member(first, "members") is None, f"shows {', '.join(first)}")


def _finds_no_group(session: Session) -> Finding:
    if not session.has_groups:
        return skipped("Groups are not offered.")
    answer = session.get("/Groups", excludedAttributes="members", filter=f'displayName eq "{session.mark}"')
    return judged(answer.resources == [] and answer.total == 0, answer.shown())


def _group_schema(session: Session) -> Finding:
    if not session.has_groups or not session.schemas:
        return skipped("Groups or schemas are not offered.")
    return judged(
        CORE_GROUP in session.schemas,
        "the group schema is published" if CORE_GROUP in session.schemas else "the group schema is not published",
    )


def _found(session: Session, attribute: str, write: Callable[[str], str], *, alone: bool = True) -> Finding:
    """Whether a filter written from the sample's value finds the sample, alone or among others."""
    value = None if session.sample is None else get_member(session.sample, attribute)
    if session.sample is None or not isinstance(value, str) or not value:
        return skipped(NOBODY)
    answer = session.get("/Users", filter=write(value))
    wanted = str(get_member(session.sample, "id"))
    return judged(_only(answer, session.sample) if alone else wanted in answer.ids, answer.shown())


def _only(answer: Reply, sample: Mapping[str, Any]) -> bool:
    return answer.ids == [str(get_member(sample, "id"))] and answer.total == 1


def _no_error(session: Session, text: str) -> Finding:
    answer = session.get("/Users", filter=text, startIndex="1", count="1")
    return judged(answer.resources is not None, answer.shown())


def _text(value: str) -> str:
    return orjson.dumps(value).decode()


_E, _I, _F = Weight.ESSENTIAL, Weight.IMPORTANT, Weight.FORMAL

ROWS: tuple[tuple[str, str, str, Weight, str, Callable[[Session], Finding]], ...] = (
    ("filter.nobody", "filters", "userName eq finds nobody: an empty list", _E, "RFC 7644 §3.4.2", _finds_nobody),
    ("filter.one", "filters", "userName eq finds exactly one", _E, "RFC 7644 §3.4.2.2", _finds_one),
    ("filter.case", "filters", "… in any letter case", _I, "RFC 7643 §4.1.1", _ignores_case),
    ("filter.plus", "filters", "A blank may be written as +", _F, "WHATWG URL §5.1", _takes_plus),
    ("filter.quotes", "filters", "Quotes and backslashes do no harm", _I, "RFC 7644 §3.4.2.2", _survives_quotes),
    ("filter.externalId", "filters", "externalId eq", _I, "RFC 7644 §3.4.2.2", _filters_by_external_id),
    ("filter.id", "filters", "id eq", _F, "RFC 7644 §3.4.2.2", _filters_by_id),
    ("filter.email", "filters", "emails[…]", _F, "RFC 7644 §3.4.2.2", _filters_by_email),
    (
        "filter.email.entra",
        "filters",
        "emails[…].value eq, as Entra writes it",
        _F,
        "Microsoft Entra",
        _filters_by_email_as_entra,
    ),
    ("filter.active", "filters", "active eq true", _F, "RFC 7644 §3.4.2.2", _filters_by_active),
    ("filter.time", "filters", "meta.lastModified gt", _F, "RFC 7644 §3.4.2.2", _filters_by_time),
    ("filter.and", "filters", "and", _I, "RFC 7644 §3.4.2.2", _knows_and),
    ("filter.or", "filters", "or", _F, "RFC 7644 §3.4.2.2", _knows_or),
    ("filter.not", "filters", "not", _F, "RFC 7644 §3.4.2.2", _knows_not),
    ("filter.sw", "filters", "sw", _F, "RFC 7644 §3.4.2.2", _knows_sw),
    ("filter.co", "filters", "co", _F, "RFC 7644 §3.4.2.2", _knows_co),
    ("filter.pr", "filters", "pr", _F, "RFC 7644 §3.4.2.2", _knows_pr),
    ("filter.nonsense", "filters", "A wrong filter: 400 invalidFilter", _I, "RFC 7644 §3.4.2.2", _refuses_nonsense),
    ("attributes", "projection", "attributes limits what is shown", _F, "RFC 7644 §3.9", _projects),
    ("excluded", "projection", "excludedAttributes leaves out", _F, "RFC 7644 §3.9", _excludes),
    ("sort", "projection", "sortBy and sortOrder where offered", _F, "RFC 7644 §3.4.2.3", _sorts),
    ("search", "projection", "POST …/.search where offered", _F, "RFC 7644 §3.4.3", _searches),
    ("groups", "groups", "GET /Groups is a list", _I, "RFC 7644 §3.4.2", _lists_groups),
    ("groups.schema", "groups", "The group schema is published", _F, "RFC 7643 §4.2", _group_schema),
    ("groups.members", "groups", "excludedAttributes=members", _I, "RFC 7644 §3.9", _leaves_members_out),
    ("groups.filter", "groups", "displayName eq", _I, "RFC 7644 §3.4.2.2", _finds_no_group),
)

SEARCHING: tuple[Probe, ...] = tuple(
    Probe(name=name, area=area, title=title, weight=weight, source=source, run=run)
    for name, area, title, weight, source, run in ROWS
)
