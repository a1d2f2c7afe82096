"""report.toml: `tfviz.report.personal`."""

from tests.fuzz.campaign import Target, main
from tfviz.report import personal

_SEED = """\
title = "A title"
authors = ["First Author", "Second"]
ids = ["123456782", "000000018"]
date = 2026-01-31
course = "A course"
institution = "An institution"
language = "he"
hero_alt = "what it shows"
"""


def seeds():
    return [_SEED.encode(), b"title = '''\nA title'''\ndate = 2026-01-31T10:00:00Z\n"]


TARGET = Target(".toml", seeds, personal.load)

if __name__ == "__main__":
    main("toml")
