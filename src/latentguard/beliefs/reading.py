"""A reading of one model: the centroids of both beliefs, fitted on what the model did with some prompts.

    harmfulness belief: refused-harmful against accepted-harmless, states at t_inst
    refusal belief:     the same two clusters, states at t_post_inst

Zhao et al. 2025, section 3. A model that (almost) never refuses has no refused-harmful cluster: then the
harmfulness belief is fitted on the prompts' labels, there is no refusal belief, and the reading says both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.beliefs.behaviour import Behaviour, described
from latentguard.beliefs.belief import belief, coinciding, layer_scores
from latentguard.beliefs.clusters import Clusters, clusters
from latentguard.beliefs.directions import Direction, Kind, cosine_by_slot, directions, stacked
from latentguard.beliefs.offset import offset_name, shifted
from latentguard.beliefs.table import MOST_ROWS, html_table, signed
from latentguard.data import Endings, Prompt, data_hash, with_endings
from latentguard.errors import TooFewPrompts, UndefinedBelief
from latentguard.lm import LanguageModel
from latentguard.lm.slots import chosen_slots

if TYPE_CHECKING:
    import pandas

Basis: TypeAlias = Literal["behaviour", "labels"]


@dataclass(frozen=True, slots=True, eq=False)
class Centroids:
    """The two means that one belief compares a state with."""

    positive: Float[Tensor, "slot hidden"]
    negative: Float[Tensor, "slot hidden"]
    position: str
    n_positive: int
    """Base prompts in the positive mean; their ending variants are not counted again."""
    n_negative: int

    def __post_init__(self) -> None:
        if bool(coinciding(self.positive, self.negative).all()):
            raise UndefinedBelief(
                f"the two means at {self.position} coincide at every slot: no state can be nearer to one.\n"
                "  Look at the two classes: do they hold the same prompts?"
            )

    def belief(
        self, states: Float[Tensor, "prompt slot hidden"], *, slots: Iterable[int] | None = None
    ) -> Float[Tensor, " prompt"]:
        """See `latentguard.beliefs.belief`; `states` must hold every slot, read at `position`."""
        return belief(states, self.positive, self.negative, slots=slots)

    def layer_scores(self, states: Float[Tensor, "prompt slot hidden"]) -> Float[Tensor, "prompt slot"]:
        """See `latentguard.beliefs.layer_scores`."""
        return layer_scores(states, self.positive, self.negative)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Both beliefs of one model, or the reason why there is only one."""

    harmfulness: Centroids
    refusal: Centroids | None
    basis: Basis
    """What the harmfulness centroids average: behaviour clusters, or all prompts by label."""
    unavailable: str | None
    """Why there is no refusal belief, with the counts; None where there is one."""
    counts: dict[str, int]
    """Prompts in each verdict cell, empty replies, and unlabelled prompts."""
    fell_out: dict[str, int]
    """Prompts in no centroid, by why."""
    endings: Endings
    offset: int
    provenance: dict[str, str]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must be told about this fit, a sentence each; empty where nothing is unusual."""
        if self.unavailable is None:
            return ()
        return (
            f"refusal belief and verdict unavailable: {self.unavailable}",
            "harmfulness belief fitted on labels, not on the model's own behaviour",
        )

    def directions(self, kind: Kind) -> tuple[Direction, ...]:
        """The direction of one belief at every slot, slot 0 included; `TooFewPrompts` where unavailable."""
        centroids = self.harmfulness if kind == "harmfulness" else self.refusal
        if centroids is None:
            raise TooFewPrompts(f"this model has no refusal direction: {self.unavailable}.")
        return directions(
            centroids.positive,
            centroids.negative,
            kind=kind,
            position=centroids.position,
            n_positive=centroids.n_positive,
            n_negative=centroids.n_negative,
            endings=self.endings,
            provenance=self.provenance | {"basis": self.basis},
        )

    def to_frame(self) -> "pandas.DataFrame":
        """One row a slot: the length of each direction, and their cosine; None without a refusal belief."""
        import pandas

        harmfulness = self.directions("harmfulness")
        refusal = () if self.refusal is None else self.directions("refusal")
        frame = pandas.DataFrame(
            {"slot": [one.slot for one in harmfulness], "harmfulness": [one.length for one in harmfulness]}
        )
        frame["refusal"] = [one.length for one in refusal] or None
        frame["cosine"] = cosine_by_slot(stacked(harmfulness), stacked(refusal)).tolist() if refusal else None
        return frame

    def _repr_html_(self) -> str:
        """What was fitted on what, for notebooks."""
        centroids = {"harmfulness belief": self.harmfulness, "refusal belief": self.refusal}
        rows = [
            (name, "unavailable", self.unavailable or "")
            if one is None
            else (name, one.position, f"{one.n_positive} against {one.n_negative} prompts")
            for name, one in centroids.items()
        ]
        facts = (
            f"fitted on {self.basis}, endings {self.endings.replace('_', ' ')}",
            described(self.counts),
            *self.notes,
        )
        return html_table(("", "read at", "centroids"), rows, caption="; ".join(facts))


@dataclass(frozen=True, slots=True, eq=False)
class Beliefs:
    """Both beliefs of some prompts, slot by slot."""

    harmfulness_by_slot: Float[Tensor, "prompt slot"]
    refusal_by_slot: Float[Tensor, "prompt slot"] | None

    def harmfulness(self, slots: Iterable[int] | None = None) -> Float[Tensor, " prompt"]:
        """Harmfulness belief over `slots`, by default all but slot 0."""
        return _mean_over(self.harmfulness_by_slot, slots)

    def refusal(self, slots: Iterable[int] | None = None) -> Float[Tensor, " prompt"] | None:
        """Refusal belief over `slots`, by default all but slot 0; None where the reading has none."""
        return None if self.refusal_by_slot is None else _mean_over(self.refusal_by_slot, slots)

    def to_frame(self) -> "pandas.DataFrame":
        """One row a prompt: both beliefs over all slots but slot 0, then each slot by itself.

        `refusal` is None, and stands in no column of its own slots, where the reading has no refusal belief.
        """
        import pandas

        refusal = self.refusal()
        columns: dict[str, list[float] | None] = {
            "harmfulness": self.harmfulness().tolist(),
            "refusal": None if refusal is None else refusal.tolist(),
        }
        for name, by_slot in (("harmfulness", self.harmfulness_by_slot), ("refusal", self.refusal_by_slot)):
            if by_slot is not None:
                columns |= {f"{name}_slot_{slot}": values.tolist() for slot, values in enumerate(by_slot.T)}
        return pandas.DataFrame(columns)

    def _repr_html_(self) -> str:
        """Both beliefs of the first prompts, for notebooks."""
        harmfulness, refusal = self.harmfulness().tolist(), self.refusal()
        beside = [None] * len(harmfulness) if refusal is None else refusal.tolist()
        pairs = islice(zip(harmfulness, beside, strict=True), MOST_ROWS)
        rows = [(f"{index}", signed(one), signed(other)) for index, (one, other) in enumerate(pairs)]
        caption = f"{len(harmfulness)} prompts, mean over slots 1 to {self.harmfulness_by_slot.shape[1] - 1}"
        return html_table(("prompt", "harmfulness belief", "refusal belief"), rows, caption=caption)


def fit_reading(
    model: LanguageModel,
    behaviour: Behaviour,
    *,
    endings: Endings = "balanced",
    offset: int = 0,
    progress: Progress = silent,
) -> Reading:
    """Fit both beliefs on the prompts of a behaviour, in one pass over their prompts.

    Behaviour was observed on prompts as written; the ending variants of a prompt share its cluster.
    `offset` moves the harmfulness position by that many tokens (see `offset`). Raises `TooFewPrompts`
    where labels, too, leave a class empty.
    """
    found = clusters(behaviour)
    reason = found.too_few
    positive, negative = _fitted_on(behaviour, found, on_labels=reason is not None)
    means = _means(model, positive, negative, endings, offset, progress)
    sizes = (len(positive), len(negative))
    harmfulness = Centroids(means[0, 0], means[1, 0], offset_name(offset), *sizes)
    refusal = None if reason is not None else Centroids(means[0, 1], means[1, 1], "t_post_inst", *sizes)
    return Reading(
        harmfulness=harmfulness,
        refusal=refusal,
        basis="behaviour" if reason is None else "labels",
        unavailable=reason,
        counts=behaviour.counts(),
        fell_out=found.fell_out if reason is None else {"unlabelled": found.fell_out["unlabelled"]},
        endings=endings,
        offset=offset,
        provenance=_provenance(model, [*positive, *negative]),
    )


def read(
    model: LanguageModel,
    reading: Reading,
    prompts: Sequence[Prompt],
    *,
    prompts_at_once: int = 256,
    progress: Progress = silent,
) -> Beliefs:
    """Both beliefs of `prompts` as written, at every slot; states are dropped as soon as they are scored."""
    if not prompts:
        raise TooFewPrompts("no prompt was given: there is nothing to read.")
    harmfulness: list[Tensor] = []
    refusal: list[Tensor] = []
    for first in range(0, len(prompts), prompts_at_once):
        progress("reading beliefs", first, len(prompts))
        rendered = [model.render(prompt.messages) for prompt in prompts[first : first + prompts_at_once]]
        states = model.capture(shifted(rendered, reading.offset), positions=("t_inst", "t_post_inst"))
        harmfulness.append(reading.harmfulness.layer_scores(states.at("t_inst")))
        if reading.refusal is not None:
            refusal.append(reading.refusal.layer_scores(states.at("t_post_inst")))
    progress("reading beliefs", len(prompts), len(prompts))
    return Beliefs(
        harmfulness_by_slot=torch.cat(harmfulness),
        refusal_by_slot=torch.cat(refusal) if reading.refusal is not None else None,
    )


def _fitted_on(
    behaviour: Behaviour, found: Clusters, *, on_labels: bool
) -> tuple[list[Prompt], list[Prompt]]:
    prompts = behaviour.prompts
    if not on_labels:
        return (
            [prompts[index] for index in found.refused_harmful],
            [prompts[index] for index in found.accepted_harmless],
        )
    harmful = [prompt for prompt in prompts if prompt.label == "harmful"]
    harmless = [prompt for prompt in prompts if prompt.label == "harmless"]
    if not harmful or not harmless:
        raise TooFewPrompts(
            f"a belief compares two classes; given were {len(harmful)} harmful and {len(harmless)} harmless "
            "prompts.\n  Label prompts of both kinds."
        )
    return harmful, harmless


def _means(
    model: LanguageModel,
    positive: Sequence[Prompt],
    negative: Sequence[Prompt],
    endings: Endings,
    offset: int,
    progress: Progress,
) -> Float[Tensor, "2 2 slot hidden"]:
    """[positive or negative, t_inst or t_post_inst, slot, hidden]."""
    of_positive, of_negative = with_endings(positive, endings), with_endings(negative, endings)
    rendered = [model.render(prompt.messages) for prompt in (*of_positive, *of_negative)]
    return model.means(
        shifted(rendered, offset),
        [0] * len(of_positive) + [1] * len(of_negative),
        positions=("t_inst", "t_post_inst"),
        progress=progress,
    )


def _provenance(model: LanguageModel, prompts: Sequence[Prompt]) -> dict[str, str]:
    identity = model.identity()
    return {
        "model": identity.name,
        "revision": identity.revision or "",
        "fingerprint": identity.fingerprint,
        "template_hash": identity.template_hash,
        "data_hash": data_hash(prompts),
    }


def _mean_over(
    by_slot: Float[Tensor, "prompt slot"], slots: Iterable[int] | None
) -> Float[Tensor, " prompt"]:
    return by_slot[:, chosen_slots(slots, by_slot.shape[1], first=1)].mean(dim=1)
