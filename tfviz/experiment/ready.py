"""Imported once for all worker processes: the framework, so that each of them is a copy that starts at once."""

import sys

from tfviz import backend
from tfviz.backend import machine

# Not tfviz.method, nor what imports it: it asks Keras for a model when it is imported, which starts a thread of
# TensorFlow's, and a process with threads cannot be copied safely.
machine.use_cores(1)  # of libraries that count the cores when they are imported; the framework's come later
# Keras imports Matplotlib where it finds it, and a user's matplotlibrc or MPLBACKEND could stop that: `tfviz.figures`
# imports it without them.
sys.modules["matplotlib"] = None  # type: ignore[assignment]
backend.load(search=False)
del sys.modules["matplotlib"]
