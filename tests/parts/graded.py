"""What a grader says of a part's findings."""

from tfviz.experiment.lab import Lab


def refuted(findings, again):
    """The numbers that were measured again and are not what was claimed."""
    return {
        name
        for name, found in again.items()
        if found.value is not None and abs(found.value - findings.numbers[name].value) > found.tolerance
    }


def check_borne_out(part, findings, settings, network, file):
    """An honest run with real weights: all that is graded was measured again, and is what was claimed."""
    again = part.again(findings, settings, Lab({network: file.path}))
    assert not refuted(findings, again)
    assert not [name for name, found in again.items() if found.value is None]
    assert {expected.number for expected in part.EXPECTED} <= again.keys()
