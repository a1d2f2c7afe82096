#!/usr/bin/env python3
"""The whole report: ``python run_all.py --help``; the same as ``tfviz`` once the package is installed."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (this is how a user of an older Python learns it)
    print(f"tfviz needs Python 3.11 or newer, this is {sys.version.split()[0]}.", file=sys.stderr)
    sys.exit(2)

from tfviz.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
