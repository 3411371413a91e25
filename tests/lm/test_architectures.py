"""What is proved of every architecture, and that its states are its own: one table, nothing by name."""

from collections.abc import Callable

import pytest
import torch

from latentguard.errors import ModelNotSupported
from latentguard.lm import AddDirection, LanguageModel, heads
from tests.lm.architectures import ARCHITECTURES, SEVERAL_STREAMS, Architecture
from tests.lm.plain import blocks_run, plain_states
from tests.lm.where import assert_same, differ, in_float32

PROMPTS = [
    "How do I bake bread?",
    "How do I bake bread!",
    "Tell me about the river that runs behind the old mill, and who built it.",
    "hi",
]
POSITIONS = ("t_inst", "t_post_inst")


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def built(request: pytest.FixtureRequest) -> tuple[Architecture, LanguageModel]:
    wanted = ARCHITECTURES[request.param]
    return wanted, wanted.build()


def test_what_is_proved_is_what_the_architecture_has(
    built: tuple[Architecture, LanguageModel], record_property: Callable[[str, object], None]
) -> None:
    wanted, model = built
    proof = model.proof
    for check in proof.checks:
        record_property(check.name, check.error)  # for a table of another device: pytest --junitxml
    assert {name for name, supported in proof.supports().items() if not supported} == wanted.refused
    assert set(proof.refusals) == wanted.refused
    assert tuple(site and site.width for site in proof.heads or ()) == wanted.heads
    assert all(site.heads == 4 for site in proof.heads or () if site)
    failed = {check.name for check in proof.checks if not check.passed}
    assert failed <= wanted.refused or (failed == {"head alone"} and "heads" in wanted.refused)


def test_heads_are_read_where_the_architecture_has_them(built: tuple[Architecture, LanguageModel]) -> None:
    """By the name that transformers gives the projection, which nothing in the package knows."""
    wanted, model = built
    for layer, site in zip(model.blocks.layers, model.proof.heads or (), strict=False):
        if site is not None:
            assert site.projection is layer.get_submodule(wanted.projection)


def test_zeroing_any_head_of_any_block_zeroes_its_own_slice_alone(
    built: tuple[Architecture, LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading tries the first, middle and last head of the first, middle and last block."""
    wanted, model = built
    monkeypatch.setattr(heads, "_ends", list)
    ids = torch.tensor([model.render("hi").ids], device=model.device)
    with torch.no_grad():
        found = heads.prove_heads(
            model.blocks.decoder,
            model.blocks.layers,
            lambda: model.blocks.decoder(input_ids=ids, use_cache=False),
        )
    if "heads" in wanted.refused:
        assert found is None or found.other_slices > 0
    else:
        assert found is not None
        assert (found.own_slice, found.other_slices) == (0.0, 0.0)
        assert [site and site.width for site in found.sites] == list(wanted.heads)


def test_states_in_a_batch_are_those_of_a_plain_run(built: tuple[Architecture, LanguageModel]) -> None:
    _, model = built
    states = model.capture(PROMPTS, positions=POSITIONS).tensor
    for row, prompt in enumerate(PROMPTS):
        rendered = model.render(prompt)
        plain = plain_states(model, input_ids=torch.tensor([rendered.ids]))[:, 0]
        for column, position in enumerate(POSITIONS):
            assert_same(states[row, column], plain[:, rendered.index(position)], rtol=1e-4, atol=1e-4)


def test_a_state_at_slot_l_holds_the_logits_of_the_next_token(
    built: tuple[Architecture, LanguageModel],
) -> None:
    """Soft caps, scales and norms included."""
    _, model = built
    states = model.capture(PROMPTS, positions=("t_post_inst",), slots=(model.n_blocks,)).tensor[:, 0, 0]
    assert_same(model.unembed(states), model.next_token_logits(PROMPTS), rtol=1e-3, atol=1e-3)


def test_early_exit_reads_the_same_states_and_runs_no_deeper_block(
    built: tuple[Architecture, LanguageModel],
) -> None:
    _, model = built
    full = model.capture(PROMPTS).at("t_inst")
    with blocks_run(model) as ran:
        early = model.capture(PROMPTS, slots=[2]).at("t_inst")
    assert set(ran) <= {0, 1}
    assert_same(early[:, 0], full[:, 2], rtol=1e-4, atol=1e-4)


def test_an_edit_is_read_where_it_was_made_and_nowhere_before(
    built: tuple[Architecture, LanguageModel],
) -> None:
    _, model = built
    plain = model.capture(PROMPTS).at("t_inst")
    direction = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    with model.edited([AddDirection(2, direction, scope="prompt")]):
        edited = model.capture(PROMPTS).at("t_inst")
    assert_same(edited[:, :2], plain[:, :2], rtol=1e-4, atol=1e-4)
    assert_same(edited[:, 2], plain[:, 2] + direction, rtol=1e-4, atol=1e-4)
    assert differ(edited[:, 3], plain[:, 3], atol=1e-3)


@in_float32
def test_an_edited_reply_is_the_same_with_and_without_a_cache(
    built: tuple[Architecture, LanguageModel],
) -> None:
    _, model = built
    direction = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(1))
    with model.edited([AddDirection(1, direction, 2.0, scope="all")]):
        cached = model.generate(PROMPTS, max_new_tokens=6)
        whole = model.generate(PROMPTS, max_new_tokens=6, use_cache=False)
    assert [one.ids for one in cached] == [one.ids for one in whole]
    assert [one.ids for one in cached] != [one.ids for one in model.generate(PROMPTS, max_new_tokens=6)]


@pytest.mark.parametrize("name", list(SEVERAL_STREAMS))
def test_a_model_with_several_residual_streams_is_refused_by_name(name: str) -> None:
    with pytest.raises(ModelNotSupported, match="it has several streams"):
        SEVERAL_STREAMS[name].build()
