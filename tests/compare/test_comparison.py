"""Two checkpoints: the same one, an attacked one, and ones that cannot be compared."""

import copy
from dataclasses import replace

import pytest
import torch

from latentguard.compare import Comparison, compare
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


def test_models_of_another_kind_are_not_compared(organism: LanguageModel, data: Split):
    with pytest.raises(ArtefactMismatch, match="differ in blocks: 8 and 4"):
        compare(organism, tiny("Qwen2"), data)


def test_a_part_without_a_class_is_refused(organism: LanguageModel, data: Split):
    harmful = [one for one in data.test if one.label == "harmful"]
    with pytest.raises(TooFewPrompts, match="no test prompt is harmless"):
        compare(organism, organism, replace(data, test=harmful))
