"""Prompts with their endings, and their states: what fitting code works on."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from latentguard._progress import Progress
from latentguard.data import Endings, Prompt, with_endings
from latentguard.guard.fitting_data import FittingData, is_harmful
from latentguard.lm import LanguageModel, States


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """States of the training variants, of the validation variants, and of validation prompts as written, in
    the model's own dtype: whoever computes with a cell takes it in float32."""

    train: States
    train_owners: tuple[Prompt, ...]
    """The prompt that each training variant was made from."""
    validation: States
    validation_owners: tuple[Prompt, ...]
    written: States
    """Validation prompts as they are: probability and threshold are fitted on these."""

    @property
    def train_harmful(self) -> Bool[Tensor, " variant"]:
        """Label of each training variant."""
        return is_harmful(self.train_owners)

    @property
    def validation_harmful(self) -> Bool[Tensor, " variant"]:
        """Label of each validation variant."""
        return is_harmful(self.validation_owners)


def capture_fit(
    model: LanguageModel,
    data: FittingData,
    *,
    endings: Endings,
    positions: Sequence[str],
    slots: Sequence[int],
    progress: Progress,
) -> Captured:
    """One pass over every variant of every prompt; variants share all but their last tokens."""
    train, train_owners = variants(data.train, endings)
    validation, validation_owners = variants(data.validation, endings)
    everything = [*train, *validation, *data.validation]
    states = model.capture(
        [prompt.messages for prompt in everything],
        positions=positions,
        slots=slots,
        dtype=None,
        progress=progress,
    )
    first, second = len(train), len(train) + len(validation)
    return Captured(
        train=_part(states, slice(0, first)),
        train_owners=train_owners,
        validation=_part(states, slice(first, second)),
        validation_owners=validation_owners,
        written=_part(states, slice(second, len(everything))),
    )


def variants(prompts: Sequence[Prompt], endings: Endings) -> tuple[list[Prompt], tuple[Prompt, ...]]:
    """Each prompt with each of its endings, and beside each variant the prompt it was made from."""
    found = [(variant, prompt) for prompt in prompts for variant in with_endings([prompt], endings)]
    return [variant for variant, _ in found], tuple(prompt for _, prompt in found)


def staged(progress: Progress, name: str) -> Progress:
    """The same progress, every stage under the name of what it is done for."""

    def forward(stage: str, done: int, total: int) -> None:
        progress(f"{name}: {stage}", done, total)

    return forward


def _part(states: States, rows: slice) -> States:
    return States(states.tensor[rows], states.positions, states.slots)
