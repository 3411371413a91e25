"""A segment's last run: its cache is spread block by block, and what has been used is gone."""

import pytest
import torch

from latentguard.lm import LanguageModel
from latentguard.lm.batch_layout import Row
from latentguard.lm.runs import beginning, run, spreading
from tests.lm.tiny import tiny

STEMS, TAILS, PARENTS = [(5, 6, 7), (8, 9, 10)], [(1,), (2,), (3,), (4,)], [0, 0, 1, 1]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return tiny("Qwen3")


def _run(model: LanguageModel, segment: object, sequences: list[tuple[int, ...]], start: int) -> torch.Tensor:
    rows = [Row(number, len(sequences), model.render("hi")) for number in range(len(sequences))]
    return run(model.blocks, segment, sequences, [start] * len(rows), rows)


def _stems(model: LanguageModel) -> object:
    segment = beginning(model.blocks, len(STEMS), model.device, cached=True)
    _run(model, segment, STEMS, 0)
    return segment


def test_it_is_the_run_of_a_segment_that_was_spread_whole(model: LanguageModel) -> None:
    whole = _run(model, _stems(model).spread(PARENTS), TAILS, 3)
    with spreading(model.blocks, _stems(model), PARENTS) as segment:
        assert torch.equal(_run(model, segment, TAILS, 3), whole)


def test_only_the_running_blocks_cache_is_spread(model: LanguageModel) -> None:
    seen: list[tuple[list[int], list[int]]] = []
    before = _stems(model)
    layers = before.cache.layers

    def look(*_: object) -> None:
        seen.append(
            ([one.keys.shape[0] for one in layers], [one.keys.untyped_storage().nbytes() for one in layers])
        )

    with spreading(model.blocks, before, PARENTS) as segment:
        handles = [layer.mlp.register_forward_hook(look) for layer in model.blocks.layers]
        _run(model, segment, TAILS, 3)
    for handle in handles:
        handle.remove()
    for running, (rows, held) in enumerate(seen):
        assert rows == [4] * (running + 1) + [2] * (len(layers) - running - 1)
        assert all(size == layers[0].keys.element_size() for size in held[:running])
    assert len(seen) == len(layers)


def _hooks(model: LanguageModel) -> list[int]:
    return [len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in model.blocks.layers]


def test_no_hook_is_left_after_an_exception(model: LanguageModel) -> None:
    segment, before = _stems(model), _hooks(model)
    with spreading(model.blocks, segment, PARENTS):
        assert _hooks(model) == [count + 2 for count in before]
    with pytest.raises(ZeroDivisionError), spreading(model.blocks, segment, PARENTS):
        raise ZeroDivisionError
    assert _hooks(model) == before


def test_keys_that_later_blocks_read_again_are_spread_whole(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.blocks.config, "num_kv_shared_layers", 2, raising=False)
    with spreading(model.blocks, _stems(model), PARENTS) as segment:
        assert [one.keys.shape[0] for one in segment.cache.layers] == [4] * model.n_blocks


@pytest.mark.parametrize("fails_at", [0, 1, 3])
def test_segments_that_could_not_be_joined_are_as_they_were(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    one, other = _stems(model), _stems(model)
    expected = _run(model, _stems(model), [TAILS[0], TAILS[1]], 3)
    made: list[int] = []
    cat = torch.cat

    def failing(*arguments: object) -> torch.Tensor:
        made.append(1)
        if len(made) > fails_at:
            raise MemoryError("no room")
        return cat(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "cat", failing)
        with pytest.raises(MemoryError):
            one.joined(other)
    for segment in (one, other):
        assert torch.equal(_run(model, segment, [TAILS[0], TAILS[1]], 3), expected)
    both = _stems(model).joined(_stems(model))
    assert torch.allclose(_run(model, both, TAILS, 3)[:2], expected, atol=1e-5)
