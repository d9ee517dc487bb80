"""/directory/deletedItems: the recycle bin."""

from muster.administration import recycling
from muster.administration.recycling import Item
from muster.model.application import EnterpriseApplication
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.web.graph import render
from muster.web.graph.applications import APPLICATION, SERVICE_PRINCIPAL
from muster.web.graph.call import NO_CONTENT, Answer, Call, Document
from muster.web.graph.listing import narrowed
from muster.web.graph.people import listed


def list_users(call: Call) -> Answer:
    """GET /directory/deletedItems/microsoft.graph.user."""
    return listed(call, ObjectKind.USER, "directoryObjects", render.directory_object, Lifecycle.SOFT_DELETED)


def list_groups(call: Call) -> Answer:
    """GET /directory/deletedItems/microsoft.graph.group."""
    return listed(call, ObjectKind.GROUP, "directoryObjects", render.directory_object, Lifecycle.SOFT_DELETED)


def list_applications(call: Call) -> Answer:
    """GET /directory/deletedItems/microsoft.graph.application."""
    found = recycling.deleted_applications(call.desk)
    return narrowed(call, "directoryObjects", found, _application, APPLICATION)


def list_service_principals(call: Call) -> Answer:
    """GET /directory/deletedItems/microsoft.graph.servicePrincipal."""
    found = recycling.deleted_applications(call.desk)
    return narrowed(call, "directoryObjects", found, _service_principal, SERVICE_PRINCIPAL)


def get_item(call: Call) -> Answer:
    """GET /directory/deletedItems/{item}."""
    return call.entity("directoryObjects", _shown(call, recycling.find_deleted(call.desk, call.parts["item"])))


def restore_item(call: Call) -> Answer:
    """POST /directory/deletedItems/{item}/restore."""
    return call.entity("directoryObjects", _shown(call, recycling.restore(call.desk, call.parts["item"])))


def purge_item(call: Call) -> Answer:
    """DELETE /directory/deletedItems/{item}: for good."""
    recycling.purge(call.desk, call.parts["item"])
    return NO_CONTENT


def _shown(call: Call, item: Item) -> Document:
    if isinstance(item, DirectoryObject):
        return render.directory_object(item)
    return (_service_principal if call.parts["item"] == item.service_principal_id else _application)(item)


def _application(found: EnterpriseApplication) -> Document:
    return {"@odata.type": "#microsoft.graph.application", **render.application(found)}


def _service_principal(found: EnterpriseApplication) -> Document:
    return {"@odata.type": "#microsoft.graph.servicePrincipal", **render.service_principal(found)}
