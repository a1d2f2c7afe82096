"""`python -m tfviz`."""

import sys

from tfviz.cli import main

sys.exit(main())
