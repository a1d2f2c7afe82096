"""tfviz beside the tools that do the same, all in one run: ``python -m bench.peers``."""
