"""A skip is a failure where LATENTGUARD_REQUIRE names the test's mark: what CI must run, CI runs.

    LATENTGUARD_REQUIRE=real,browser pytest

Also fails a whole run in which no test with a required mark ran at all.
"""

import os
import shutil
from collections.abc import Generator

import pytest


def program(*names: str) -> str:
    """The first of these programs that this machine has; skips the test where it has none."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    pytest.skip(f"none of these programs is on this machine: {', '.join(names)}")


def required_marks() -> set[str]:
    return {mark.strip() for mark in os.environ.get("LATENTGUARD_REQUIRE", "").split(",") if mark.strip()}


class RequiredMarks:
    """Turns skips of required marks into failures and counts which of these marks ran."""

    def __init__(self, required: set[str]) -> None:
        self.required = required
        self.ran: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        marks = {mark.name for mark in item.iter_markers()} & self.required
        if marks and report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            report.outcome = "failed"
            report.longrepr = f"required here ({', '.join(sorted(marks))}), and did not run: {reason}"
        report.user_properties += [("required mark", mark) for mark in sorted(marks)]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called once a report, where tests run in several processes by the one that leads them."""
        if report.when == "call":
            self.ran |= {str(value) for name, value in report.user_properties if name == "required mark"}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        is_led = hasattr(session.config, "workerinput")  # by the process that sees every report
        if self.missing() and session.exitstatus == pytest.ExitCode.OK and not is_led:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for mark in self.missing():
            terminalreporter.write_line(
                f"no test marked '{mark}' ran, and LATENTGUARD_REQUIRE names it", red=True
            )

    def missing(self) -> list[str]:
        return sorted(self.required - self.ran)


def pytest_configure(config: pytest.Config) -> None:
    required = required_marks()
    if required:
        config.pluginmanager.register(RequiredMarks(required), "latentguard-required-marks")
