"""The audit report: what was found out about one model, as data (`audit.json`) and as a page for people."""

from latentguard.report.audit import audit
from latentguard.report.audit_data import AuditData, default_data
from latentguard.report.further import FILES, Further, read_further
from latentguard.report.page import audit_json, page, read_audit, write_report
from latentguard.report.schema import Audit
from latentguard.report.summary import summary

__all__ = [
    "FILES",
    "Audit",
    "AuditData",
    "Further",
    "audit",
    "audit_json",
    "default_data",
    "page",
    "read_audit",
    "read_further",
    "summary",
    "write_report",
]
