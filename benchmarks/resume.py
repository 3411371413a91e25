"""What do L edited runs of one prompt cost, one edit a block, beside L whole forward passes?"""

import torch
from harness import Report, arguments, assert_same, compared, sentences, subject

from latentguard.lm import AddDirection


def main() -> None:
    given = arguments(str(__doc__), repeats=5)
    model = subject(given)
    (prompt,) = (model.render(text) for text in sentences(model, [26]))
    draw = torch.Generator().manual_seed(0)
    alternatives = [
        [AddDirection(slot, torch.randn(model.hidden_size, generator=draw))] for slot in range(model.n_blocks)
    ]

    def resumed() -> torch.Tensor:
        return model.edited_logits(prompt, alternatives, at_once=32)

    def whole() -> torch.Tensor:
        made = []
        for edits in alternatives:
            with model.edited(edits):
                made.append(model.next_token_logits([prompt]))
        return torch.cat(made)

    assert_same(resumed(), whole(), model)
    report = Report(f"{model.n_blocks} edited runs of one prompt, one a block", "quartiles")
    report.lines = compared(
        {"whole runs": whole, "resumed": resumed},
        repeats=given.repeats,
        against="whole runs",
        bounds={"resumed": 0.60},
    )
    report.notes.append(f"The prompt has {len(prompt.ids)} tokens.")
    report.write("resume", model, given)


if __name__ == "__main__":
    main()
