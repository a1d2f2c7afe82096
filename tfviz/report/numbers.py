"""Numbers and names as people write them."""

from __future__ import annotations

import math
import re
from datetime import datetime

from markupsafe import Markup, escape

from tfviz import language
from tfviz.experiment.grading import Comparison, Verdict

NETWORK_NAMES = {
    "alexnet": "AlexNet",
    "alexnet_features": "AlexNet (convolutions)",
    "caffe_alexnet": "AlexNet (BVLC)",
    "squeezenet": "SqueezeNet 1.1",
    "cifar_cnn": "CIFAR-10 CNN",
    "cifar_resnet": "CIFAR-10 ResNet",
}

ADDITIONS = (
    language.marked("trained on"),
    language.marked("tested on"),
    language.marked("JPEG copy"),
    language.marked("not the original files"),
    language.marked("averaged over views"),
)
"""What is said in brackets after a trained network's label, in words."""
_YOURS = re.compile("your network “(.+?)”")  # `tfviz.experiment.context.OwnNetwork.label`


def network_name(label: str) -> str:
    """A network's label as people write it; what is added to the name in brackets stays."""
    if _YOURS.match(label):
        return _yours(label)
    name, _, addition = label.partition(" ")
    return f"{NETWORK_NAMES.get(name, name)} {addition}".strip()


def network_in_text(label: str) -> Markup:
    """The same within a sentence: in one piece, but for the user's own, whose name may be long."""
    if found := _YOURS.fullmatch(label):
        words = escape(language.gettext("your network “{name}”"))
        return words.format(name=breakable(found[1]))
    return isolated(network_name(label))


def _yours(text: str) -> str:
    return _YOURS.sub(lambda found: language.gettext("your network “{name}”").format(name=found[1]), text)


def with_network_names(text: str) -> str:
    """A sentence in which networks' labels are their names for people."""
    named = re.sub(r"\w+", lambda word: NETWORK_NAMES.get(word[0], word[0]), text)
    for addition in ADDITIONS:
        named = named.replace(addition, language.gettext(addition))
    return _yours(named)


def sign(comparison: Comparison) -> str:
    """What stands before an expected value: nothing, or the sign of a bound."""
    return {"equal": "", "at least": "≥ ", "at most": "≤ "}[comparison]


def expected_value(verdict: Verdict) -> str:
    """An expected value with its sign: as it was published or set, or with one digit more than its tolerance has.

    Published values and bounds keep their own digits: the tolerance, which is ours, adds none.
    """
    value = verdict.expected
    if verdict.written:
        text = verdict.written
    elif verdict.kind.startswith("published"):
        text = significant(value) if float(value).is_integer() else f"{value:.10g}".replace("-", "−")
    else:
        text = like(value, verdict.tolerance) if verdict.comparison == "equal" else exact(value)
    return sign(verdict.comparison) + text


def significant(value: float, digits: int = 4) -> str:
    """A number as people write it: so many significant digits, thousands apart, an exponent only where needed.

    Integers are counts and are written in full. Floats from a million on are measured, even where they have no
    fraction.
    """
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return _spaced(int(value), 0)
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 6:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        superscript = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{mantissa} × 10{superscript}".replace("-", "−")
    return _spaced(value, max(0, digits - 1 - exponent))


def _spaced(value: float, decimals: int) -> str:
    """A number with so many decimals, narrow spaces between its thousands from 10,000 on."""
    text = f"{value:,.{decimals}f}".replace("-", "−")
    return text.replace(",", "\u202f" if abs(value) >= 10_000 else "")


def exact(value: float) -> str:
    """A setting as people write it: `significant` to six digits, without the zeros that end a fraction, nor 1 ×."""
    text, times, power = significant(value, 6).partition(" × ")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return power if times and text == "1" else text + times + power


def like(value: float, tolerance: float) -> str:
    """A measured value with one digit more than its tolerance has; of what would be rounded to 0, two digits."""
    if tolerance <= 0 or float(tolerance).is_integer():
        return significant(value)
    decimals = max(0, 1 - math.floor(math.log10(tolerance)))
    if value and round(value, decimals) == 0:
        return significant(value, 2)
    return _spaced(value, decimals)


def isolated(text: str) -> Markup:
    """A number, name or code that stays in one piece and left to right, also inside right-to-left text."""
    if language.current().direction == "ltr":
        return Markup('<span class="nw">{}</span>').format(text)
    # The isolating characters are for the PDF, whose layout does not know the element.
    return Markup('<bdi dir="ltr" class="nw">\u2066{}\u2069</bdi>').format(text)


def breakable(text: str) -> Markup:
    """A long name or path that runs from left to right, and may be broken where it has spaces or slashes."""
    if language.current().direction == "ltr":
        return escape(text)
    # The mark keeps a slash that ends a line at its right end: of a broken isolate WeasyPrint forgets the direction.
    return Markup('<bdi dir="ltr">\u2066{}\u2069</bdi>').format(text.replace("/", "/\u200e"))


def long_date(moment: str) -> str:
    """The day of an ISO 8601 moment as the language in use writes it: "26 November 2026"."""
    from babel.dates import format_date

    code = language.current().code
    # Babel's plain English is American.
    return format_date(datetime.fromisoformat(moment), "long", locale="en_GB" if code == "en" else code)
