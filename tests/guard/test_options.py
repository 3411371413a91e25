"""A bad option is refused by name, before anything is read or run."""

from inspect import unwrap
from types import SimpleNamespace

import numpy as np
import pytest

from latentguard.guard import Guard
from latentguard.guard.options import POSITIONS, Options
from latentguard.guard.probe import METHODS

GOOD = {
    "method": "auto",
    "position": "t_inst",
    "slots": "auto",
    "endings": "balanced",
    "target_fpr": None,
    "untrained_copies": 3,
    "permutations": 5,
    "categories": True,
    "seed": 0,
    "n_blocks": 4,
}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("method", "lasso", "belief, mean_difference, lda, logistic, auto; got 'lasso'"),
        ("position", "t_last", "t_inst, t_post_inst, both, auto; got 't_last'"),
        ("endings", "none", "balanced, as_written; got 'none'"),
        ("slots", "all", "0 to 4.*got 'all'"),
        ("slots", [5], "0 to 4"),
        ("slots", [-1], "0 to 4"),
        ("slots", [], "no slot was asked for"),
        ("slots", [1.0], "whole number"),
        ("slots", [True], "whole number"),
        ("slots", 3, "0 to 4"),
        ("target_fpr", 5.0, "between 0 and 1"),
        ("untrained_copies", -1, "untrained_copies is 0 or more"),
        ("permutations", -1, "permutations is 0 or more"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_what_is_known(option, value, said):
    with pytest.raises(ValueError, match=said):
        Options.of(**(GOOD | {option: value}))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("method", "lasso"),
        ("position", "t_last"),
        ("slots", "all"),
        ("endings", "none"),
        ("behaviour", "ask"),
    ],
)
def test_a_fit_refuses_it_before_it_looks_at_model_or_prompts(option, value):
    fit = unwrap(Guard.fit.__func__)  # without the type checks that only tests make
    model = SimpleNamespace(n_blocks=4)
    with pytest.raises(ValueError, match=option):
        fit(Guard, model, None, **{option: value})


def test_auto_is_every_method_that_is_worth_its_time_and_every_position():
    found = Options.of(**(GOOD | {"position": "auto"}))
    assert set(found.methods) <= set(METHODS)
    assert found.positions == POSITIONS == ("t_inst", "t_post_inst", "both")


def test_slots_are_kept_ascending_and_once_each_whatever_counted_them():
    assert Options.of(**(GOOD | {"slots": np.array([3, 1, 3])})).slots == (1, 3)
