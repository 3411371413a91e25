"""Sentence embeddings and logistic regression: what a general text encoder tells of harm.

Any folder that sentence-transformers reads. Embeddings have unit length; the prompt is the text of the last
user turn, as that is what such encoders are made for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression

from latentguard._progress import Progress
from latentguard.data import Prompt
from latentguard.errors import ModelNotFound, ModelNotSupported
from latentguard.guard.fitting_data import FittingData, is_harmful
from latentguard.rivals.rival import Scorer

AT_ONCE = 32


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """A sentence encoder with a logistic regression on top."""

    folder: str
    path: str
    _encoder: Any = field(repr=False)

    @classmethod
    def of(cls, folder: str | Path, *, device: str = "cpu") -> "Embeddings":
        """The encoder of a local folder.

        Raises `ModelNotSupported` without the package, `ModelNotFound` for what it cannot read.
        """
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise ModelNotFound(f"{path} is no folder.\n  Give the folder of a sentence-transformers model.")
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise ModelNotSupported(
                "sentence embeddings need the package sentence-transformers, which is not installed.\n"
                "  pip install 'latentguard[rivals]'"
            ) from None
        try:
            encoder = SentenceTransformer(str(path), device=device, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelNotFound(f"{path}: sentence-transformers cannot read it ({first}).") from error
        return cls(path.name, str(path.resolve()), encoder)

    @property
    def name(self) -> str:
        """Which encoder."""
        return f"embeddings ({self.folder}) + logistic"

    @property
    def identity(self) -> str:
        """Which folder."""
        return f"embeddings {self.path}"

    def fit(self, data: FittingData, progress: Progress) -> Scorer:
        """Logistic regression on the embeddings of the training prompts as written."""
        fitted = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced")
        fitted.fit(self._embedded(data.train, progress), is_harmful(data.train).numpy())

        def scores(prompts: Sequence[Prompt], progress: Progress) -> Float[np.ndarray, " prompt"]:
            return fitted.decision_function(self._embedded(prompts, progress))

        return scores

    def _embedded(
        self, prompts: Sequence[Prompt], progress: Progress
    ) -> Float[np.ndarray, "prompt embedding"]:
        stage, parts = f"embedding with {self.folder}", list[np.ndarray]()
        for first in range(0, len(prompts), AT_ONCE):
            texts = [one.text for one in prompts[first : first + AT_ONCE]]
            parts.append(
                self._encoder.encode(
                    texts,
                    batch_size=AT_ONCE,
                    normalize_embeddings=True,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
            )
            progress(stage, first + len(texts), len(prompts))
        return np.concatenate(parts)
