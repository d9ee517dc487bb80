"""Probes that read: connection, authentication, discovery, lists, single resources."""

from collections.abc import Callable
from urllib.parse import quote

from muster.scim.mapping_paths import get_member
from muster.targets.conformance.findings import Finding, Probe, Weight, failed, judged, passed, skipped
from muster.targets.conformance.session import (
    CORE_USER,
    ERROR_URN,
    LIST_URN,
    Presented,
    Reply,
    Session,
)

NOBODY = "There is no account to try this on."


# ---------------------------------------------------------------- discovery


def _service_answers(session: Session) -> Finding:
    answer = session.get("/ServiceProviderConfig")
    return judged(answer.status == 200 and answer.document is not None, answer.shown())


def _service_is_whole(session: Session) -> Finding:
    if not session.service:
        return skipped("There is no ServiceProviderConfig.")
    needed = ("patch", "bulk", "filter", "changePassword", "sort", "etag", "authenticationSchemes")
    missing = [name for name in needed if get_member(session.service, name) is None]
    return judged(not missing, f"missing: {', '.join(missing)}" if missing else "all features are named")


def _media_type(session: Session) -> Finding:
    answer = session.get("/Users", startIndex="1", count="2")
    return judged(answer.media_type == "application/scim+json", answer.media_type or "no content type")


def _types_answer(session: Session) -> Finding:
    names = [str(get_member(item, "name")) for item in session.types]
    return judged("User" in names, f"resource types: {', '.join(names) or 'none'}")


def _type_by_name(session: Session) -> Finding:
    if not session.types:
        return skipped("There are no resource types.")
    answer = session.get("/ResourceTypes/User")
    return judged(answer.status == 200 and get_member(answer.document or {}, "name") == "User", answer.shown())


def _schemas_answer(session: Session) -> Finding:
    return judged(CORE_USER in session.schemas, f"{len(session.schemas)} schemas published")


def _schema_by_urn(session: Session) -> Finding:
    if not session.schemas:
        return skipped("There are no schemas.")
    answer = session.get(f"/Schemas/{quote(CORE_USER, safe=':')}")
    return judged(answer.status == 200 and get_member(answer.document or {}, "id") == CORE_USER, answer.shown())


def _schema_describes(session: Session) -> Finding:
    name = session.user_attribute("userName")
    if name is None:
        return skipped("The user schema is not published, or has no userName.")
    missing = [each for each in ("type", "mutability", "returned", "uniqueness") if get_member(name, each) is None]
    return judged(not missing, f"userName lacks {', '.join(missing)}" if missing else "characteristics are given")


def _schema_requires_name(session: Session) -> Finding:
    name = session.user_attribute("userName")
    if name is None:
        return skipped("The user schema is not published, or has no userName.")
    return judged(get_member(name, "required") is True, f"required: {get_member(name, 'required')}")


def _schema_has_active(session: Session) -> Finding:
    if not session.schemas:
        return skipped("There are no schemas.")
    known = session.user_attribute("active") is not None
    return judged(known, "active is published" if known else "active is not: accounts cannot be switched off")


def _secure(session: Session) -> Finding:
    scheme = session.address.base.partition(":")[0]
    local = session.address.base.split("//", 1)[1].split("/")[0].split(":")[0] in ("127.0.0.1", "localhost", "[")
    return skipped("loopback") if local else judged(scheme == "https", scheme)


# ---------------------------------------------------------------- authentication


def _without_token(session: Session) -> Finding:
    answer = session.get("/Users", presented=Presented.NONE, count="1")
    return judged(answer.status == 401, answer.shown())


def _with_wrong_token(session: Session) -> Finding:
    answer = session.get("/Users", presented=Presented.WRONG, count="1")
    return judged(answer.status == 401, answer.shown())


def _refusal_is_scim(session: Session) -> Finding:
    return _scim_error(session.get("/Users", presented=Presented.WRONG, count="1"), 401)


def _refusal_challenges(session: Session) -> Finding:
    answer = session.get("/Users", presented=Presented.WRONG, count="1")
    return judged("www-authenticate" in answer.headers, answer.headers.get("www-authenticate", "no WWW-Authenticate"))


# ---------------------------------------------------------------- lists


def _lists(session: Session) -> Finding:
    answer = session.get("/Users", startIndex="1", count="2")
    return judged(answer.resources is not None, answer.shown())


def _list_has_schema(session: Session) -> Finding:
    answer = session.get("/Users", startIndex="1", count="2")
    return judged(LIST_URN in (get_member(answer.document or {}, "schemas") or ()), answer.shown())


def _list_says_its_place(session: Session) -> Finding:
    document = session.get("/Users", startIndex="1", count="2").document or {}
    shown = {name: get_member(document, name) for name in ("startIndex", "itemsPerPage")}
    holds = shown["startIndex"] in (1, None) and all(not isinstance(value, str) for value in shown.values())
    return judged(holds, ", ".join(f"{name} {value}" for name, value in shown.items()))


