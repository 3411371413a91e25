"""A guard is fitted as it was asked for, into a folder that holds it whole."""

import json
from pathlib import Path
from typing import get_args

from latentguard.cli import fit as command


def test_a_guard_is_fitted_as_asked_and_its_record_is_printed(latentguard, audited, tiny_folder):
    options = {
        "--harmful": audited.harmful,
        "--harmless": audited.harmless,
        "--method": "mean_difference",
        "--position": "t_post_inst",
        "--endings": "as_written",
        "--target-fpr": "0.1",
        "--out": "g",
    }
    arguments = [argument for option in options.items() for argument in option]
    call = latentguard("fit", tiny_folder, *arguments, "--json")
    assert call.code == 0, call.err
    fitted = json.loads(call.out)["fitted"]
    assert fitted["method"] == "mean_difference"
    assert fitted["positions"] == ["t_post_inst"]
    assert (fitted["endings"], fitted["target_fpr"]) == ("as_written", 0.1)
    assert {path.name for path in Path("g").iterdir()} == {"guard.json", "guard.safetensors"}
    assert [path.name for path in Path().iterdir()] == ["g"]


def test_a_model_that_never_refuses_is_said_to(latentguard, audited, tiny_folder):
    files = ["--harmful", audited.harmful, "--harmless", audited.harmless]
    call = latentguard("fit", tiny_folder, *files, "--method", "belief")
    assert call.code == 0, call.err
    assert "refusal belief and verdict unavailable" in call.err
    assert "latentguard-guard" in call.out


def test_the_choices_are_those_of_the_guard():
    from latentguard.data import Endings
    from latentguard.guard import METHODS, Position

    assert {method.value for method in command.Method} == {"auto", *METHODS}
    assert {position.value for position in command.Position} == {"auto", *get_args(Position)}
    assert {endings.value for endings in command.Endings} == set(get_args(Endings))
