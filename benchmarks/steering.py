"""What does a steered token cost beside an unsteered one? Scale 0 at every block, so that the text is one."""

import torch
from harness import Report, arguments, paired, sentences, subject

from latentguard.lm import AddDirection

NEW_TOKENS = 32


def main() -> None:
    given = arguments(str(__doc__), repeats=100)
    model = subject(given)
    prompts = sentences(model, [26])
    direction = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    edits = [AddDirection(slot, direction, 0.0, scope="all") for slot in range(model.n_blocks)]

    def plain() -> list[tuple[int, ...]]:
        return [reply.ids for reply in model.generate(prompts, max_new_tokens=NEW_TOKENS)]

    def steered() -> list[tuple[int, ...]]:
        with model.edited(edits):
            return plain()

    assert steered() == plain()
    report = Report(f"{NEW_TOKENS} tokens steered at all {model.n_blocks} blocks, beside unsteered", "95 %")
    report.lines = list(paired("steered", steered, plain, pairs=given.repeats, bound=0.03))
    report.write("steering", model, given)


if __name__ == "__main__":
    main()