def _count_holds(session: Session) -> Finding:
    answer = session.get("/Users", startIndex="1", count="1")
    return judged(answer.resources is not None and len(answer.resources) <= 1, answer.shown())


def _count_zero(session: Session) -> Finding:
    answer = session.get("/Users", count="0")
    return judged(answer.resources == [], answer.shown())


def _count_negative(session: Session) -> Finding:
    answer = session.get("/Users", count="-1")
    return judged(answer.resources == [], answer.shown())


def _index_zero(session: Session) -> Finding:
    answer, first = session.get("/Users", startIndex="0", count="1"), session.get("/Users", startIndex="1", count="1")
    return judged(answer.resources is not None and answer.ids == first.ids, answer.shown())


def _index_beyond(session: Session) -> Finding:
    answer = session.get("/Users", startIndex="100000000", count="1")
    return judged(answer.resources == [], answer.shown())


def _pages_differ(session: Session) -> Finding:
    first = session.get("/Users", startIndex="1", count="1")
    if (first.total or 0) < 2:
        return skipped("There are fewer than two accounts.")
    second = session.get("/Users", startIndex="2", count="1")
    return judged(bool(second.ids) and first.ids != second.ids, f"page 1 {first.ids}, page 2 {second.ids}")


def _total_is_steady(session: Session) -> Finding:
    one, two = session.get("/Users", startIndex="1", count="1").total, session.get("/Users", count="0").total
    return judged(one is not None and one == two, f"totalResults {one} and {two}")


def _pages_by_cursor(session: Session) -> Finding:
    if get_member(get_member(session.service, "pagination") or {}, "cursor") is not True:
        return skipped("Cursors are not offered.")
    answer = session.get_raw("/Users?cursor&count=1")
    if (answer.total or 0) < 2:
        return skipped("There are fewer than two accounts.")
    return judged(isinstance(get_member(answer.document or {}, "nextCursor"), str), answer.shown())


# ---------------------------------------------------------------- single resources


def _resource_is_whole(session: Session) -> Finding:
    if session.sample is None:
        return skipped(NOBODY)
    missing = [name for name in ("id", "schemas", "userName", "meta") if get_member(session.sample, name) is None]
    return judged(
        not missing, f"missing: {', '.join(missing)}" if missing else "id, schemas, userName and meta are there"
    )


def _id_is_text(session: Session) -> Finding:
    if session.sample is None:
        return skipped(NOBODY)
    found = get_member(session.sample, "id")
    return judged(isinstance(found, str) and bool(found), f"id is {type(found).__name__}")


def _meta_is_whole(session: Session) -> Finding:
    if session.sample is None:
        return skipped(NOBODY)
    meta = get_member(session.sample, "meta") or {}
    missing = [name for name in ("resourceType", "location") if get_member(meta, name) is None]
    return judged(not missing, f"meta lacks {', '.join(missing)}" if missing else "resourceType and location are there")


def _no_password(session: Session) -> Finding:
    if session.sample is None:
        return skipped(NOBODY)
    is_shown = get_member(session.sample, "password") is not None
    return judged(not is_shown, "an account shows a password" if is_shown else "no password is shown")


def _reads_one(session: Session) -> Finding:
    if session.sample is None:
        return skipped(NOBODY)
    wanted = str(get_member(session.sample, "id"))
    answer = session.get(f"/Users/{quote(wanted, safe='')}")
    return judged(answer.status == 200 and str(get_member(answer.document or {}, "id")) == wanted, answer.shown())


def _unknown_is_404(session: Session) -> Finding:
    answer = session.get(f"/Users/{session.mark}")
    return judged(answer.status == 404, answer.shown())


def _unknown_is_scim_error(session: Session) -> Finding:
    return _scim_error(session.get(f"/Users/{session.mark}"), 404)


def _unknown_endpoint(session: Session) -> Finding:
    answer = session.get(f"/{session.mark}")
    return judged(answer.status == 404, answer.shown())


def _has_etag(session: Session) -> Finding:
    if session.offers("etag") is not True:
        return skipped("ETags are not offered.")
    if session.sample is None:
        return skipped(NOBODY)
    answer = session.get(f"/Users/{quote(str(get_member(session.sample, 'id')), safe='')}")
    version = get_member(get_member(answer.document or {}, "meta") or {}, "version")
    return judged(
        "etag" in answer.headers and version is not None, f"ETag {answer.headers.get('etag')}, version {version}"
    )


def _scim_error(answer: Reply, status: int) -> Finding:
    if answer.status != status:
        return skipped(f"It does not answer {status}: {answer.shown()}")
    document = answer.document or {}
    if ERROR_URN not in (get_member(document, "schemas") or ()):
        return failed(f"no SCIM error body: {answer.shown()}")
    given = get_member(document, "status")
    return judged(given == str(status), f"status {given!r}") if given != str(status) else passed("a SCIM error body")


