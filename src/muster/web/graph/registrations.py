"""/applications and owners: app registrations, their secrets, and who owns an application or group."""

from muster.administration import applications, clients, groups, owners
from muster.administration.owners import Owner, SubjectKind
from muster.administration.refusals import bad_request
from muster.model.clients import ClientApplication
from muster.model.roles import CallerKind
from muster.web.graph import render
from muster.web.graph.applications import BY_APP_ID, UNCHANGED, application_of, registration_of
from muster.web.graph.call import NO_CONTENT, Answer, Call, Document, check_fixed, referenced_id, required_text, text_of
from muster.web.graph.filters import read_instant

# Sent by clients that make a registration; there is nothing here that they would set.
_IGNORED = frozenset(
    {"signInAudience", "api", "web", "spa", "publicClient", "identifierUris", "notes", "tags", "optionalClaims",
     "requiredResourceAccess", "isFallbackPublicClient", "groupMembershipClaims", "info", "description",
     "isDeviceOnlyAuthSupported", "oauth2RequirePostResponse", "parentalControlSettings", "serviceManagementReference",
     "defaultRedirectUri", "samlMetadataUrl", "uniqueName", "keyCredentials", "passwordCredentials", "appRoles"}
)  # fmt: skip


def create_registration(call: Call) -> Answer:
    """POST /applications: an app registration, which can sign in once it has a secret and may what its roles give."""
    fields = call.fields()
    check_fixed(fields, {}, {"displayName", "id", "appId"} | UNCHANGED | _IGNORED)
    made = clients.create_client(call.desk, required_text(fields, "displayName"))
    return call.entity("applications", render.registration(made), status=201)


def create_service_principal(call: Call) -> Answer:
    """POST /servicePrincipals: that of a registration, which is there from its beginning."""
    client = clients.find_client(call.desk, required_text(call.fields(), "appId"))
    return call.entity("servicePrincipals", render.client_service_principal(client), status=201)


def add_password(call: Call) -> Answer:
    """POST /applications/{application}/addPassword: the secret is in this answer and nowhere else."""
    client = _client(call)
    given = call.fields(optional=True).get("passwordCredential") or {}
    if not isinstance(given, dict):
        raise bad_request('passwordCredential takes an object such as {"displayName": "deploy"}.')
    end = text_of(given, "endDateTime", optional=True)
    ends = None if end is None else read_instant(end)
    if end is not None and ends is None:
        raise bad_request("endDateTime takes an instant such as 2027-01-31T00:00:00Z.")
    name = text_of(given, "displayName", optional=True)
    secret, text = clients.add_secret(call.desk, client.application_id, name, ends)
    return Answer(
        document={
            "@odata.context": f"{call.root}/$metadata#microsoft.graph.passwordCredential",
            **render.client_secret(secret),
            "secretText": text,
        }
    )


def remove_password(call: Call) -> Answer:
    """POST /applications/{application}/removePassword."""
    clients.remove_secret(call.desk, _client(call).application_id, required_text(call.fields(), "keyId"))
    return NO_CONTENT


# ---------------------------------------------------------------- owners


def list_owners(call: Call) -> Answer:
    """GET …/owners of an application, service principal or group."""
    kind, subject_id = _subject(call)
    return call.whole("directoryObjects", owners.owners(call.desk, kind, subject_id), _owner)


def add_owner(call: Call) -> Answer:
    """POST …/owners/$ref."""
    kind, subject_id = _subject(call)
    owners.add_owner(call.desk, kind, subject_id, referenced_id(call.fields().get("@odata.id")))
    return NO_CONTENT


def remove_owner(call: Call) -> Answer:
    """DELETE …/owners/{owner}/$ref."""
    kind, subject_id = _subject(call)
    owners.remove_owner(call.desk, kind, subject_id, call.parts["owner"])
    return NO_CONTENT


def _subject(call: Call) -> tuple[SubjectKind, str]:
    if "group" in call.parts:
        return SubjectKind.GROUP, groups.find_group(call.desk, call.parts["group"]).object_id
    application = application_of(call) if "sp" in call.parts else registration_of(call)
    return SubjectKind.APPLICATION, application.service_principal_id


def _owner(owner: Owner) -> Document:
    if owner.person is not None:
        return render.directory_object(owner.person)
    is_person = owner.caller is not None and owner.caller.kind is CallerKind.ADMINISTRATOR
    return {
        "@odata.type": "#microsoft.graph.user" if is_person else "#microsoft.graph.servicePrincipal",
        "id": owner.id,
        "displayName": owner.display_name,
    }


def _client(call: Call) -> ClientApplication:
    name = call.parts["application"].removeprefix(BY_APP_ID)
    client = clients.known_client(call.desk, name)
    if client is None:
        application = applications.find_registration(call.desk, name)
        raise bad_request(
            f"{application.display_name} comes from the gallery and does not sign in here: make an app registration "
            "with POST /applications and add the secret to it."
        )
    return client
