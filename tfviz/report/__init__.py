"""Stored results as pages: figures drawn, verdicts, HTML, PDF. Nothing is computed here."""
