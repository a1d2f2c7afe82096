"""Fuzzing of everything that reads a stranger's file: one script a reader, `python -m tests.fuzz.NAME --seconds 300`.

The readers run in a child process with limits on memory and time: what kills it is a finding, as is any error but the
one line for people, a line that is none, and a small file that fills the memory. Findings are kept in `found/NAME/`
and tried again by `test_fuzz.py`, which also runs each script for a moment.
"""