_E, _I, _F = Weight.ESSENTIAL, Weight.IMPORTANT, Weight.FORMAL

ROWS: tuple[tuple[str, str, str, Weight, str, Callable[[Session], Finding]], ...] = (
    ("tls", "connection", "The address uses TLS", _E, "RFC 7644 §7.2", _secure),
    ("auth.none", "authentication", "Without a token: 401", _E, "RFC 7644 §2", _without_token),
    ("auth.wrong", "authentication", "With a wrong token: 401", _E, "RFC 7644 §2", _with_wrong_token),
    ("auth.error", "authentication", "The refusal is a SCIM error", _F, "RFC 7644 §3.12", _refusal_is_scim),
    ("auth.challenge", "authentication", "The refusal names the scheme", _F, "RFC 7235 §3.1", _refusal_challenges),
    ("service", "discovery", "ServiceProviderConfig answers", _I, "RFC 7644 §4", _service_answers),
    ("service.whole", "discovery", "… and names every feature", _F, "RFC 7643 §5", _service_is_whole),
    ("types", "discovery", "ResourceTypes lists User", _I, "RFC 7644 §4", _types_answer),
    ("types.one", "discovery", "ResourceTypes/User answers", _F, "RFC 7644 §4", _type_by_name),
    ("schemas", "discovery", "Schemas lists the user schema", _I, "RFC 7644 §4", _schemas_answer),
    ("schemas.one", "discovery", "Schemas/{urn} answers", _F, "RFC 7644 §4", _schema_by_urn),
    ("schemas.whole", "discovery", "Attributes have their characteristics", _F, "RFC 7643 §7", _schema_describes),
    ("schemas.name", "discovery", "userName is required", _F, "RFC 7643 §4.1.1", _schema_requires_name),
    ("schemas.active", "discovery", "active is published", _I, "RFC 7643 §4.1.1", _schema_has_active),
    ("media", "messages", "Answers are application/scim+json", _F, "RFC 7644 §3.1", _media_type),
    ("list", "lists", "GET /Users is a list", _E, "RFC 7644 §3.4.2", _lists),
    ("list.schema", "lists", "… with the schema of lists", _F, "RFC 7644 §3.4.2", _list_has_schema),
    ("list.place", "lists", "… that says where it begins", _F, "RFC 7644 §3.4.2.4", _list_says_its_place),
    ("list.total", "lists", "totalResults counts all pages", _E, "RFC 7644 §3.4.2", _total_is_steady),
    ("list.count", "lists", "count is obeyed", _I, "RFC 7644 §3.4.2.4", _count_holds),
    ("list.none", "lists", "count=0 shows nobody", _I, "RFC 7644 §3.4.2.4", _count_zero),
    ("list.negative", "lists", "A negative count is 0", _F, "RFC 7644 §3.4.2.4", _count_negative),
    ("list.first", "lists", "startIndex=0 is 1", _F, "RFC 7644 §3.4.2.4", _index_zero),
    ("list.beyond", "lists", "A page beyond the end is empty", _I, "RFC 7644 §3.4.2.4", _index_beyond),
    ("list.pages", "lists", "Another startIndex is another page", _E, "RFC 7644 §3.4.2.4", _pages_differ),
    ("list.cursor", "lists", "Cursors lead on", _I, "RFC 9865 §2", _pages_by_cursor),
    ("user.whole", "resources", "A user has id, schemas, userName, meta", _I, "RFC 7643 §3.1", _resource_is_whole),
    ("user.id", "resources", "The id is a text", _I, "RFC 7643 §3.1", _id_is_text),
    ("user.meta", "resources", "meta has resourceType and location", _F, "RFC 7643 §3.1", _meta_is_whole),
    ("user.password", "resources", "No password is shown", _E, "RFC 7643 §4.1.1", _no_password),
    ("user.read", "resources", "GET by id answers the same user", _E, "RFC 7644 §3.4.1", _reads_one),
    ("user.unknown", "resources", "An unknown id: 404", _E, "RFC 7644 §3.12", _unknown_is_404),
    ("user.error", "resources", "… with a SCIM error", _F, "RFC 7644 §3.12", _unknown_is_scim_error),
    ("user.etag", "resources", "ETag and version where offered", _F, "RFC 7644 §3.14", _has_etag),
    ("endpoint", "resources", "An unknown endpoint: 404", _F, "RFC 7644 §3.12", _unknown_endpoint),
)

READING: tuple[Probe, ...] = tuple(
    Probe(name=name, area=area, title=title, weight=weight, source=source, run=run)
    for name, area, title, weight, source, run in ROWS
)
