"""XML that strangers send: parsed with limits, without a document type, comments or instructions; and XML written."""

from collections.abc import Iterator
from typing import Any

from lxml import etree

from muster.saml.names import LIMIT_MESSAGE_BYTES, SAML, SAMLP, SamlRefused

LIMIT_ELEMENTS = 5_000
LIMIT_DEPTH = 40

# An element of lxml, which has no types.
Element = Any


def parse(content: bytes, *, limit_bytes: int = LIMIT_MESSAGE_BYTES) -> Element:
    """The root of a document of elements, attributes and text alone, in UTF-8. Raises: SamlRefused.

    A comment or an instruction is refused and not skipped: no signature covers comments, and parsers cut texts at them.
    """
    if len(content) > limit_bytes:
        raise SamlRefused("too-large", f"The message is larger than {limit_bytes} bytes.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise SamlRefused("no-xml", "The message is no XML in UTF-8.") from None
    # Nothing that SAML sends has either: refused before a parser sees them.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SamlRefused("document-type", "The message has a document type or an entity.")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=False,
        remove_pis=False,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise SamlRefused("no-xml", "The message is no well-formed XML.") from None
    if root.getroottree().docinfo.doctype:
        raise SamlRefused("document-type", "The message has a document type or an entity.")
    _check_shape(root)
    return root


def _check_shape(root: Element) -> None:
    siblings = [*root.itersiblings(preceding=True), *root.itersiblings()]
    if siblings:
        raise SamlRefused("comment", "The message has a comment or an instruction.")
    depth = count = 0
    for event, node in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event == "start":
            depth, count = depth + 1, count + 1
        elif event == "end":
            depth -= 1
        else:
            raise SamlRefused("comment", "The message has a comment or an instruction.")
        if not isinstance(node.tag, str):
            raise SamlRefused("comment", "The message has something other than elements and text.")
        if count > LIMIT_ELEMENTS or depth > LIMIT_DEPTH:
            raise SamlRefused("too-large", "The message has too many elements, or they are nested too deep.")


def children(element: Element, namespace: str, tag: str) -> list[Element]:
    """The direct children of a name."""
    return list(element.findall(f"{{{namespace}}}{tag}"))


def child(element: Element, namespace: str, tag: str) -> Element | None:
    """The one direct child of a name, or None. Raises: SamlRefused if there are several."""
    found = children(element, namespace, tag)
    if len(found) > 1:
        raise SamlRefused("ambiguous", f"There is more than one {tag}.")
    return found[0] if found else None


def require_child(element: Element, namespace: str, tag: str) -> Element:
    """The one direct child of a name. Raises: SamlRefused if there is none, or several."""
    found = child(element, namespace, tag)
    if found is None:
        raise SamlRefused("missing", f"There is no {tag}.")
    return found


def text_of(element: Element) -> str:
    """The text of an element that holds nothing else, without XML's blanks around it. Raises: SamlRefused."""
    if len(element):
        raise SamlRefused("no-text", f"{etree.QName(element).localname} holds more than a text.")
    return (element.text or "").strip(" \t\r\n")


def descendants(element: Element, namespace: str, tag: str) -> Iterator[Element]:
    """All elements of a name below an element, and itself."""
    found: Iterator[Element] = element.iter(f"{{{namespace}}}{tag}")
    return found


def is_element(element: Element, namespace: str, tag: str) -> bool:
    """Whether an element has this name."""
    return bool(element.tag == f"{{{namespace}}}{tag}")


def new(namespace: str, tag: str, text: str | None = None, /, **attributes: str | None) -> Element:
    """A new element; attributes that are None are left out."""
    names = {"samlp": SAMLP, "saml": SAML} if namespace == SAMLP else {"saml": SAML} if namespace == SAML else None
    element = etree.Element(f"{{{namespace}}}{tag}", nsmap=names)
    return _fill(element, text, attributes)


def add(parent: Element, namespace: str, tag: str, text: str | None = None, /, **attributes: str | None) -> Element:
    """A new last child; attributes that are None are left out."""
    return _fill(etree.SubElement(parent, f"{{{namespace}}}{tag}"), text, attributes)


def _fill(element: Element, text: str | None, attributes: dict[str, str | None]) -> Element:
    try:
        element.text = text
        for name, value in attributes.items():
            if value is not None:
                element.set(name, value)
    except ValueError:
        # A control character in a person's data: XML has no way to say it.
        raise SamlRefused("no-text", f"{etree.QName(element).localname} cannot hold a control character.") from None
    return element


def render(element: Element) -> bytes:
    """The element as bytes in UTF-8."""
    rendered: bytes = etree.tostring(element, encoding="utf-8", with_tail=False)
    return rendered


def render_pretty(element: Element) -> str:
    """The element for reading: indented, which breaks its signature."""
    copied = etree.fromstring(etree.tostring(element))
    etree.indent(copied)
    return str(etree.tostring(copied, encoding="unicode"))
