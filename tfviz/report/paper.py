"""The PDF's pages: type as large as the limit of pages allows, and no gap where a figure waits for the next page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weasyprint import HTML, Document

LIMIT = 40
"""Pages that a report should have at most."""
SIZES = (10.5, 10.0, 9.5)
"""Points: of the text; the first with which the limit is kept, else the last. A full report fits with the first."""
_GAP = 0.05  # of a page's height: what is left free below it at most


def laid_out(html: HTML, **options: Any) -> Document:
    """A document on pages.

    Where a figure, a table or a side note does not fit any more below the text and goes to the next page, paragraphs
    that follow it fill the page first, as a typesetter has it. Their order among themselves stays, and so does that of
    figures and tables.

    Args:
        html: the page.
        options: of WeasyPrint's rendering.
    """
    options = {"cache": {}, **options}
    for size in SIZES:
        html.etree_element.set("style", f"font-size:{size}pt")
        with _filling():
            document = html.render(**options)
        if len(document.pages) <= LIMIT:
            break
    return document


def gaps(document: Document) -> list[float]:
    """How much of each page is empty at its foot, 0 to 1."""
    return [_empty(page._page_box) for page in document.pages]


def _empty(page: Any) -> float:
    from weasyprint.formatting_structure import boxes

    top = low = page.content_box_y()
    for inner in page.descendants():
        if isinstance(inner, boxes.TextBox | boxes.ReplacedBox) and inner.position_y < top + page.height:
            low = max(low, inner.position_y + inner.margin_height())
    return float(1 - (low - top) / page.height)


@contextmanager
def _filling() -> Iterator[None]:
    """Inside, WeasyPrint fills each page while it makes it; to lay out all pages again takes several times as long.

    It makes pages one after the other, each from where the one before ended, and can make one anew: what comes after
    the page's first line may be put in another order before.
    """
    from weasyprint.layout import page as layout

    made: Callable[..., tuple[Any, Any]] = layout.remake_page

    def filled(index: int, context: Any, root: Any, html: Any) -> tuple[Any, Any]:
        floats = context.broken_out_of_flow  # from the page before

        def make() -> tuple[Any, Any]:
            context.broken_out_of_flow = floats
            context.page_maker[index][-1].update(
                content_changed=False, pages_wanted=False, anchors=[], content_lookups=[]
            )
            return made(index, context, root, html)

        page, ends = make()
        while (waiting := _waiting(root, ends)) and _empty(page) >= _GAP:
            section, lead, at = waiting
            children = section.children
            count = _taken(children[at + 1 :])
            if not count:
                break
            moved, rest = children[at + 1 : at + 1 + count], children[at + 1 + count :]
            section.children = [
                *children[:at],
                *moved,
                children[at],
                *rest,
            ]  # below a heading that goes with it
            page, ends = make()
            if _place(root, ends) == (section, lead):  # not a line of it fits
                section.children = children
                page, ends = make()
                break
        return page, ends

    layout.remake_page = filled
    try:
        yield
    finally:
        layout.remake_page = made


def _waiting(root: Any, ends: Mapping[int, Any] | None) -> tuple[Any, int, int] | None:
    """The section in which a page ended before what may wait, or its heading; where that begins, and where what waits.

    Args:
        root: the box of all.
        ends: places of children, one in the other: `None` in the last begins at its beginning.
    """
    found = _place(root, ends)
    if found is None:
        return None
    section, lead = found
    at = lead + (section.children[lead].element_tag == "h3")
    return (section, lead, at) if at < len(section.children) and _waits(section.children[at]) else None


def _place(root: Any, ends: Mapping[int, Any] | None) -> tuple[Any, int] | None:
    """The section, and which of its children the next page begins with; None: it begins elsewhere, or within one."""
    box = root
    while ends and len(ends) == 1:
        ((at, ends),) = ends.items()
        if ends is None and box.element_tag == "section":
            return box, at
        if box.element_tag == "section":
            break
        box = box.children[at]
    return None


def _taken(following: list[Any]) -> int:
    """How many boxes may stand before what waits: the next paragraph, with the side notes around it."""
    count = 0
    while count < len(following) and _is_note(following[count]):
        count += 1
    if count == len(following) or following[count].element_tag != "p":
        return 0
    if "".join(following[count].element.itertext()).rstrip().endswith(":"):
        return 0
    count += 1
    while count < len(following) and _is_note(following[count]):
        count += 1
    return count


def _waits(box: Any) -> bool:
    kinds = _kinds(box)
    return box.element_tag == "figure" or "note" in kinds or ("scroll" in kinds and "long" not in kinds)


def _is_note(box: Any) -> bool:
    return "note" in _kinds(box)


def _kinds(box: Any) -> list[str]:
    return [] if box.element is None else box.element.get("class", "").split()
