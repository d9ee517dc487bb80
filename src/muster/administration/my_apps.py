"""What a person sees in My Apps: the applications that they are assigned to."""

from collections.abc import Mapping, Sequence

from muster.administration.saml_sign_in import launch_path
from muster.administration.signing_in import Reception
from muster.model.application import AppRoleAssignment, EnterpriseApplication
from muster.model.directory import DirectoryObject, Lifecycle


def assignments_of(reception: Reception, person: DirectoryObject) -> Sequence[AppRoleAssignment]:
    """Returns the roles that a person holds, directly or as a direct member of a group."""
    groups = reception.stores.directory.groups_of(person.object_id)
    # A group that is no security group, or is deleted, gives nobody a role.
    giving = [
        group.object_id
        for group in groups
        if group.lifecycle is Lifecycle.PRESENT and group.attributes.get("securityEnabled") is not False
    ]
    return [
        assignment
        for principal_id in (person.object_id, *giving)
        for assignment in reception.stores.applications.assignments(principal_id=principal_id)
    ]


def is_assigned(reception: Reception, person: DirectoryObject, service_principal_id: str) -> bool:
    """Whether a person may sign in to an application: assigned to it, with whatever role."""
    given = assignments_of(reception, person)
    return any(assignment.service_principal_id == service_principal_id for assignment in given)


def applications_of(reception: Reception, person: DirectoryObject) -> Sequence[EnterpriseApplication]:
    """Returns the applications of a person that are enabled and shown to people, by name."""
    assigned = {assignment.service_principal_id for assignment in assignments_of(reception, person)}
    known = (reception.stores.applications.get(service_principal_id) for service_principal_id in assigned)
    found = [each for each in known if each is not None and each.is_enabled and each.is_visible]
    return sorted(found, key=lambda application: application.display_name.casefold())


def launched(reception: Reception, applications: Sequence[EnterpriseApplication]) -> Mapping[str, str]:
    """Returns by service principal id the address that signs in to each application that can be signed in to."""
    paths = {}
    for application in applications:
        settings = reception.stores.single_sign_on.settings(application.service_principal_id)
        if settings is not None and settings.is_complete:
            paths[application.service_principal_id] = launch_path(application.app_id)
            continue
        # By OpenID Connect a sign-in begins at the application, which sends the browser here.
        openid = reception.stores.openid.settings(application.service_principal_id)
        if openid is not None and openid.is_complete and openid.sign_on_url is not None:
            paths[application.service_principal_id] = openid.sign_on_url
    return paths
