"""What does a guard inside generation add to the time to the first token? At batch 1 and 16.

    python guarded.py --guard DIR --data ../../shared/data/harmbench.jsonl ../../shared/data/alpaca_eval.jsonl

Its verdicts inside generation must be those of `Guard.score`. Flagged prompts are answered, so that both
variants do the same work. Without `--guard` one is fitted on a part of the package's contrast set, and
without `--data` the contrast set's test prompts are asked.
"""

import itertools
from argparse import Namespace
from collections.abc import Iterator

from harness import Report, arguments, paired, subject

from latentguard.data import Prompt, contrast_set, read_prompts
from latentguard.guard import Guard
from latentguard.lm import LanguageModel

FITTED, ASKED = 60, 100


def guard_of(model: LanguageModel, given: Namespace) -> Guard:
    if given.guard is not None:
        return Guard.load(given.guard, model)
    harmful, harmless = (
        [one for one in contrast_set().train if one.label == label][:FITTED]
        for label in ("harmful", "harmless")
    )
    return Guard.fit(
        model, harmful, harmless, position="both", behaviour="skip", untrained_copies=0, permutations=0
    )


def asked(given: Namespace) -> list[Prompt]:
    """As many of each file, one of each in turn, `ASKED` in all."""
    if not given.data:
        return list(contrast_set().test[:ASKED])
    files = [read_prompts(file)[: ASKED // len(given.data)] for file in given.data]
    return [one for row in zip(*files, strict=True) for one in row]


def turns(prompts: list, rows: int) -> Iterator[list]:
    """Batch after batch of all prompts, round and round: a pair of calls is always of the same one."""
    starts = itertools.cycle(range(0, len(prompts) - rows + 1, rows))
    return (prompts[start : start + rows] for start in starts)


def main() -> None:
    given = arguments(str(__doc__), repeats=100, guarded=True)
    model = subject(given)
    guard = guard_of(model, given)
    records = asked(given)
    prompts = [one.messages for one in records]
    before = guard.score(records)
    replies = model.generate(prompts, max_new_tokens=1, guard=guard, on_flagged="answer")
    for one, reply in zip(before, replies, strict=True):
        assert abs(one.score - reply.verdict.score) <= 1e-3 * max(1.0, abs(one.score))
        assert one.flagged == reply.verdict.flagged

    report = Report("time to the first token with a guard inside, beside without", "95 %")
    for rows in (1, 16):
        with_guard, without = turns(prompts, rows), turns(prompts, rows)

        def plain(batches: Iterator[list] = without) -> None:
            model.generate(next(batches), max_new_tokens=1)

        def guarded(batches: Iterator[list] = with_guard) -> None:
            model.generate(next(batches), max_new_tokens=1, guard=guard, on_flagged="answer")

        report.lines += paired(f"batch of {rows}", guarded, plain, pairs=given.repeats, bound=0.03)
    flagged = sum(one.flagged for one in before)
    report.notes.append(
        f"{len(prompts)} prompts, {flagged} of them flagged: verdicts inside generation are those of "
        f"Guard.score. The guard reads {len(guard.reads[1])} slots at {len(guard.reads[0])} positions."
    )
    report.write("guarded", model, given)


if __name__ == "__main__":
    main()
