"""What a page in Hebrew still says in English."""

import re
from html.parser import HTMLParser

from tfviz.data.cifar10 import CLASSES
from tfviz.data.labels import imagenet_classes

_NAMES = re.compile(
    # Networks, data, programs and people, what has no other name in Hebrew texts, and what tests make up.
    r"\b(made up|None|AlexNet( \(convolutions\))?|BVLC|SqueezeNet|CIFAR-10( CNN| ResNet)?( \((published|fast|smoke))?"
    r"|smoke|ImageNet|Keras|PyTorch|torchvision|Python|JAX|TensorFloat|tfviz|Nadam|MaCo|Grad-CAM|Hann|Blum and Rivest"
    r"|Field|Ringach|Dapello et al|ReLU|dropout|softmax|max-pooling|prior|SSIM|JPEG|PNG|BGR|AND|NP|RP|AVX|UTC|SHA|CC0"
    r"|MB|max \|f\||(conv|pool|fc|float)\d+)(?![a-z])"
)
_WORD = re.compile(r"[A-Za-z]{2,}")
_CLASSES = frozenset((*CLASSES, *re.findall("[A-Za-z]{4,}", " ".join(imagenet_classes()))))
_FOREIGN = ("bdi", "abbr", "code", "math", "script", "style", "head")
_BARE = ("meta", "link", "img", "br", "hr", "input", "wbr")
_SAID = ("alt", "aria-label", "title", "placeholder", "data-say", "data-say-other", "data-l")
_ISOLATED = re.compile("[\u2066\u2068][^\u2069]*\u2069")
_QUOTED = re.compile("”[^”]*”")  # the network's own names of classes
_PLACES = re.compile(r"\{\w+\}")  # which the script fills


class _Words(HTMLParser):
    """Gathers the texts and attributes of a page that are not set apart as foreign."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        foreign = tag in _FOREIGN or attributes.get("dir") == "ltr" or attributes.get("lang") == "en"
        if not foreign and not any(inside for _, inside in self.open):
            self.texts += [attributes[name] for name in _SAID if attributes.get(name)]
        if tag not in _BARE:
            self.open.append((tag, foreign))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, text):
        if not any(inside for _, inside in self.open):
            self.texts.append(text)


def english_in(page):
    """The texts of a page with words of Latin letters that are no names and are not set apart, and these words."""
    parser = _Words()
    parser.feed(page)
    found = []
    for text in parser.texts:
        for apart in (_ISOLATED, _QUOTED, _PLACES, _NAMES):
            text = apart.sub("", text)
        words = [word for word in _WORD.findall(text) if word not in _CLASSES]
        if words:
            found.append(f"{', '.join(words)}: {' '.join(text.split())[:120]}")
    return found
