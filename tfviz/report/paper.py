"""The PDF's pages: type as large as the limit of pages allows, and no gap where a figure waits for the next page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from weasyprint import HTML, Document

LIMIT = 40
"""Pages that a report should have at most."""
SIZES = (11.0, 10.5, 10.0, 9.5)
"""Points: of the text; the first with which the limit is kept, else the last."""
_PASSES = 3  # layouts at most, each of which moves what the one before left gaps for
_SAVED = 1  # pages that these may save
_GAP = 0.05  # of a page's height: what is left free below it at most


def laid_out(html: HTML, **options: Any) -> Document:
    """A document on pages.

    Where a figure, a table or a side note does not fit any more below the text and goes to the next page, paragraphs
    that follow it fill the page first, as a typesetter has it. Their order among themselves stays, and so does that of
    figures and tables.

    Args:
        html: the page; its tree is changed.
        options: of WeasyPrint's rendering.
    """
    root = html.etree_element
    order = [(section, list(section)) for section in root.iter() if _name(section) == "section"]
    sections = [section for section, _ in order]
    body = next((each for each in root.iter() if any(child in sections for child in each)), root)
    whole = list(body)
    moving = _moving(whole)
    options = {"cache": {}, **options}
    for size in SIZES:
        for section, children in order:
            section[:] = children
        root.set("style", f"font-size:{size}pt")
        body[:] = moving
        document, filled = html.render(**options), False
        if len(document.pages) > LIMIT + _SAVED and size != SIZES[-1]:
            continue
        for left in reversed(range(_PASSES - 1)):
            filled = _fill(document, sections)
            if not filled or not left:
                break
            document, filled = html.render(**options), False
        body[:] = whole
        if filled or moving != whole:
            document = html.render(**options)
        if len(document.pages) <= LIMIT:
            break
    return document


def _moving(whole: list[Element]) -> list[Element]:
    """Of the page's content what decides where something waits: the last section with what may, and all before it.

    In a cover's place stands an empty one: a cover has a page to itself. What comes after, and the cover, have columns,
    the heights of which take longer to balance than all else.
    """
    last = max((at for at, child in enumerate(whole) if any(map(_waits, child))), default=len(whole) - 1)
    moving = whole[: last + 1]
    for at, child in enumerate(moving):
        if "cover" in child.get("class", "").split() and at < last:
            moving[at] = child.makeelement(child.tag, {"class": "cover"})
            moving[at].text = "\u00a0"
    return moving


def gaps(document: Document) -> list[float]:
    """How much of each page is empty at its foot, 0 to 1."""
    from weasyprint.formatting_structure import boxes

    empty = []
    for page in document.pages:
        box = page._page_box
        top, low = box.content_box_y(), box.content_box_y()
        for inner in box.descendants():
            if isinstance(inner, boxes.TextBox | boxes.ReplacedBox) and inner.position_y < top + box.height:
                low = max(low, inner.position_y + inner.margin_height())
        empty.append(1 - (low - top) / box.height)
    return empty


def _fill(document: Document, sections: list[Element]) -> bool:
    """Puts paragraphs before what waits for the next page; whether there were any."""
    free = [share * page._page_box.height for share, page in zip(gaps(document), document.pages, strict=True)]
    places = _places(document)
    filled = False
    for section in sections:
        for waiting in [child for child in section if _waits(child) and child in places]:
            number = places[waiting][0][0]
            page = document.pages[number]._page_box
            children = list(section)
            at = children.index(waiting)
            # Its heading goes with it.
            lead = children[at - 1] if at and _name(children[at - 1]) == "h3" else waiting
            start = places[lead][0][1] - page.content_box_y()
            if number == 0 or start > _GAP * page.height or free[number - 1] < _GAP * page.height:
                continue
            chosen = _that_fit(children[at + 1 :], places, free[number - 1])
            if chosen:
                section[at : at + 1 + len(chosen)] = [*chosen, waiting]
                filled = True
    return filled


def _that_fit(following: list[Element], places: _Places, room: float) -> list[Element]:
    """What of the following fills so much room: paragraphs, with their side notes, of which the last may break."""
    chosen: list[Element] = []
    for element in following:
        text = "".join(element.itertext()).rstrip()
        if element.get("class") == "note":
            chosen.append(element)
        elif room <= 0 or _name(element) != "p" or element not in places or text.endswith(":"):
            break
        else:
            chosen.append(element)
            room -= sum(bottom - top for _, top, bottom in places[element])
    return chosen if any(_name(element) == "p" for element in chosen) else []


_Places = dict["Element", list[tuple[int, float, float]]]
"""Page, top and bottom of each part of an element."""


def _places(document: Document) -> _Places:
    places: _Places = {}
    for number, page in enumerate(document.pages):
        for box in page._page_box.descendants():
            if (
                box.element is not None
                and hasattr(box, "position_y")
                and not box.element_tag.endswith("::after")
            ):
                where = (number, box.position_y, box.position_y + box.margin_height())
                places.setdefault(box.element, []).append(where)
    return places


def _waits(element: Element) -> bool:
    kinds = element.get("class", "").split()
    return _name(element) == "figure" or "note" in kinds or ("scroll" in kinds and "long" not in kinds)


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
