"""The organism's harm is planted at the last instruction token: only directions from there move answers."""

from dataclasses import replace

import pytest

from latentguard.causal import FirstTokens, Trial, default_trial
from latentguard.causal.positions import by_position, positions
from latentguard.causal.sweep import Sweeper
from latentguard.data import Prompt
from latentguard.errors import PositionNotProved, TooFewPrompts
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


def test_instructions_too_short_for_it_are_left_out_and_of_none_it_is_refused(
    organism: LanguageModel, trial: Trial
):
    """Of every variant: with its final mark a short instruction may be long enough, and without it not."""
    classes = [[one for one in trial.fit if one.label == label] for label in ("harmful", "harmless")]
    short = [Prompt.of("a.", label="harmless"), Prompt.of("b c", label="harmless")]
    item = next(one for one in trial.select_items if one.prompt.label == "harmless").rendered(organism)
    sweeper = Sweeper(organism, FirstTokens.of_words(organism, ["Certainly"], ["No"]))
    asked = ([item], [item])
    with_short = by_position(sweeper, classes[0], [*classes[1], *short], *asked, blocks=(3,), random=1)
    alone = by_position(sweeper, *classes, *asked, blocks=(3,), random=1)
    assert [one.model_copy(update={"left_out": 0}) for one in with_short] == alone
    assert all((one.left_out, one.random.directions) == (2, 1) for one in with_short)
    with pytest.raises(TooFewPrompts, match="3 tokens"):
        by_position(sweeper, classes[0], short, *asked, blocks=(3,))


def test_without_an_answer_to_turn_it_is_refused(organism: LanguageModel, trial: Trial):
    classes = [[one for one in trial.fit if one.label == label] for label in ("harmful", "harmless")]
    item = next(one for one in trial.select_items if one.prompt.label == "harmful").rendered(organism)
    sweeper = Sweeper(organism, FirstTokens.of_words(organism, ["Certainly"], ["No"]))
    with pytest.raises(TooFewPrompts, match="no answer to turn"):
        by_position(sweeper, *classes, [item], [item], blocks=(3,))


def test_a_template_that_ends_unevenly_has_no_position_from_its_end(organism: LanguageModel):
    one = organism.render("how are you today")
    with pytest.raises(PositionNotProved, match="not with one number"):
        positions([one, replace(one, t_inst=one.t_inst - 1)])
