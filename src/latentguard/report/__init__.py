"""The audit report: what was found out about one model, as data (`audit.json`) and as a page for people."""

from latentguard.report.page import page, read_audit, write_report
from latentguard.report.schema import Audit

__all__ = ["Audit", "page", "read_audit", "write_report"]
