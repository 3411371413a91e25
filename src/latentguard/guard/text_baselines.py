"""Baselines that never see the model: what length, the final mark, or the words alone would achieve.

All are fitted on the guard's training prompts as written, each once.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from latentguard.data import Prompt, final_punctuation

MOST_TERMS = 20_000
"""Most words and word pairs that are kept of the training prompts."""


class TextBaselines(BaseModel):
    """The fitted parameters of the three text baselines; plain numbers and words, so that JSON holds them.

    The words are those of the training prompts: every word and pair of neighbouring words, the `MOST_TERMS`
    most frequent at most. They are no prompts, but say much of what the prompts were about.
    """

    model_config = ConfigDict(frozen=True)

    length_sign: int
    """+1 where harmful training prompts were longer, -1 where shorter, 0 where neither."""
    ending_log_odds: dict[str, float]
    """Log-odds of harm for each final punctuation seen; 0 for one never seen."""
    terms: tuple[str, ...]
    inverse_frequency: tuple[float, ...]
    term_weights: tuple[float, ...]

    def length(self, prompts: Sequence[Prompt]) -> Float[np.ndarray, " prompt"]:
        """Number of characters, turned so that harmful training prompts score higher."""
        return np.array([float(self.length_sign * len(prompt.text)) for prompt in prompts])

    def ending(self, prompts: Sequence[Prompt]) -> Float[np.ndarray, " prompt"]:
        """Log-odds of the final punctuation."""
        return np.array([self.ending_log_odds.get(final_punctuation(prompt.text), 0.0) for prompt in prompts])

    def tfidf(self, prompts: Sequence[Prompt]) -> Float[np.ndarray, " prompt"]:
        """Log-odds of the logistic regression on TF-IDF words and word pairs, but for its constant."""
        if not self.terms:
            return np.zeros(len(prompts))
        vectorizer = _vectorizer(vocabulary={term: index for index, term in enumerate(self.terms)})
        vectorizer.idf_ = np.array(self.inverse_frequency)
        matrix = vectorizer.transform([prompt.text for prompt in prompts])
        return np.asarray(matrix @ np.array(self.term_weights)).ravel()


def fit_text_baselines(prompts: Sequence[Prompt]) -> TextBaselines:
    """Fit the three on labelled prompts."""
    harmful = np.array([prompt.label == "harmful" for prompt in prompts])
    lengths = np.array([len(prompt.text) for prompt in prompts])
    terms, frequency, weights = _fit_terms([prompt.text for prompt in prompts], harmful)
    return TextBaselines(
        length_sign=int(np.sign(lengths[harmful].mean() - lengths[~harmful].mean())),
        ending_log_odds=_ending_log_odds(prompts),
        terms=terms,
        inverse_frequency=frequency,
        term_weights=weights,
    )


def _ending_log_odds(prompts: Sequence[Prompt]) -> dict[str, float]:
    """Log-odds with one pseudo-count a class, relative to the classes' sizes."""
    counts = {label: Counter[str]() for label in ("harmful", "harmless")}
    for prompt in prompts:
        if prompt.label is not None:
            counts[prompt.label][final_punctuation(prompt.text)] += 1
    harmful, harmless = counts["harmful"], counts["harmless"]
    prior = math.log((harmful.total() + 1) / (harmless.total() + 1))
    return {
        ending: math.log((harmful[ending] + 1) / (harmless[ending] + 1)) - prior
        for ending in sorted({*harmful, *harmless})
    }


def _fit_terms(
    texts: list[str], harmful: np.ndarray
) -> tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]:
    vectorizer = _vectorizer(vocabulary=None)
    try:
        matrix = vectorizer.fit_transform(texts)
    except ValueError:  # no text holds a word: nothing to fit, and every prompt scores 0
        return (), (), ()
    fitted = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced").fit(matrix, harmful)
    return (
        tuple(str(term) for term in vectorizer.get_feature_names_out()),
        tuple(float(value) for value in vectorizer.idf_),
        tuple(float(value) for value in fitted.coef_[0]),
    )


def _vectorizer(vocabulary: dict[str, int] | None) -> TfidfVectorizer:
    """Words of any script and pairs of neighbours; the pattern also keeps single letters and ideographs."""
    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        token_pattern=r"(?u)\b\w+\b",
        max_features=None if vocabulary else MOST_TERMS,
        vocabulary=vocabulary,
    )
