"""A complete audit, and one in which everything that may be missing is missing."""

import pytest

from latentguard.report.schema import Audit
from tests.report.synthetic import bare_audit, synthetic_audit


@pytest.fixture(scope="session")
def complete() -> Audit:
    return synthetic_audit()


@pytest.fixture(scope="session")
def bare() -> Audit:
    return bare_audit()
