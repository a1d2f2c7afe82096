"""Grading of what a course's students handed in: found, opened, measured again, given points, written for its tools."""
