"""Projection on the refusal direction: the difference of two means at the last token, and nothing else.

    score(h) = (h . v) / |v|,   v = mu[harmful] - mu[harmless] at t_post_inst, at one slot

Arditi et al. 2024 (arXiv 2406.11717), section 2.3. They choose the slot by what removing v does to refusals;
here it is the one that ranks the validation prompts best, which is what a detector is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from latentguard._progress import Progress
from latentguard.data import Endings, Prompt, with_endings
from latentguard.guard.fitting_data import FittingData, is_harmful
from latentguard.lm import LanguageModel
from latentguard.rivals.rival import Scorer
from latentguard.statistics.metrics import auroc, ranked

AT: Final = "t_post_inst"


@dataclass(frozen=True, slots=True)
class RefusalDirection:
    """One direction at one slot of this model."""

    model: LanguageModel
    endings: Endings = "balanced"

    @property
    def name(self) -> str:
        """What is projected on."""
        return "refusal direction"

    @property
    def identity(self) -> str:
        """Which direction; whose states it reads is known beside it."""
        return f"refusal direction {self.endings}"

    def fit(self, data: FittingData, progress: Progress) -> Scorer:
        """Means of the training prompts with their endings; the slot by AUROC on the validation prompts."""
        train = with_endings(data.train, self.endings)
        groups = [0 if harmful else 1 for harmful in is_harmful(train).tolist()]
        means = self.model.means([one.messages for one in train], groups, positions=(AT,), progress=progress)
        direction = means[0, 0] - means[1, 0]
        unit = direction / direction.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        written = self.model.capture(
            [one.messages for one in data.validation], positions=(AT,), progress=progress
        )
        along = (written.at(AT) * unit).sum(dim=-1).double().numpy()
        harmful = is_harmful(data.validation).numpy()
        # slot 0 holds the template's own last token, the same for every prompt
        ranks = [float(auroc(ranked(along[:, slot], harmful))[0]) for slot in range(1, self.model.n_slots)]
        best = int(np.argmax(ranks)) + 1

        def scores(prompts: Sequence[Prompt], progress: Progress) -> Float[np.ndarray, " prompt"]:
            read = self.model.capture(
                [one.messages for one in prompts], positions=(AT,), slots=(best,), progress=progress
            )
            return (read.at(AT)[:, 0] @ unit[best]).double().numpy()

        return scores
