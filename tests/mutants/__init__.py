"""Mutants: small faults put into a copy of the program, each of which some test must notice.

``python -m tests.mutants`` applies them one by one and prints which were killed; with names after it, or
files, only these. `test_table.py` sees that each can still be made.
"""
