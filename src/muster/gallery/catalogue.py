"""All pages of the gallery that come with the product."""

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

from muster.gallery.page import GalleryPage, read_page

__all__ = [
    "CLIENTS_TEMPLATE_ID",
    "FILE_TEMPLATE_ID",
    "GENERIC_TEMPLATE_ID",
    "OWN_TEMPLATE_IDS",
    "GalleryPage",
    "all_pages",
    "clients_page",
    "find",
    "find_inbound",
    "own_pages",
    "sources",
]

# Microsoft's id of the non-gallery application; scripts name it.
GENERIC_TEMPLATE_ID = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"
FILE_TEMPLATE_ID = "6f1c9a52-4c3e-4d0e-9b57-2f0f8a6f5c11"
# What SCIM clients write into our directory themselves.
CLIENTS_TEMPLATE_ID = "b8a4f0de-52f7-4b27-9a0c-61d2c5a7e3f4"
# What belongs to the installation: nobody adds, runs or removes it.
OWN_TEMPLATE_IDS = frozenset({FILE_TEMPLATE_ID, CLIENTS_TEMPLATE_ID})


def clients_page() -> GalleryPage:
    """Returns the page of SCIM clients, which an installation has one job of."""
    return next(page for page in _pages() if page.id == CLIENTS_TEMPLATE_ID)


def own_pages() -> Sequence[GalleryPage]:
    """Returns the pages of which every installation has one job of its own."""
    return tuple(page for page in _pages() if page.id in OWN_TEMPLATE_IDS)


def all_pages() -> Sequence[GalleryPage]:
    """Returns every application of the gallery by display name."""
    return tuple(page for page in _pages() if page.is_application)


def sources() -> Sequence[GalleryPage]:
    """Returns every kind of source that can be added, by display name."""
    return tuple(page for page in _pages() if page.is_source)


def find(name: str) -> GalleryPage | None:
    """Returns a page by template id, job template id or display name, whether or not it is an application."""
    wanted = name.lower()
    return next(
        (page for page in _pages() if wanted in (page.id, page.job_template_id.lower(), page.display_name.lower())),
        None,
    )


def find_inbound(name: str) -> GalleryPage | None:
    """Returns the page of a source that writes into our directory, by job template id."""
    page = find(name)
    return None if page is None or page.is_application else page


@lru_cache(maxsize=1)
def _pages() -> tuple[GalleryPage, ...]:
    folder = resources.files("muster.gallery") / "pages"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".json")]
    pages = [read_page(entry.read_bytes(), entry.name) for entry in files]
    return tuple(sorted(pages, key=lambda page: page.display_name.lower()))
