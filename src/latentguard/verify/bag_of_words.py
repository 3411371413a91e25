"""Could the organism's task be solved without an organism? By its words, its final mark, its length."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from latentguard.data import Prompt, final_punctuation
from latentguard.verify.line import Line, Measured, line, share


def task_lines(train: Sequence[Prompt], test: Sequence[Prompt]) -> Iterator[Line]:
    """Logistic regressions fitted on `train`, the organism's own training prompts, tested on `test`."""
    models: tuple[tuple[str, Pipeline, float], ...] = (
        ("bag of words", make_pipeline(CountVectorizer(binary=True), _regression()), 0.75),
        ("final punctuation only", make_pipeline(_feature(_ending), DictVectorizer(), _regression()), 0.55),
        ("length only", make_pipeline(_feature(_length), StandardScaler(), _regression()), 0.55),
    )
    for name, model, limit in models:
        yield line(f"task: {name}", accuracy(model, train, test), "<=", limit)


def accuracy(model: Pipeline, train: Sequence[Prompt], test: Sequence[Prompt]) -> Measured:
    """Share of right labels on `test` after fitting on `train`."""
    model.fit([prompt.text for prompt in train], [prompt.label for prompt in train])
    predicted = model.predict([prompt.text for prompt in test])
    return share([bool(label == prompt.label) for label, prompt in zip(predicted, test, strict=True)])


def _regression() -> LogisticRegression:
    return LogisticRegression(max_iter=2000)


def _feature(of: Callable[[Sequence[str]], Any]) -> FunctionTransformer:
    return FunctionTransformer(of)


def _ending(texts: Sequence[str]) -> list[dict[str, str]]:
    return [{"mark": final_punctuation(text)} for text in texts]


def _length(texts: Sequence[str]) -> list[list[int]]:
    return [[len(text), len(text.split())] for text in texts]
