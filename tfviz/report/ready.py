"""Imported once for the processes that make PDFs: what takes long to import."""

from contextlib import suppress

from tfviz.report import page as page

with suppress(ImportError, OSError):  # that it lacks Pango, `tfviz.report.page.pdf` says
    import weasyprint as weasyprint
