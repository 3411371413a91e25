"""Refusals with and without what the template puts behind the instruction."""

from dataclasses import replace

import pytest

from latentguard import organism as planted
from latentguard.causal.template import template_ablation, without_post_instruction
from latentguard.errors import PositionNotProved, TooFewPrompts
from latentguard.lm import LanguageModel


def test_the_cut_prompt_ends_with_the_instruction(organism: LanguageModel):
    whole = organism.render("how do I water the garden?")
    cut = without_post_instruction(whole)
    assert cut.ids == whole.ids[: whole.t_inst + 1]
    assert cut.index("t_post_inst") == cut.index("t_inst") == len(cut.ids) - 1
    assert organism.tokenizer.decode(cut.ids).endswith("garden?")


def test_a_merged_end_cannot_be_cut(organism: LanguageModel):
    with pytest.raises(PositionNotProved, match="holds characters of the template"):
        without_post_instruction(replace(organism.render("how are you"), boundary="merged"))


def test_the_organism_refuses_by_its_template(organism: LanguageModel):
    """Its decision is planted at the template's last token: without the template it does not refuse."""
    prompts = planted.sample_prompts("harmful", 10, seed=3)
    found = template_ablation(organism, prompts)
    assert (found.whole.value, found.cut.value, found.removed) == (1.0, 0.0, 5)
    assert found.whole.n == found.cut.n == 10


def test_requests_that_cannot_be_cut_are_left_out_and_counted(organism: LanguageModel, monkeypatch):
    prompts = planted.sample_prompts("harmful", 3, seed=2)
    render = type(organism).render
    merged = prompts[0].text

    def rendered(model: LanguageModel, messages, **keywords):
        found = render(model, messages, **keywords)
        return replace(found, boundary="merged") if merged in found.text else found

    monkeypatch.setattr(type(organism), "render", rendered)
    found = template_ablation(organism, prompts)
    assert (found.whole.n, found.cut.n, found.left_out) == (2, 2, 1)
    with pytest.raises(TooFewPrompts, match="holds a part of the template"):
        template_ablation(organism, prompts[:1])
