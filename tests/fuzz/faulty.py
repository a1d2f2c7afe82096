"""A reader that does what the file says, to see that all of it is noticed."""

import faulthandler
import signal

from tests.fuzz.campaign import MEMORY, Target
from tfviz.errors import BadFileError


def read(path):
    match path.read_text():
        case "crash":
            faulthandler._sigsegv()
        case "hang":
            signal.setitimer(signal.ITIMER_PROF, 0.1)  # sooner than the limit
            while True:
                pass
        case "fill":
            return len(b"x" * (MEMORY + 50_000_000))
        case "escape":
            raise ValueError("no line for people")
        case "refuse":
            raise BadFileError("input is damaged. Get it again.")
    return None


TARGET = Target("", lambda: [b"fine"], read)
