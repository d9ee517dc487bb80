"""The recycle bin: users, groups and applications that were deleted and can be restored for 30 days."""

from collections.abc import Sequence

from muster.administration.applications import purge_application, restore_application
from muster.administration.desk import Desk
from muster.administration.groups import purge_group, restore_group
from muster.administration.people import purge_user, restore_user
from muster.administration.refusals import not_found
from muster.model.application import EnterpriseApplication
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.roles import Permission

Item = DirectoryObject | EnterpriseApplication


def deleted_applications(desk: Desk) -> Sequence[EnterpriseApplication]:
    """Returns the applications in the recycle bin. Raises: Refused."""
    desk.require(Permission.READ_CONFIGURATION)
    return desk.stores.applications.deleted()


def find_deleted(desk: Desk, item_id: str) -> Item:
    """Returns what is in the recycle bin under an id; a user by principal name, too. Raises: Refused."""
    desk.require(Permission.READ_DIRECTORY)
    for kind in ObjectKind:
        found = desk.stores.directory.get(kind, item_id)
        if found is not None and found.lifecycle is Lifecycle.SOFT_DELETED:
            return found
    if desk.may(Permission.READ_CONFIGURATION):
        for application in desk.stores.applications.deleted():
            if item_id in (application.application_id, application.service_principal_id, application.app_id):
                return application
    raise not_found("Deleted item", item_id)


def restore(desk: Desk, item_id: str) -> Item:
    """Returns what was taken out of the recycle bin. Raises: Refused."""
    item = find_deleted(desk, item_id)
    if isinstance(item, EnterpriseApplication):
        return restore_application(desk, item)
    return (restore_user if item.kind is ObjectKind.USER else restore_group)(desk, item.object_id)


def purge(desk: Desk, item_id: str) -> None:
    """Deletes something in the recycle bin for good. Raises: Refused."""
    item = find_deleted(desk, item_id)
    if isinstance(item, EnterpriseApplication):
        purge_application(desk, item)
    else:
        (purge_user if item.kind is ObjectKind.USER else purge_group)(desk, item.object_id)
