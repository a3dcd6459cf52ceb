"""The report of a hunt: one self-contained HTML page, and the same figures as PDF on request."""

from lamppost.report.folder import write

__all__ = ["write"]
