"""What does a guard inside generation add to the time to the first token? At batch 1 and 16.

The guard is fitted on a part of the package's contrast set; its verdicts inside generation must be those of
`Guard.score`. Flagged prompts are answered, so that both variants do the same work.
"""

from harness import Report, arguments, paired, subject

from latentguard.data import contrast_set
from latentguard.guard import Guard

FITTED, ASKED = 60, 100


def main() -> None:
    given = arguments(str(__doc__), repeats=100)
    model = subject(given)
    parts = contrast_set()
    harmful, harmless = (
        [one for one in parts.train if one.label == label][:FITTED] for label in ("harmful", "harmless")
    )
    guard = Guard.fit(
        model, harmful, harmless, position="both", behaviour="skip", untrained_copies=0, permutations=0
    )
    prompts = [one.messages for one in parts.test[:ASKED]]
    before = guard.score(parts.test[:ASKED])
    replies = model.generate(prompts, max_new_tokens=1, guard=guard, on_flagged="answer")
    for one, reply in zip(before, replies, strict=True):
        assert abs(one.score - reply.verdict.score) <= 1e-3 * max(1.0, abs(one.score))
        assert one.flagged == reply.verdict.flagged

    report = Report("time to the first token with a guard inside, beside without", "95 %")
    for rows in (1, 16):
        batch = prompts[:rows]

        def plain(batch: list = batch) -> None:
            model.generate(batch, max_new_tokens=1)

        def guarded(batch: list = batch) -> None:
            model.generate(batch, max_new_tokens=1, guard=guard, on_flagged="answer")

        report.lines += paired(f"batch of {rows}", guarded, plain, pairs=given.repeats, bound=0.03)
    report.notes.append(
        f"{ASKED} prompts: verdicts inside generation are those of Guard.score, {len(guard.reads[1])} slots "
        f"at {len(guard.reads[0])} positions."
    )
    report.write("guarded", model, given)


if __name__ == "__main__":
    main()
