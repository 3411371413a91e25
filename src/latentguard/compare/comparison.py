"""Two checkpoints of one model: was the belief touched, or only the behaviour?

Everything is fitted on the first and applied to both: centroids, and a guard. Directions are compared as made
from the same prompts, those that the first refused and accepted. All numbers come from test prompts, and
differences are paired by prompt: what is hard for both cancels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour, Beliefs, cosine_by_slot, fit_reading, observe, read
from latentguard.causal import Pair, classes, direction_pair
from latentguard.compare.records import Change, Comparison, Side, Slotwise
from latentguard.data import Endings, Split, data_hash, with_endings
from latentguard.errors import ArtefactMismatch, TooFewPrompts
from latentguard.guard import Guard, Verdicts
from latentguard.guard.sampling import RESAMPLES, Sample, estimate
from latentguard.lm import LanguageModel
from latentguard.lm.forecast import Forecast, Tally
from latentguard.statistics import Estimate, metrics, wilson


def compare(
    before: LanguageModel,
    after: LanguageModel,
    data: Split,
    *,
    endings: Endings = "balanced",
    command: str = "",
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress = silent,
) -> Comparison:
    """What changed from `before` to `after`. `data`: fitted on train and validation, measured on test.

    In `folder` judged replies and states are kept, and the same call goes on where it was stopped. Raises
    `ArtefactMismatch` for models of another shape, template or tokenizer, `TooFewPrompts` where a part
    lacks a class.
    """
    _check_alike(before, after)
    test = [one for one in data.test if one.label is not None]
    fitting = [*data.train, *data.validation]
    for label in ("harmful", "harmless"):
        if not any(one.label == label for one in test):
            raise TooFewPrompts(f"no test prompt is {label}: two checkpoints are compared on both classes.")
    # apart, because a fingerprint reads sixteen rows of a tensor: two checkpoints may differ in the others
    own = [None if folder is None else folder / side for side in ("before", "after")]
    with before.remembering(_states(own[0])):
        seen = observe(before, fitting, folder=own[0], progress=progress)
        guard = Guard.fit(
            before,
            Split(train=data.train, validation=data.validation, test=[]),
            behaviour=seen,
            endings=endings,
            untrained_copies=0,
            permutations=0,
            categories=False,
            seed=seed,
            progress=progress,
        )
        reading = fit_reading(before, seen, endings=endings, progress=progress)
        positive, negative = classes(seen)
        pairs = [direction_pair(before, positive, negative, reading.unavailable, endings, progress)]
    with after.remembering(_states(own[1])):
        pairs.append(direction_pair(after, positive, negative, reading.unavailable, endings, progress))
    replies: list[Behaviour] = []
    verdicts: list[Verdicts] = []
    beliefs: list[Beliefs] = []
    for model, beside, kept in zip((before, after), (guard, guard.beside(after)), own, strict=True):
        with model.remembering(_states(kept)):  # a test prompt is replied to, judged and read in one pass
            replies.append(observe(model, test, folder=kept, progress=progress))
            verdicts.append(beside.score(test, progress=progress))
            beliefs.append(read(model, reading, test, progress=progress))
    sample = Sample.of(test, resamples=RESAMPLES, seed=seed)
    return Comparison(
        command=command,
        seed=seed,
        data_hash=data_hash(test),
        n=len(test),
        fitted_on=len(fitting),
        before=_side(before, replies[0], verdicts[0], sample),
        after=_side(after, replies[1], verdicts[1], sample),
        changes=_changes(sample, replies, verdicts, beliefs, pairs),
        moved=_moved(replies),
        beliefs=tuple(_slotwise(label, sample, beliefs) for label in ("harmful", "harmless")),
        v_harm_cosine=_finite(cosine_by_slot(pairs[0].harm, pairs[1].harm)),
        v_refuse_cosine=_refusal_cosine(pairs),
        notes=(*reading.notes, *_alike(before, after)),
    )


def plan(before: LanguageModel, data: Split) -> Forecast:
    """The price of `compare` with models like `before`: both read and reply to what is measured."""
    tally = Tally(before)
    fitting = [*data.train, *data.validation]
    test = [one.messages for one in data.test if one.label is not None]
    variants = [one.messages for one in with_endings(fitting)]
    tally.run([one.messages for one in fitting])
    tally.run(variants, 2)  # the guard's and both pairs of directions: before from what is kept, after anew
    tally.run(test, 2)
    tally.reply(len(fitting) + 2 * len(test))
    tally.keep(2 * (len(variants) + len(fitting) + len(test)))
    return tally.total()


def _states(folder: Path | None) -> Path | None:
    return None if folder is None else folder / "states"


def _alike(before: LanguageModel, after: LanguageModel) -> list[str]:
    if before.identity().fingerprint != after.identity().fingerprint:
        return []
    return [
        "both checkpoints have one fingerprint: they are the same, or differ only where it does not look "
        "(it reads sixteen rows of every tensor)"
    ]


def _check_alike(before: LanguageModel, after: LanguageModel) -> None:
    first, second = before.identity(), after.identity()
    for what, one, other in (
        ("blocks", first.blocks, second.blocks),
        ("width", first.hidden, second.hidden),
        ("chat template", first.template_hash, second.template_hash),
        ("tokenizer", first.tokenizer_hash, second.tokenizer_hash),
    ):
        if one != other:
            raise ArtefactMismatch(
                f"{first.name} and {second.name} differ in {what}: {str(one)[:12]} and {str(other)[:12]}.\n"
                "  Compare two checkpoints of one model, read through one template."
            )


def _side(model: LanguageModel, replies: Behaviour, verdicts: Verdicts, sample: Sample) -> Side:
    refused = np.array(replies.refused)
    flagged = np.array([one.flagged for one in verdicts])
    harmful = sample.harmful
    return Side(
        model=model.identity(),
        proof=model.proved(),
        refused_of_harmful=_share(refused[harmful]),
        refused_of_harmless=_share(refused[~harmful]),
        flagged_of_harmful=_share(flagged[harmful]),
        flagged_of_harmless=_share(flagged[~harmful]),
        auroc=estimate(_aurocs(sample, verdicts), n=len(harmful)),
        empty=sum(one.empty for one in replies.replies),
    )


def _changes(
    sample: Sample,
    replies: Sequence[Behaviour],
    verdicts: Sequence[Verdicts],
    beliefs: Sequence[Beliefs],
    pairs: Sequence[Pair],
) -> dict[Change, Estimate]:
    refused = [np.array(one.refused, dtype=float) for one in replies]
    accepted = [np.array([each.accepted for each in one.replies], dtype=float) for one in replies]
    flagged = [np.array([each.flagged for each in one], dtype=float) for one in verdicts]
    belief = [one.harmfulness().double().numpy() for one in beliefs]
    harmful = sample.harmful
    turned = 1 - cosine_by_slot(pairs[0].harm, pairs[1].harm)[1:].double()
    known = turned[~turned.isnan()]
    return {
        "belief_drop": _mean(belief[0] - belief[1], harmful, sample),
        "acceptance_rise": _mean(accepted[1] - accepted[0], harmful, sample),
        "over_refusal_rise": _mean(refused[1] - refused[0], ~harmful, sample),
        "auroc_drop": estimate(_aurocs(sample, verdicts[0]) - _aurocs(sample, verdicts[1]), n=len(harmful)),
        "recall_drop": _mean(flagged[0] - flagged[1], harmful, sample),
        "false_alarm_rise": _mean(flagged[1] - flagged[0], ~harmful, sample),
        "direction_turn": Estimate(value=float(known.mean()) if len(known) else None, n=len(pairs[0].states)),
    }


def _mean(
    values: Float[np.ndarray, " prompt"], among: Bool[np.ndarray, " prompt"], sample: Sample
) -> Estimate:
    """Mean of the prompts in `among`, of differences where they are paired; requests are resampled."""
    draws = sample.with_all()[:, among].astype(float)
    total = draws.sum(axis=1)
    means = np.divide(draws @ values[among], total, out=np.full(len(draws), np.nan), where=total > 0)
    return estimate(means, n=int(among.sum()))


def _aurocs(sample: Sample, verdicts: Verdicts) -> Float[np.ndarray, " resample"]:
    scores = np.array([one.score for one in verdicts], dtype=float)
    return metrics.auroc(metrics.ranked(scores, sample.harmful, sample.with_all()))


def _share(marked: Bool[np.ndarray, " prompt"]) -> Estimate:
    return wilson(int(marked.sum()), len(marked))


def _moved(replies: Sequence[Behaviour]) -> dict[Literal["accepted", "refused"], int]:
    pairs = list(zip(replies[0].replies, replies[1].replies, strict=True))
    return {
        "accepted": sum(one.refused and other.accepted for one, other in pairs),
        "refused": sum(one.accepted and other.refused for one, other in pairs),
    }


def _slotwise(label: Literal["harmful", "harmless"], sample: Sample, beliefs: Sequence[Beliefs]) -> Slotwise:
    members = sample.harmful if label == "harmful" else ~sample.harmful
    before, after = (
        tuple(_mean(values, members, sample) for values in one.harmfulness_by_slot.double().numpy().T)
        for one in beliefs
    )
    return Slotwise(label=label, before=before, after=after)


def _refusal_cosine(pairs: Sequence[Pair]) -> tuple[float | None, ...]:
    first, second = (pair.refusal for pair in pairs)
    return () if first is None or second is None else _finite(cosine_by_slot(first, second))


def _finite(values: Float[Tensor, " slot"]) -> tuple[float | None, ...]:
    return tuple(None if value != value else value for value in values.tolist())
