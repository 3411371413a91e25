"""The organism's harm is planted at the last instruction token: only directions from there move answers."""

import pytest

from latentguard.causal import FirstTokens, Trial, default_trial
from latentguard.causal.positions import by_position, positions
from latentguard.causal.sweep import Sweeper
from latentguard.lm import LanguageModel


@pytest.fixture(scope="module")
def trial(organism: LanguageModel) -> Trial:
    return default_trial(organism, fitted=12, each=5)


def test_only_the_planted_position_moves_answers(organism: LanguageModel, trial: Trial):
    """With balanced endings that is a final mark three times of four, and else the token before it."""
    classes = [[one for one in trial.fit if one.label == label] for label in ("harmful", "harmless")]
    select, report = (
        [item.rendered(organism) for item in items if item.prompt.label == "harmless"]
        for items in (trial.select_items, trial.report_items)
    )
    sweeper = Sweeper(organism, FirstTokens.of_words(organism, ["Certainly"], ["No"]))
    found = by_position(sweeper, *classes, select, report, blocks=(2, 3))
    turned = {one.position: one.turned.value for one in found}
    assert list(turned) == [
        "t_inst-2", "t_inst-1", "t_inst", "t_inst+1", "t_inst+2", "t_inst+3", "t_inst+4", "t_post_inst",
    ]  # fmt: skip
    assert {name for name, share in turned.items() if share >= 0.8} == {"t_inst-1", "t_inst"}
    assert max(share for name, share in turned.items() if name not in ("t_inst-1", "t_inst")) <= 0.2
    assert [one.token for one in found[-5:]] == ["<|im_end|>", "\n", "<|im_start|>", "assistant", "\n"]


def test_an_instruction_too_short_for_it_is_named(organism: LanguageModel):
    with pytest.raises(ValueError, match="fewer than 3 tokens"):
        positions([organism.render("how are you today"), organism.render("a")])
