"""New application: the gallery, a page of it, and the application made from it."""

from typing import Any

import flask

from muster.administration import applications as registry
from muster.administration.refusals import Refused
from muster.gallery.catalogue import GENERIC_TEMPLATE_ID, GalleryPage
from muster.ui.language import marked
from muster.web.portal.forms import done, field
from muster.web.portal.paths import address, choice, desk, text

MARKS = {
    "provisioning": marked("Automatic provisioning"),
    "sso": marked("Single sign-on"),
}
CATEGORIES = {
    "businessIntelligence": marked("Business intelligence"),
    "collaboration": marked("Collaboration"),
    "contentManagement": marked("Content management"),
    "developerServices": marked("Developer services"),
    "facilities": marked("Facilities"),
    "finance": marked("Finance"),
    "humanResources": marked("Human resources"),
    "itInfrastructure": marked("IT infrastructure"),
    "marketing": marked("Marketing"),
    "nonGallery": marked("Not of the gallery"),
    "operations": marked("Business operations"),
    "productivity": marked("Productivity"),
    "sales": marked("Sales"),
    "security": marked("Security"),
    "telecommunications": marked("Telecommunications"),
    "travel": marked("Travel"),
}
# What the gallery shows before everything else.
FEATURED = ("8x8", "Atlassian Cloud", "Cisco Webex", "Miro", "Notion", "Snowflake")


def show_gallery() -> Any:
    """GET /applications/new"""
    wanted, mark = text("search"), choice("mark", MARKS)
    pages = [page for page in registry.templates(desk()) if page.id != GENERIC_TEMPLATE_ID]
    categories = sorted({category for page in pages for category in page.categories})
    category = choice("category", categories)
    shown = [page for page in pages if _fits(page, wanted, category, mark)]
    is_narrowed = wanted is not None or category is not None or mark is not None
    return flask.render_template(
        "gallery/list.html",
        pages=shown,
        featured=[] if is_narrowed else [page for page in pages if page.display_name in FEATURED],
        total=len(pages),
        categories=categories,
        category_words=CATEGORIES,
        category=category,
        search=wanted,
        mark=mark,
        marks=MARKS,
        generic=GENERIC_TEMPLATE_ID,
    )


def show_page(template_id: str, refusal: Refused | None = None) -> Any:
    """GET /applications/new/<template_id>"""
    page = registry.find_page(desk(), template_id)
    twins = [each for each in registry.applications(desk()) if each.template_id == page.id]
    return flask.render_template(
        "gallery/page.html",
        page=page,
        twins=twins,
        is_generic=page.id == GENERIC_TEMPLATE_ID,
        name=flask.request.form.get("name", page.display_name),
        refusal=refusal,
    )


def create(template_id: str) -> Any:
    """POST /applications/new/<template_id>"""
    try:
        made = registry.instantiate(desk(), template_id, field("name"))
    except Refused as refused:
        return show_page(template_id, refused), 400
    return done(address("applications", made.service_principal_id), "created")


def _fits(page: GalleryPage, wanted: str | None, category: str | None, mark: str | None) -> bool:
    texts = (page.display_name, page.publisher, page.description, *page.categories)
    return (
        (wanted is None or any(wanted.casefold() in each.casefold() for each in texts))
        and (category is None or category in page.categories)
        and (mark != "provisioning" or page.supports_provisioning)
        and (mark != "sso" or bool(page.sign_on_modes))
    )
