"""Stored results as pages: figures drawn, verdicts, HTML, PDF. Nothing is computed here."""

EXPORTS = ("markdown", "notebook")
"""What the report can be exported to (`tfviz.report.export`)."""
