"""Experiments: what a part is, how it is run, stored, known to be current, and graded. No mathematics of its own."""
