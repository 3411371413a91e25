"""A classifier that somebody else trained: any folder or hub id of transformers' sequence classification.

    score = log-odds of the harmful labels against all others; where labels do not exclude one another (a
            multi-label head), of the likeliest harmful one; the logit itself where there is one label

Which labels mean harm is read from their names or told; a classifier whose labels say nothing (LABEL_0) is
refused until it is told. It is fitted on nothing here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from latentguard._progress import Progress
from latentguard._text import inert
from latentguard.data import Prompt
from latentguard.errors import ModelNotFound, ModelNotSupported
from latentguard.guard.fitting_data import FittingData
from latentguard.rivals.rival import Scorer

AT_ONCE: Final = 16
LONGEST: Final = 8192
"""Tokens of a prompt that are read at most."""
MULTI_LABEL: Final = "multi_label_classification"
_HARMLESS: Final = re.compile(
    r"^(safe|benign|harmless|neutral|normal|ok|okay|acceptable"
    r"|(no|non|not)[-_ ]?(toxic|harmful|hate|hateful|offensive|jailbreak|injection|unsafe))$",
    re.IGNORECASE,
)
_NAMELESS: Final = re.compile(r"^label[-_ ]?\d+$|^\d+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A sequence classifier and which of its labels mean harm."""

    source: str
    harmful: tuple[int, ...]
    """Indices of the labels that mean harm."""
    _model: Any = field(repr=False)
    _tokenizer: Any = field(repr=False)

    @classmethod
    def of(cls, source: str, *, harmful: Sequence[str] | None = None, device: str = "cpu") -> "Classifier":
        """Load `source`; `harmful` names the labels that mean harm, where their names do not say it.

        Raises `ModelNotFound` for what is no classifier, `ModelNotSupported` where it is not clear which
        labels mean harm.
        """
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            model = AutoModelForSequenceClassification.from_pretrained(source).eval().to(device)
            tokenizer = AutoTokenizer.from_pretrained(source)
        except (OSError, ValueError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelNotFound(
                f"{inert(source)}: transformers reads no classifier there ({inert(first)})."
            ) from error
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
            model.config.pad_token_id = tokenizer.pad_token_id
        labels = [str(name) for _, name in sorted(model.config.id2label.items())]
        each_alone = model.config.problem_type == MULTI_LABEL
        return cls(source, harmful_labels(source, labels, harmful, each_alone=each_alone), model, tokenizer)

    @property
    def name(self) -> str:
        """Which classifier."""
        return self.source.rstrip("/").rsplit("/", 1)[-1]

    @property
    def identity(self) -> str:
        """Which classifier, and which of its labels mean harm."""
        return f"classifier {self.source} {self.harmful}"

    def fit(self, data: FittingData, progress: Progress) -> Scorer:
        """Nothing is fitted: it comes trained."""

        def scores(prompts: Sequence[Prompt], progress: Progress) -> Float[np.ndarray, " prompt"]:
            found = list[np.ndarray]()
            for first in range(0, len(prompts), AT_ONCE):
                texts = [one.text for one in prompts[first : first + AT_ONCE]]
                found.append(self._scored(texts))
                progress(f"classifying with {self.name}", first + len(texts), len(prompts))
            return np.concatenate(found)

        return scores

    def _scored(self, texts: list[str]) -> Float[np.ndarray, " text"]:
        batch = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        ).to(self._model.device)
        with torch.inference_mode():
            logits = self._model(**batch).logits.double()
        if logits.shape[-1] == 1:
            return logits[:, 0].cpu().numpy()
        if self._model.config.problem_type == MULTI_LABEL:
            return logits[:, list(self.harmful)].amax(dim=-1).cpu().numpy()
        chosen = torch.zeros(logits.shape[-1], dtype=torch.bool)
        chosen[list(self.harmful)] = True
        odds = logits[:, chosen].logsumexp(dim=-1) - logits[:, ~chosen].logsumexp(dim=-1)
        return odds.cpu().numpy()

    @property
    def _longest(self) -> int:
        """Tokens that it can read, also where its tokenizer knows no limit: positions that RoBERTa and its
        kin keep for padding are counted off."""
        positions = getattr(self._model.config, "max_position_embeddings", None) or LONGEST
        padded = (self._model.config.pad_token_id or 0) + 1
        offset = padded if getattr(self._tokenizer, "model_max_length", LONGEST) > positions else 0
        return max(1, min(self._tokenizer.model_max_length, positions - offset, LONGEST))


def harmful_labels(
    source: str, labels: Sequence[str], told: Sequence[str] | None = None, *, each_alone: bool = False
) -> tuple[int, ...]:
    """Which of `labels` mean harm: those that are `told`, or all but the ones that are named harmless.

    `each_alone`: labels do not exclude one another, so that all of them may mean harm. Raises
    `ModelNotSupported` where a told label is none of them, where names say nothing, and where nothing or, of
    labels that exclude one another, everything is harmful.
    """
    listed = ", ".join(inert(name) for name in labels)
    most = len(labels) if each_alone or len(labels) == 1 else len(labels) - 1
    if told is not None:
        if not set(told) <= set(labels) or not 0 < len(set(told)) <= most:
            raise ModelNotSupported(
                f"{inert(source)} has the labels {listed}; told to mean harm: "
                f"{', '.join(map(inert, told)) or 'none'}.\n"
                "  Name some of its labels, not all of them."
            )
        return tuple(index for index, name in enumerate(labels) if name in told)
    found = tuple(index for index, name in enumerate(labels) if not _HARMLESS.match(name))
    if any(_NAMELESS.match(name) for name in labels) or not 0 < len(found) <= most:
        raise ModelNotSupported(
            f"{inert(source)} has the labels {listed}, which do not say what is harmful.\n"
            "  Say it: Classifier.of(source, harmful=[...]), or --classifier SOURCE=LABEL,LABEL."
        )
    return found
