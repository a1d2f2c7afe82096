import re

from tests.fake_part import FakePart
from tfviz.files.program import templates
from tfviz.report import page
from tfviz.report.bibliography import REFERENCES


def test_every_entry_can_be_found():
    for key, reference in REFERENCES.items():
        assert re.fullmatch(r"[a-z]+\d{4}", key)
        assert key.endswith(str(reference.year))
        assert reference.doi or reference.arxiv or "report" in reference.venue, key
        assert re.fullmatch(r"(10\.\d{4,}/\S+)?", reference.doi)
        assert re.fullmatch(r"(\d{4}\.\d{4,5})?", reference.arxiv)


def test_as_a_text_cites_it():
    assert REFERENCES["simonyan2014"].short == "Simonyan et al. 2014"
    assert REFERENCES["zeiler2014"].short == "Zeiler and Fergus 2014"
    assert REFERENCES["field1987"].short == "Field 1987"
    assert REFERENCES["zeiler2014"].url == "https://doi.org/10.1007/978-3-319-10590-1_53"
    assert REFERENCES["fel2023"].url == "https://arxiv.org/abs/2306.06805"
    assert REFERENCES["erhan2009"].url == ""


def test_templates_cite_what_there_is_and_all_of_it():
    cited = {
        key
        for path in templates().rglob("*.html")
        for key in re.findall(r"""cite\(["'](\w+)["']\)""", path.read_text(encoding="utf-8"))
    }
    assert cited == set(REFERENCES)


def test_a_citation_leads_to_its_entry():
    assert (
        page._cite("field1987") == '<a class="cite" href="#ref-field1987"><bdi dir="ltr">Field 1987</bdi></a>'
    )
    environment = page._environment("screen", None, {})
    around = {"sections": [], "verdicts": [], "about": page.About(), "common": {}}
    for key, reference in REFERENCES.items():
        template = environment.from_string(f'{{{{ cite("{key}") }}}}{{% include "appendix.html" %}}')
        html = template.render(around)
        assert f'id="ref-{key}"' in html
        if reference.doi:
            assert f"https://doi.org/{reference.doi}" in html


def test_the_bibliography_has_what_is_cited_and_nothing_else():
    section = page.Section("fake", FakePart.TITLE, "B", None, ())
    html = page.render([section], page.About())
    assert 'id="bibliography"' in html
    assert re.findall(r'id="ref-(\w+)"', html) == []
