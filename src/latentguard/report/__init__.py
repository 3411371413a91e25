"""The audit report: what was found out about one model, as data (`audit.json`) and as a page for people."""

from latentguard.report.audit_data import AuditData
from latentguard.report.page import page, read_audit, write_report
from latentguard.report.schema import Audit
from latentguard.report.summary import summary

__all__ = ["Audit", "AuditData", "page", "read_audit", "summary", "write_report"]
