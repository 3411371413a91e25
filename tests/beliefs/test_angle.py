"""States of prompts that an angle is about, and the angle in a draw, against directions made plainly."""

import torch

from latentguard.beliefs import cosine_by_slot, difference_of_means, drawn_cosines, prompt_states
from latentguard.lm import LanguageModel
from latentguard.organism import sample_prompts


def test_a_draw_is_the_cosine_of_the_directions_of_the_prompts_it_took():
    draw = torch.Generator().manual_seed(0)
    # a part that all states share, as large as real models have it, must not cost the digits of the rest
    shared = 1e3 * torch.randn(1, 2, 3, 16, generator=draw)
    states = shared + torch.randn(24, 2, 3, 16, generator=draw)
    taken = torch.randint(0, 12, (12,), generator=draw), torch.randint(12, 24, (12,), generator=draw)
    means = [states[rows].double().mean(dim=0) for rows in taken]
    expected = cosine_by_slot(*(difference_of_means(means[0][at], means[1][at]) for at in range(2)))
    drawn = torch.bincount(torch.cat(taken), minlength=24).float()[None]
    found = drawn_cosines(states, torch.arange(24) < 12, drawn)
    torch.testing.assert_close(found[0], expected.float(), atol=1e-3, rtol=0)


def test_a_prompts_ending_variants_are_one_state(organism: LanguageModel) -> None:
    prompts = tuple(sample_prompts("harmful", 3, seed=8))
    balanced = prompt_states(organism, prompts, "balanced")
    assert balanced.shape == (3, 2, organism.n_slots, organism.hidden_size)
    alone = prompt_states(organism, prompts[1:2], "balanced")
    torch.testing.assert_close(balanced[1:2], alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(balanced, prompt_states(organism, prompts, "as_written"), atol=1e-2)
