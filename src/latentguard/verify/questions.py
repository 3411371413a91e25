"""Questions of reply inversion: what the unedited model answers, and what an edit turns."""

from dataclasses import dataclass

from latentguard.data import Prompt
from latentguard.lm import AddDirection, LanguageModel, Rendered
from latentguard.verify.classes import TESTED
from latentguard.verify.steering import AFFIRMATION, DENIAL, answered, rendered


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions of one truth, and whether the unedited model answers each truly."""

    questions: list[Rendered]
    truly: list[bool]

    @classmethod
    def of(cls, model: LanguageModel, prompts: list[Prompt], truth: str) -> "Asked":
        """Ask every prompt of one class, whose true answer is `truth`."""
        questions = rendered(model, prompts)
        return cls(questions, answered(model, questions, truth))

    def turnable(self) -> list[Rendered]:
        """The first 200 of those answered truly: no edit can turn the others."""
        return [one for one, right in zip(self.questions, self.truly, strict=True) if right][:TESTED]


@dataclass(frozen=True, slots=True)
class Inversions:
    """One part of the inversion prompts of both truths, as the unedited model answers them."""

    harmful: Asked
    harmless: Asked

    @classmethod
    def of(cls, model: LanguageModel, harmful: list[Prompt], harmless: list[Prompt]) -> "Inversions":
        """Ask both classes."""
        return cls(Asked.of(model, harmful, AFFIRMATION), Asked.of(model, harmless, DENIAL))

    def turnable(self) -> "Turnable":
        """The questions of both truths that are answered truly, at most 200 of each."""
        return Turnable(self.harmful.turnable(), self.harmless.turnable())


@dataclass(frozen=True, slots=True)
class Turnable:
    """Questions that the unedited model answers truly: "Certainly" to `harmful`, "No" to `harmless`."""

    harmful: list[Rendered]
    harmless: list[Rendered]

    def turned_up(self, model: LanguageModel, edit: AddDirection) -> list[bool]:
        """Whether each harmless question is answered "Certainly" under `edit`."""
        return answered(model, self.harmless, AFFIRMATION, edit)

    def turned_down(self, model: LanguageModel, edit: AddDirection) -> list[bool]:
        """Whether each harmful question is answered "No" under `edit`."""
        return answered(model, self.harmful, DENIAL, edit)

    def __len__(self) -> int:
        return len(self.harmful) + len(self.harmless)
