#!/usr/bin/env python3
"""The whole report: ``python run_all.py --help``; the same as ``tfviz`` once the package is installed."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (this is how a user of an older Python learns it)
    print(f"tfviz needs Python 3.11 or newer, this is {sys.version.split()[0]}.", file=sys.stderr)
    sys.exit(2)

try:
    from tfviz.cli import main
except ModuleNotFoundError as error:
    print(f"{error.name} is not installed: pip install -r requirements.txt", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main())
