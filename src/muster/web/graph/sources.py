"""/sources (ours): where the directory's people come from, how far it was read, and where each value comes from."""

from muster.administration import groups, people, provenance, sources
from muster.administration.applications import source_templates
from muster.administration.refusals import bad_request
from muster.administration.sources import Leaving, Source
from muster.gallery.catalogue import GalleryPage
from muster.model.connection import ConnectionField
from muster.model.directory import DirectoryObject
from muster.model.durations import write_duration
from muster.model.mirror import MirrorState
from muster.web.graph.applications import application_of
from muster.web.graph.call import Answer, Call, Document, required_text, text_of
from muster.web.graph.render import instant


def list_kinds(call: Call) -> Answer:
    """GET /sources/kinds: the kinds of sources, each with the fields of its connection."""
    return call.collection("sources/kinds", source_templates(call.desk), _kind)


def list_sources(call: Call) -> Answer:
    """GET /sources: in the order in which their word counts."""
    return call.collection("sources", sources.sources(call.desk), _source)


def get_source(call: Call) -> Answer:
    """GET /sources/{source}: by the id of its application."""
    return call.entity("sources/$entity", _source(sources.find_source(call.desk, call.parts["source"])))


def add_source(call: Call) -> Answer:
    """POST /sources: {"kind": "folder", "displayName": "HR", "connection": {"Server": "hr"}}."""
    fields = call.fields()
    connection = fields.get("connection") or {}
    if not isinstance(connection, dict) or any(not isinstance(value, str) for value in connection.values()):
        raise bad_request('connection takes texts by name: {"connection": {"Server": "hr"}}.')
    kind, name = required_text(fields, "kind"), text_of(fields, "displayName", optional=True)
    made = sources.add_source(call.desk, kind, name, connection)
    return call.entity("sources/$entity", _source(made), status=201)


def remove_source(call: Call) -> Answer:
    """DELETE /sources/{source}?people=keep or delete: what becomes of its people has to be said."""
    try:
        people_ = Leaving(call.query.get("people", ""))
    except ValueError:
        raise bad_request(
            "Say what becomes of its people: people=keep (they stay and are edited here) or people=delete (whom no "
            "other source has goes into the recycle bin)."
        ) from None
    gone = sources.remove_source(call.desk, call.parts["source"], people_)
    return Answer(document={"removedPeople": gone})


def get_mirror(call: Call) -> Answer:
    """GET …/jobs/{job}/mirror: how far the source was read, and what that proves."""
    sp = application_of(call).service_principal_id
    return call.entity("mirror", _mirror(sources.mirror(call.desk, sp, call.parts["job"])))


def accept_missing(call: Call) -> Answer:
    """POST …/jobs/{job}/mirror/acceptMissing: those whom the last read of everybody did not name have left."""
    sp = application_of(call).service_principal_id
    return Answer(document={"accepted": sources.accept_missing(call.desk, sp, call.parts["job"])})


def read_anew(call: Call) -> Answer:
    """POST …/jobs/{job}/mirror/readAnew: the next read is of everything."""
    sources.read_anew(call.desk, application_of(call).service_principal_id, call.parts["job"])
    return Answer(status=204)


def user_provenance(call: Call) -> Answer:
    """GET /users/{user}/provenance: the source of each value; what is not listed was entered here."""
    return _provenance(call, people.find_user(call.desk, call.parts["user"]))


def group_provenance(call: Call) -> Answer:
    """GET /groups/{group}/provenance: the source of each value."""
    return _provenance(call, groups.find_group(call.desk, call.parts["group"]))


def _provenance(call: Call, found: DirectoryObject) -> Answer:
    origins = sorted(provenance.dated_origins(call.desk, found).items())
    return call.collection(
        "provenance",
        origins,
        lambda item: {
            "attribute": item[0],
            "source": item[1].name,
            "servicePrincipalId": item[1].service_principal_id,
            "jobId": item[1].job_id,
            "sourceId": item[1].source_id,
            "sinceDateTime": instant(item[1].since),
        },
    )


def _kind(page: GalleryPage) -> Document:
    return {
        "id": page.id,
        "kind": page.job_template_id,
        "displayName": page.display_name,
        "description": page.description,
        "readEvery": write_duration(page.read_every),
        "connection": [_field(field) for field in page.connection],
    }


def _field(field: ConnectionField) -> Document:
    return {
        "name": field.name,
        "label": field.label,
        "required": field.required,
        "secret": field.is_secret,
        "hint": field.hint,
        "default": field.default,
        "choices": list(field.choices),
    }


def _source(source: Source) -> Document:
    return {
        "id": source.application.service_principal_id,
        "displayName": source.application.display_name,
        "kind": source.page.job_template_id,
        "jobId": source.job.id,
        "state": source.job.code.value,
        "precedence": source.standing.precedence,
        "attributePrecedence": dict(sorted(source.standing.by_attribute.items())),
        "localEditsFirst": sorted(source.standing.local_first),
        "mirror": _mirror(source.mirror),
    }


def _mirror(state: MirrorState) -> Document:
    return {
        "users": state.users,
        "groups": state.groups,
        "readDateTime": instant(state.read_at),
        "isBeingRead": state.reading_at is not None,
        "isComplete": state.is_whole,
        "completeDateTime": instant(state.whole_at),
        "incompleteBecause": state.because,
        "missing": state.missing,
        "problems": list(state.problems),
        "problemCount": state.problem_count,
    }
