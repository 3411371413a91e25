"""Two checkpoints: the same one, an attacked one, and ones that cannot be compared."""

import copy
from dataclasses import replace

import pytest
import torch

from latentguard.beliefs import Behaviour
from latentguard.compare import Comparison, compare, comparison
from latentguard.data import Split, split
from latentguard.errors import ArtefactMismatch, TooFewPrompts
from latentguard.lm import LanguageModel
from latentguard.organism import audit_data
from tests.lm.tiny import tiny


@pytest.fixture(scope="module")
def data() -> Split:
    harmful, harmless = audit_data(seed=3)
    return split([*harmful[::4], *harmless[::4]], fractions=(0.5, 0.2, 0.3), seed=0)


@pytest.fixture(scope="module")
def same(organism: LanguageModel, data: Split) -> Comparison:
    return compare(organism, organism, data)


def test_a_model_beside_itself_has_not_changed(same: Comparison):
    assert same.before == same.after
    assert all(one.value == pytest.approx(0.0, abs=1e-6) for one in same.changes.values())
    assert same.moved == {"accepted": 0, "refused": 0}
    assert [one for one in same.v_harm_cosine if one is not None] == pytest.approx([1.0] * 9)
    assert same.v_refuse_cosine[0] is None, "every prompt ends with one token: no direction at slot 0"
    assert same.n > 20
    assert any("have one fingerprint" in note for note in same.notes)


def test_a_model_whose_belief_is_wiped_out_is_told_from_it(
    organism: LanguageModel, data: Split, same: Comparison
):
    """Its second block writes nothing of harm: the planted direction is projected out of what it adds."""
    from latentguard.organism import planted_circuit

    direction = planted_circuit().harmfulness.direction
    changed = LanguageModel(copy.deepcopy(organism.module), organism.tokenizer, name="wiped")
    with torch.no_grad():
        for block in changed.blocks.layers:
            for weight in (block.self_attn.o_proj.weight, block.mlp.down_proj.weight):
                weight -= direction[:, None] * (direction @ weight)[None]
    found = compare(organism, changed, data)
    assert found.changes["belief_drop"].low > 0.3
    assert found.changes["direction_turn"].value > 0.1
    assert found.before == same.before
    harmful = found.beliefs[0]
    apart = [one.low > other.high for one, other in zip(harmful.before, harmful.after, strict=True)]
    assert sum(apart) > len(apart) / 2, "the curves' intervals tell them apart"
    assert harmful.before == same.beliefs[0].before == same.beliefs[0].after
    drop = sum(one.value - other.value for one, other in zip(harmful.before, harmful.after, strict=True))
    assert drop / (len(harmful.before) - 1) == pytest.approx(found.changes["belief_drop"].value, abs=1e-6)


def test_models_of_another_kind_are_not_compared(organism: LanguageModel, data: Split):
    with pytest.raises(ArtefactMismatch, match="differ in blocks: 8 and 4"):
        compare(organism, tiny("Qwen2"), data)


def test_a_part_without_a_class_is_refused(organism: LanguageModel, data: Split):
    harmful = [one for one in data.test if one.label == "harmful"]
    with pytest.raises(TooFewPrompts, match="no test prompt is harmless"):
        compare(organism, organism, replace(data, test=harmful))


def test_a_checkpoint_that_falls_silent_accepts_nothing(
    organism: LanguageModel, data: Split, monkeypatch: pytest.MonkeyPatch
):
    silent = copy.copy(organism)
    silent.name = "silent"
    observed = comparison.observe

    def observe(model: LanguageModel, *given, **keywords) -> Behaviour:
        found = observed(model, *given, **keywords)
        if model is not silent:
            return found
        nothing = tuple(replace(one, refused=False, empty=True) for one in found.replies)
        return replace(found, replies=nothing)

    monkeypatch.setattr(comparison, "observe", observe)
    found = compare(organism, silent, data)
    assert found.after.refused_of_harmful.value == 0.0 < found.before.refused_of_harmful.value
    assert found.changes["acceptance_rise"].value < 0, "what was accepted of the harmful is accepted no more"
    assert found.moved == {"accepted": 0, "refused": 0}
    assert (found.before.empty, found.after.empty) == (0, found.n)


def test_what_is_kept_of_one_checkpoint_is_never_taken_for_the_others(
    organism: LanguageModel, data: Split, tmp_path
):
    """They differ in a row of the embedding that no fingerprint reads."""
    changed = LanguageModel(copy.deepcopy(organism.module), organism.tokenizer, name="a row apart")
    rows = organism.module.get_input_embeddings().weight
    sampled = set(torch.linspace(0, len(rows) - 1, 16).long().tolist())
    used = {token for one in data.test for token in organism.render(one.messages).ids}
    row = min(used - sampled)
    with torch.no_grad():
        changed.module.get_input_embeddings().weight[row] += 3.0
    assert changed.identity().fingerprint == organism.identity().fingerprint
    found = compare(organism, changed, data, folder=tmp_path)
    assert found.beliefs[0].before != found.beliefs[0].after
    assert {one.name for one in tmp_path.iterdir()} == {"before", "after"}
