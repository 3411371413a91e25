"""What does reading cost beside the bare forward pass that it needs?

floor: the decoder over length-sorted, right-padded batches without its output head: 1,024 padded tokens on a
CPU (where reading takes 512, for their memory), 16,384 on an accelerator.
"""

import copy
from dataclasses import replace
from typing import Any

import torch
from harness import Report, arguments, assert_same, compared, lengths, sentences, subject

from latentguard.lm import LanguageModel, Rendered

POSITIONS = ("t_inst", "t_post_inst")


def sorted_batches(ids: list[tuple[int, ...]], tokens: int = 1024) -> list[list[int]]:
    """Row numbers by length, in batches of at most so many padded tokens."""
    batches: list[list[int]] = []
    for row in sorted(range(len(ids)), key=lambda row: len(ids[row])):
        if not batches or (len(batches[-1]) + 1) * len(ids[row]) > tokens:
            batches.append([])
        batches[-1].append(row)
    return batches


def padded(ids: list[tuple[int, ...]], device: torch.device) -> dict[str, torch.Tensor]:
    width = max(map(len, ids))
    rows = torch.tensor([[*row, *[0] * (width - len(row))] for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    return {"input_ids": rows.to(device), "attention_mask": mask.to(device)}


def floor(model: LanguageModel, ids: list[tuple[int, ...]]) -> None:
    tokens = 1024 if model.device.type == "cpu" else 16_384
    with torch.no_grad():
        for batch in sorted_batches(ids, tokens):
            model.blocks.decoder(**padded([ids[row] for row in batch], model.device), use_cache=False)


def as_people_write_it(model: LanguageModel, ids: list[tuple[int, ...]], rows: int) -> torch.Tensor:
    """`output_hidden_states=True`, unsorted, with the output head: every slot at the last token."""
    read: list[torch.Tensor] = []
    with torch.no_grad():
        for start in range(0, len(ids), rows):
            batch = ids[start : start + rows]
            out: Any = model.module(**padded(batch, model.device), output_hidden_states=True)
            states = torch.stack(out.hidden_states, dim=2)
            read += [states[row, len(one) - 1] for row, one in enumerate(batch)]
    return torch.stack(read)


def without_sharing(model: LanguageModel) -> LanguageModel:
    """The same model, of which nothing is said to be the same where a shared beginning ran once."""
    apart = copy.copy(model)
    refused = {**model.proof.refusals, "prefix sharing": "left out, to time reading alone"}
    apart.proof = replace(model.proof, refusals=refused)
    assert not apart.proof.shares_prefixes
    return apart


def check_the_others(model: LanguageModel, rendered: list[Rendered], ours: torch.Tensor) -> None:
    """Means, heads and half depth are those of the states that were compared with plain transformers."""
    groups = [row % 2 for row in range(len(rendered))]
    means = model.means(rendered, groups, positions=("t_post_inst",))[:, 0]
    assert_same(means, torch.stack([ours[0::2].mean(dim=0), ours[1::2].mean(dim=0)]), model)
    half = model.n_blocks // 2
    shallow = model.capture(rendered, positions=("t_post_inst",), slots=[half]).tensor[:, 0, 0]
    assert_same(shallow, ours[:, half], model)
    alone = model.capture_heads(rendered[:1], positions=("t_post_inst",)).tensor[0]
    assert_same(model.capture_heads(rendered, positions=("t_post_inst",)).tensor[0], alone, model)


def main() -> None:
    given = arguments(str(__doc__), repeats=5, unshared=True)
    model = subject(given)
    rendered = [model.render(text) for text in sentences(model, lengths() * given.times)]
    ids = [one.ids for one in rendered]
    half = model.n_blocks // 2

    if given.unshared:
        model = without_sharing(model)
    ours = model.capture(rendered, positions=("t_post_inst",)).tensor[:, 0]
    for rows in (16, 1):
        plain = as_people_write_it(model, ids, rows)
        # Slot L of transformers' list has passed the final norm; ours has not.
        assert_same(ours[:, :-1], plain[:, :-1], model)
    check_the_others(model, rendered, ours)

    variants = {
        "floor": lambda: floor(model, ids),
        "two positions, all slots": lambda: model.capture(rendered, positions=POSITIONS),
        "running means of two groups": lambda: model.means(
            rendered, [row % 2 for row in range(len(ids))], positions=POSITIONS
        ),
        "all heads at the last position": lambda: model.capture_heads(rendered, positions=("t_post_inst",)),
        f"one slot at half depth ({half})": lambda: model.capture(
            rendered, positions=POSITIONS, slots=[half]
        ),
        "output_hidden_states, batches of 16": lambda: as_people_write_it(model, ids, 16),
        "output_hidden_states, one at a time": lambda: as_people_write_it(model, ids, 1),
    }
    bounds = dict(zip(list(variants)[1:5], (1.05, 1.05, 1.10, half / model.n_blocks + 0.05), strict=True))
    if given.unshared:
        variants = dict(list(variants.items())[:5])
    shared = "nothing shared" if given.unshared else "what prompts share run once"
    report = Report(f"reading {len(ids)} prompts, {shared}, beside the bare forward", "quartiles")
    report.lines = compared(variants, repeats=given.repeats, against="floor", bounds=bounds)
    report.notes.append(
        f"{len(ids)} prompts of {sum(map(len, ids)) / len(ids):.0f} tokens in the mean, the template's own "
        "included. "
        + (
            "Every prompt runs whole, in the floor and in what is beside it."
            if given.unshared
            else "The template's opening is run once; the floor runs it for every prompt."
        )
    )
    report.write("capture-unshared" if given.unshared else "capture", model, given)


if __name__ == "__main__":
    main()
