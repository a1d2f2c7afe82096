"""Imported once for the processes that draw figures and make PDFs: what takes long to import and to read."""

from contextlib import suppress

from tfviz.figures import style
from tfviz.report import page as page

with suppress(ImportError, OSError):  # that it lacks Pango, `tfviz.report.page.pdf` says
    import weasyprint as weasyprint

with suppress(OSError):  # the run is over, and its folder for temporary files is gone
    style.register()
