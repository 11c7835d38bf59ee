"""Makes a drawing of matplotlib part of the page: the page's colours and font, no styles, unique ids."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Final

INK: Final = "#010203"
RULE: Final = "#020304"
PAPER: Final = "#020305"
SERIES: Final = (
    *("#030401", "#030402", "#030403", "#030404"),
    *("#030405", "#030406", "#030407", "#030408"),
    *("#030409", "#03040a"),
)
"""Colours that a drawing is made in; each stands for a colour of the page."""

_COLOURS: Final = {INK: "currentColor", RULE: "var(--rule)", PAPER: "var(--paper)"} | {
    colour: f"var(--c{number})" for number, colour in enumerate(SERIES, start=1)
}

_SVG: Final = "{http://www.w3.org/2000/svg}"
_XLINK: Final = "{http://www.w3.org/1999/xlink}"
_DROPPED: Final = (f"{_SVG}metadata", f"{_SVG}style")
_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")
_FONT_SIZE: Final = re.compile(r"([\d.]+)px")


def clean(text: str, prefix: str, alternative: str) -> str:
    """
    :param text: a whole SVG file.
    :param prefix: put in front of every id.
    :param alternative: what the drawing shows, in words.
    """
    ET.register_namespace("", _SVG[1:-1])
    root = ET.fromstring(text)
    for parent in root.iter():
        for child in [child for child in parent if child.tag in _DROPPED]:
            parent.remove(child)
    used = {name for element in root.iter() for name in _references(element)}
    for element in root.iter():
        _clean_element(element, prefix, used)
    _, _, width, height = (root.get("viewBox") or "0 0 1 1").split()
    root.attrib.clear()
    root.set("viewBox", f"0 0 {width} {height}")
    root.set("role", "img")
    root.set("aria-label", alternative)

    return ET.tostring(root, encoding="unicode")


def _references(element: ET.Element) -> set[str]:
    """Return the ids that an element points to."""
    found = set()
    for name, value in element.attrib.items():
        found.update(_REFERENCE.findall(value))
        if name in ("href", f"{_XLINK}href"):
            found.add(value.removeprefix("#"))

    return found


def _clean_element(element: ET.Element, prefix: str, used: set[str]) -> None:
    attributes = dict(element.attrib)
    element.attrib.clear()
    for declaration in attributes.pop("style", "").split(";"):
        name, separator, value = declaration.partition(":")
        if separator:
            _add_declaration(element, name.strip(), value.strip())
    for name, value in attributes.items():
        if name == "id":
            if value in used:
                element.set("id", f"{prefix}-{value}")
        elif name in ("href", f"{_XLINK}href"):
            element.set("href", f"#{prefix}-{value.removeprefix('#')}")
        else:
            element.set(name, _COLOURS.get(value, _REFERENCE.sub(rf"url(#{prefix}-\1)", value)))


def _add_declaration(element: ET.Element, name: str, value: str) -> None:
    """Write a declaration as an attribute: the page allows no styles within elements."""
    if name in ("font", "font-size"):
        size = _FONT_SIZE.search(value)
        if size is not None:
            element.set("font-size", size[1])
    elif not name.startswith("font-"):
        element.set(name, _COLOURS.get(value, value))
