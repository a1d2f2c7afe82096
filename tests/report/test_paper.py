import re

import pytest

from tfviz.report import paper

weasyprint = pytest.importorskip("weasyprint")

CSS = (
    "@page{size:300px 400px;margin:0}body,p,h3,figure{margin:0}p{line-height:20px;orphans:2;widows:2}"
    "h3{break-after:avoid;font-size:16px;line-height:20px}figure{break-inside:avoid;block-size:250px;background:red}"
    ".note{float:right;inline-size:50px;break-inside:avoid}.note p{display:inline-block}"
)
LINES = "word<br>" * 6 + "word"  # 140 pixels


def html(body):
    return weasyprint.HTML(string=f"<html lang=en><style>{CSS}</style><body><section>{body}</section></html>")


def order(document, page):
    """What begins on a page, by the ids."""
    found = []
    for box in document.pages[page]._page_box.descendants():
        name = box.element.get("id") if box.element is not None else None
        if name and name not in found:
            found.append(name)
    return found


@pytest.fixture(autouse=True)
def one_size(monkeypatch):
    monkeypatch.setattr(paper, "SIZES", (16.0,))


def test_paragraphs_fill_the_page_that_a_figure_leaves():
    """140 pixels and a heading of 20 leave 240, too few for 250: 140 of the next paragraph, 100 of the one after it."""
    body = (
        f"<p id=a>{LINES}</p><h3 id=h>Result</h3><figure id=f></figure>"
        f"<p id=b>{LINES}</p><p id=c>{LINES}</p><p id=d>{LINES}</p>"
    )
    assert order(html(body).render(), 0) == ["a"]
    document = paper.laid_out(html(body))
    assert order(document, 0) == ["a", "h", "b", "c"]
    assert order(document, 1) == ["c", "f", "d"]
    assert paper.gaps(document)[0] == pytest.approx(0, abs=0.051)


def test_nothing_is_moved_over_a_figure_that_fits_or_over_a_heading_or_from_before_what_it_leads_to():
    fits = f"<p id=a>{LINES}</p><figure id=f></figure><p id=b>{LINES}</p>"
    assert order(paper.laid_out(html(fits)), 0) == ["a", "f"]
    headed = (
        f"<p id=a>{LINES}</p><p id=a2>word</p><figure id=f></figure><h3>Discussion</h3><p id=b>{LINES}</p>"
    )
    assert order(paper.laid_out(html(headed)), 0) == ["a", "a2"]
    leading = (
        f"<p id=a>{LINES}</p><p id=a2>word</p><figure id=f></figure><p id=b>As the sum says:</p><p id=c>1</p>"
    )
    assert order(paper.laid_out(html(leading)), 0) == ["a", "a2"]


def test_a_side_note_that_does_not_fit_waits_alone():
    """300 pixels of text leave 100, a note of 120 does not fit: the paragraph after it goes on without it."""
    body = (
        f"<p>{LINES}</p><p>{'word<br>' * 7}word</p><aside class=note id=n><p>a<br>b<br>c<br>d<br>e<br>f</aside>"
        f"<p id=b>{LINES}</p>"
    )
    assert order(html(body).render(), 0) == []
    assert order(paper.laid_out(html(body)), 0) == ["b"]


def test_the_largest_size_that_keeps_the_limit_is_taken(monkeypatch):
    monkeypatch.setattr(paper, "SIZES", (20.0, 10.0, 5.0))
    monkeypatch.setattr(paper, "LIMIT", 2)
    text = "<p style='line-height:1'>" + "word<br>" * 100
    source = html(text)
    document = paper.laid_out(source)  # 133 pixels for a line of 10 points: 1333 in all
    assert re.search(r"font-size:5\.0pt", source.etree_element.get("style"))
    assert len(document.pages) == 2
    monkeypatch.setattr(paper, "LIMIT", 4)
    assert len(paper.laid_out(html(text)).pages) == 4


def test_a_paragraph_of_which_no_line_fits_stays_behind_what_waits():
    """300 and 60 pixels of text leave 40 of 400: no heading with two lines below it, and no two lines of 30."""
    text = f"{LINES}<br>{LINES}<br>word<br>word"  # 320
    headed = f"<p id=a>{text}</p><p id=a2>word<br>word</p><h3 id=h>Result</h3><figure id=f></figure><p id=b>{LINES}</p>"
    document = paper.laid_out(html(headed))
    assert [order(document, page) for page in range(3)] == [["a", "a2"], ["h", "f", "b"], ["b"]]
    tall = f"<p id=a>{text}</p><p id=a2>word<br>word</p><figure id=f></figure><p id=b style=line-height:30px>x<br>y"
    document = paper.laid_out(html(tall))
    assert [order(document, page) for page in range(2)] == [["a", "a2"], ["f", "b"]]


def test_all_is_laid_out_once_though_pages_are_named_and_filled(monkeypatch):
    """A cover that names a page, a page that is filled, and another: the tree of elements stays as it was."""
    body = (
        f"<p id=a>{LINES}</p><h3 id=h>Result</h3><figure id=f></figure>"
        f"<p id=b>{LINES}</p><p id=c>{LINES}</p><p id=d>{LINES}</p>"
    )
    style = (
        f"<style>{CSS}.cover+section{{break-before:page}}"
        "a::after{content:target-counter(attr(href),page)}</style>"
    )
    text = (
        f"<html lang=en>{style}<body><header class=cover><h1 id=title>Title</h1><a href='#end'></a></header>"
        f"<section>{body}</section><section id=end><p id=e>word</p></section>"
    )
    rendered, render = [], weasyprint.HTML.render

    def noted(html, **options):
        rendered.append(html)
        return render(html, **options)

    monkeypatch.setattr(weasyprint.HTML, "render", noted)
    source = weasyprint.HTML(string=text)
    document = paper.laid_out(source)
    assert len(rendered) == 1
    assert [order(document, page) for page in range(4)] == [
        ["title"],
        ["a", "h", "b", "c"],
        ["c", "f", "d"],
        ["d", "end", "e"],
    ]
    assert "4" in [box.text for box in document.pages[0]._page_box.descendants() if hasattr(box, "text")]
    found = [each.get("id") for each in source.etree_element.iter() if each.get("id")]
    assert found == ["title", "a", "h", "f", "b", "c", "d", "end", "e"]
