"""What does it gain that a system prompt of 300 tokens, which 64 prompts share, is run once?"""

import torch
from capture import floor
from harness import Report, arguments, assert_same, compared, lengths, sentences, subject


def main() -> None:
    given = arguments(str(__doc__), repeats=5)
    model = subject(given)
    (system,) = sentences(model, [300], seed=1)
    rendered = [
        model.render([{"role": "system", "content": system}, {"role": "user", "content": text}])
        for text in sentences(model, lengths(long=0) * given.times)
    ]
    together = model.capture(rendered).tensor
    apart = torch.cat([model.capture([one]).tensor for one in rendered[:4]])
    assert_same(together[:4], apart, model)
    ids = [one.ids for one in rendered]
    report = Report(f"reading {len(ids)} prompts under one system prompt of 300 tokens", "quartiles")
    report.lines = compared(
        {"floor": lambda: floor(model, ids), "its beginning run once": lambda: model.capture(rendered)},
        repeats=given.repeats,
        against="floor",
    )
    report.write("prefix", model, given)


if __name__ == "__main__":
    main()
