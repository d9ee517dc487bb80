"""Owners named and taken away on a page: of an application, and of a group."""

from muster.administration import owners
from muster.administration.owners import SubjectKind
from muster.administration.refusals import conflict
from muster.ui.language import gettext
from muster.web.portal.forms import field
from muster.web.portal.paths import desk


def change_owner(kind: SubjectKind, subject_id: str) -> None:
    """Does what the form asks: one added by name, mail, principal name or id, or one removed. Raises: Refused."""
    added, removed = field("add", 200), field("remove", 100)
    if removed:
        owners.remove_owner(desk(), kind, subject_id, removed)
        return
    owner_id = owners.find_named(desk(), added)
    for each in owners.owners(desk(), kind, subject_id):
        if each.id == owner_id:
            raise conflict(gettext("%(name)s is an owner already.", name=each.display_name))
    owners.add_owner(desk(), kind, subject_id, owner_id)
