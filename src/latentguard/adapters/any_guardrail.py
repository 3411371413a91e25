"""any-guardrail (Mozilla): the guard as one of its guardrails.

    LatentGuard(guard).validate("...")      # GuardrailOutput(valid=..., score=P(harmful), categories=...)

`AnyGuardrail.create` builds only what its closed list of names holds (0.7), and has no way to add one: this
class is made directly, and stands wherever a `Guardrail` is taken.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast

from latentguard.adapters.checked import Checked
from latentguard.adapters.needed import needed
from latentguard.adapters.source import Guarding, checker_of
from latentguard.adapters.turns import conversation
from latentguard.lm import Conversation

with needed("any_guardrail"):
    from any_guardrail import (
        BackendType,
        CategoryResult,
        GuardrailCategory,
        GuardrailInferenceOutput,
        GuardrailMetadata,
        GuardrailOutput,
        GuardrailPreprocessOutput,
        GuardrailStage,
        OutputShape,
        ThreeStageGuardrail,
    )

LIKELY: Final = 0.5
"""Probability from which a flagged conversation is said to be of a category."""
Messages = list[dict[str, Any]]


class LatentGuard(ThreeStageGuardrail[list[Any], list[Checked]]):
    """Flags what the model under guard itself believes to be harmful, by its hidden states."""

    METADATA: ClassVar[GuardrailMetadata] = GuardrailMetadata(
        description="Flags what the model under guard itself believes to be harmful, by its hidden states.",
        display_name="Latent Guard",
        categories=frozenset({GuardrailCategory.CONTENT_SAFETY}),
        primary_category=GuardrailCategory.CONTENT_SAFETY,
        stages=frozenset({GuardrailStage.INPUT}),
        output_shapes=frozenset({OutputShape.BINARY, OutputShape.SCORE, OutputShape.MULTI_LABEL}),
        backend=BackendType.LOCAL_DECODER,
        alternate_backends=frozenset({BackendType.HOSTED_API}),
        supports_batch=True,
        vendor="latentguard",
        default_license="Apache-2.0",
    )

    def __init__(self, guard: Guarding, *, api_key: str | None = None) -> None:
        """`guard` and `api_key` as `checker_of` takes them."""
        self._checker = checker_of(guard, api_key=api_key)
        self.model_id = self._checker.name

    def validate(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_text: str | list[str] | Messages
    ) -> GuardrailOutput | list[GuardrailOutput]:
        """A text or one conversation (`{"role": ..., "content": ...}` a turn): one output; texts: one each.

        `valid` is the guard's own decision, `score` its P(harmful). What cannot be judged is not valid, and
        `explanation` says why.
        """
        if isinstance(input_text, list) and not any(isinstance(one, Mapping) for one in input_text):
            return super().validate(cast("list[str]", input_text))
        return self._execute(input_text)

    def _pre_processing(self, given: str | Messages) -> GuardrailPreprocessOutput[list[Any]]:
        return GuardrailPreprocessOutput(data=[given if isinstance(given, str) else conversation(given)])

    def _inference(
        self, model_inputs: GuardrailPreprocessOutput[list[Any]]
    ) -> GuardrailInferenceOutput[list[Checked]]:
        return GuardrailInferenceOutput(
            data=self._checker.check(cast("list[Conversation]", model_inputs.data))
        )

    def _post_processing(self, model_outputs: GuardrailInferenceOutput[list[Checked]]) -> GuardrailOutput:
        return _output(model_outputs.data[0])

    def _validate_batch(self, input_texts: list[str], **kwargs: Any) -> list[GuardrailOutput]:
        return [_output(one) for one in self._checker.check(input_texts)]


def _output(checked: Checked) -> GuardrailOutput:
    return GuardrailOutput(
        valid=not checked.flagged,
        explanation=checked.unjudged,
        score=checked.probability,
        categories=[
            CategoryResult(name=name, triggered=checked.flagged and score >= LIKELY, score=score)
            for name, score in checked.categories.items()
        ],
        action="block" if checked.flagged else None,
        extra={"harmfulness": checked.harmfulness, "refusal": checked.refusal, "verdict": checked.cell},
        raw=checked,
    )
