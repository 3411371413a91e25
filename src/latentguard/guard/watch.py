"""A guard beside a run of transformers' own `generate`: verdicts on its prompts, and what ends its rows."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from latentguard.guard.verdict import Verdict, Verdicts
from latentguard.lm import EndsRows, Followed, LanguageModel, States


@dataclass(slots=True, eq=False)
class Watch:
    """One call of `generate` that is watched. Made by `Guard.watching`."""

    _model: LanguageModel
    _followed: Followed
    _judge: Callable[[States], list[Verdict]]
    _texts: list[str]
    _verdicts: Verdicts | None = field(default=None, init=False)

    @property
    def inputs(self) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` of the watched prompts, padded on the left, on the model's
        device."""
        return self._followed.inputs(self._model.pad, self._model.device)

    @property
    def verdicts(self) -> Verdicts:
        """One verdict a prompt, as `Guard.score` gives it, but for the date that a template may write (see
        `Guard.watching`); `RunNotFollowed` before the prefill has ended."""
        if self._verdicts is None:
            self._verdicts = Verdicts(self._judge(self._followed.states), self._texts)
        return self._verdicts

    @property
    def processor(self) -> EndsRows:
        """For `generate(logits_processor=[watch.processor])`: a flagged prompt's rows end at once, with the
        model's own end token."""
        return EndsRows(lambda: [one.flagged for one in self.verdicts], self._model.end)
