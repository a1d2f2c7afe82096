"""Imported once for all processes that measure submissions: what takes long to import, for one thread each."""

from importlib import import_module
from pkgutil import iter_modules

from tfviz.backend import machine

# Not tfviz.method, nor what imports it: it asks Keras for a model when it is imported, which starts a thread of
# TensorFlow's, and a process with threads cannot be copied safely.
ROOMS = ("tfviz.data", "tfviz.measures", "tfviz.models")

machine.use_one_core()  # before anything is imported that counts the cores
import_module("tfviz.experiment.ready")  # the framework
for name in (
    "skimage.metrics._structural_similarity",
    "scipy.optimize",
    "scipy.stats",
    "tfviz.course.measuring",
):
    import_module(name)
for room in ROOMS:
    for module in iter_modules(import_module(room).__path__, f"{room}."):
        import_module(module.name)
