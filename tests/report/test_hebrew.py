import re

import pytest

from tests.fake_part import FakePart
from tests.hebrew import english_in
from tfviz import language
from tfviz.experiment.store import PartResult
from tfviz.report import page

FAILED = PartResult("conv1_units", "failed", reason="weights.pth is cut off.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<p>\u05d0\u05d1 step \u05d2</p>", ["step"]),
        ('<img alt="a step"> \u05d0', ["step"]),
        ('<div aria-label="the map"><p>\u05d0</p></div>', ["the"]),
        ("<p>\u05d0 <bdi>a step</bdi> <code>--all steps</code> \u2066a step\u2069 x</p>", []),
        ('<p dir="ltr">a step</p><ul lang="en"><li>a step<br>more</li></ul>', []),
        ('<p lang="en">a step<br></p><p>more</p>', ["more"]),
        ("<p>\u05d0 ReLU, CIFAR-10 ResNet (published), conv1, goldfish \u201dlens cap\u201d {step}</p>", []),
        ("<p>ReLUs</p><p>published</p><p>\u201dstep\u201d step</p>", ["ReLUs", "published", "step"]),
        ('<style>p{color:red}</style><script>"a step"</script>', []),
    ],
)
def test_words_of_latin_letters_are_found(text, words):
    assert [re.split("[,:]", said)[0] for said in english_in(text)] == words


@pytest.mark.parametrize("medium", ["screen", "print", "export"])
def test_what_stands_around_the_parts_says_nothing_in_english(medium):
    part = FakePart()
    title = "Theory 2: three units a layer are enough"
    with language.use("he"):
        sections = [
            page.Section(
                part.ID, title, part.TRACK, result, (), pending=pending and language.gettext(pending)
            )
            for result, pending in ((FAILED, ""), (None, ""), (None, "it was not asked for"))
        ]
        written = page.render(sections, page.About("abc", "2000-01-01T00:00:00+00:00"), medium=medium)
    assert '<html lang="he" dir="rtl">' in written
    assert english_in(written) == []


def test_a_template_answers_in_each_language_that_is_asked_for():
    """What Jinja could work out when it compiles hangs on the language, too."""
    template = page._environment("export", None, {}).from_string('{{ "a" | isolated }} {{ 5 | num }}')
    with language.use("he"):
        assert template.render().count("<bdi") == 2
    assert template.render() == '<span class="nw">a</span> <span class="nw">5</span>'
