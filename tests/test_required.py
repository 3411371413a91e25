"""A required mark cannot be skipped in silence."""

import pytest

SKIPPED = """
import pytest

@pytest.mark.real
def test_needs_a_model():
    pytest.skip("no model here")

def test_needs_nothing():
    pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Runs a file of tests in a session of its own, with these marks required."""

    def run(tests: str, required: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(tests)
        pytester.makeini("[pytest]\nmarkers =\n    real\n    browser")
        monkeypatch.setenv("LATENTGUARD_REQUIRE", required)
        return pytester.runpytest_inprocess("-p", "tests.required", "-p", "no:cacheprovider", *options)

    return run


def test_a_skip_stays_a_skip_where_nothing_is_required(run):
    result = run(SKIPPED, "")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == 0


def test_a_skip_of_a_required_mark_fails_and_says_why(run):
    result = run(SKIPPED, "real")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*required here (real), and did not run: *no model here*"])


def test_a_run_without_any_test_of_a_required_mark_fails(run):
    result = run("def test_needs_nothing():\n    pass\n", "browser")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["no test marked 'browser' ran, *"])


def test_marks_that_ran_in_another_process_are_counted(run):
    """One process leads and sees every report; the others run the tests, some of them none with a mark."""
    tests = "import pytest\n\n@pytest.mark.real\ndef test_one():\n    pass\n\ndef test_other():\n    pass\n"
    result = run(tests, "real", "-p", "xdist", "-n", "2")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result = run("def test_needs_nothing():\n    pass\n", "real", "-p", "xdist", "-n", "2")
    assert result.ret == 1
