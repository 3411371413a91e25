"""`latentguard organism verify`: a miss is printed and ends in exit code 1, for people and for programs."""

import json
import math

import pytest

from latentguard.verify import Line

HOLDS = Line("behaviour: harmful refused", ">= 0.97", 0.99, (0.964, 0.997), 200, True)
MISSED = Line("harmfulness belief: idioms", ">= 0.93", 0.9, (0.85, 0.93), 200, False, "at t_inst, slots 1-8")
UNMEASURED = Line(
    "refusal belief: accepted harmful", ">= 0.95", math.nan, (math.nan, math.nan), 0, False, "never refuses"
)


@pytest.fixture
def verify(latentguard, monkeypatch):
    """Runs `latentguard organism verify ARGUMENTS...` as if these lines had been measured."""
    monkeypatch.setattr("latentguard.cli._options.load_model", lambda *_, **__: "a model")

    def verify(lines, *arguments):
        measured = []

        def verify_organism(model, *, seed, progress):
            measured.append(model)
            return lines

        monkeypatch.setattr("latentguard.verify.verify_organism", verify_organism)
        call = latentguard("organism", "verify", *arguments)
        assert measured == ["a model"], call.err
        return call

    return verify


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def test_lines_that_all_hold_exit_0(verify):
    call = verify([HOLDS, HOLDS])
    assert call.code == 0, call.err
    assert "2 of 2 lines hold." in call.out
    assert "MISSED" not in call.out


@pytest.mark.parametrize("missed", [MISSED, UNMEASURED])
@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_line_that_does_not_hold_exits_1(verify, missed, arguments):
    assert verify([HOLDS, missed], *arguments).code == 1


def test_a_miss_is_printed_with_its_number_and_its_note(verify):
    call = verify([HOLDS, MISSED])
    row = next(line for line in call.out.splitlines() if "idioms" in line)
    for said in ("at t_inst, slots 1-8", ">= 0.93", "0.900", "0.850 to 0.930", "200", "MISSED"):
        assert said in row
    assert "1 of 2 lines hold." in call.out


def test_what_was_not_measured_is_printed_with_the_reason(verify):
    call = verify([UNMEASURED])
    assert "never refuses" in call.out
    assert "MISSED" in call.out
    assert "nan" not in call.out


@pytest.mark.parametrize("lines", [[HOLDS], [HOLDS, MISSED, UNMEASURED]])
def test_json_is_one_strict_record_a_line_and_nothing_else(verify, lines):
    records = strict(verify(lines, "--json").out)
    assert [record["name"] for record in records] == [line.name for line in lines]
    assert [record["passed"] for record in records] == [line.passed for line in lines]


def test_a_json_record_holds_the_whole_line(verify):
    (record,) = strict(verify([MISSED], "--json").out)
    assert record == {
        "name": "harmfulness belief: idioms",
        "bound": ">= 0.93",
        "measured": 0.9,
        "interval": [0.85, 0.93],
        "n": 200,
        "passed": False,
        "note": "at t_inst, slots 1-8",
    }


def test_a_number_that_is_none_is_null_in_json(verify):
    (record,) = strict(verify([UNMEASURED], "--json").out)
    assert (record["measured"], record["interval"], record["n"]) == (None, None, 0)


def test_the_seed_and_the_bundled_model_are_what_is_verified(latentguard, monkeypatch):
    asked = []

    def verify_organism(model, *, seed, progress):
        asked.append((model.name, seed))
        return [HOLDS]

    monkeypatch.setattr("latentguard.verify.verify_organism", verify_organism)
    assert latentguard("organism", "verify", "--seed", 7).code == 0
    assert asked == [("organism", 7)]
