"""POST /v1/moderations: OpenAI's shape, so that its clients work unchanged."""

import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse

from latentguard.lm import Conversation
from latentguard.serve.body import read_as
from latentguard.serve.callers import Caller
from latentguard.serve.categories import said, scores
from latentguard.serve.checking import Unproved, check, judge_of
from latentguard.serve.documented import ERRORS, documented
from latentguard.serve.errors import ApiError
from latentguard.serve.gate import entered
from latentguard.serve.judged import By, Judged
from latentguard.serve.state import State, state_of
from latentguard.serve.turns import Part, Turns, conversation, joined

router = APIRouter()
MODEL = "omni-moderation-latest"
Texts = Annotated[list[str], Field(min_length=1, fail_fast=True)]
Parts = Annotated[list[Part], Field(min_length=1, fail_fast=True)]


class ModerationRequest(BaseModel):
    """What is to be judged: `input`, as OpenAI has it, or one conversation as `messages`."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"oneOf": [{"required": ["input"]}, {"required": ["messages"]}]}
    )

    input: str | Texts | Parts = Field("", description="A text, a list of texts, or the text parts of one.")
    messages: Turns = Field(
        [],
        validate_default=False,
        description="In place of input: a conversation, whose last user turn is judged where it stands.",
    )
    model: str = Field(MODEL, description="A name that this server answers under.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "ModerationRequest":
        if len(self.model_fields_set & {"input", "messages"}) != 1:
            raise ValueError("give input or messages, one of the two")
        return self

    @property
    def param(self) -> str:
        """The field that says what is to be judged."""
        return "messages" if self.messages else "input"

    def conversations(self) -> list[Conversation]:
        """The prompts to judge. Raises `ApiError` for an image."""
        if self.messages:
            return [conversation(self.messages, "messages")]
        if isinstance(self.input, str):
            return [self.input]
        parts = [one for one in self.input if not isinstance(one, str)]
        return [joined(parts, "input")] if parts else [one for one in self.input if isinstance(one, str)]


class Internals(BaseModel):
    """What the guard read, for callers with the scope `internals`."""

    harmfulness: float | None
    refusal: float | None
    score: float | None
    probability: float | None
    verdict: str | None
    slots: tuple[int, ...]
    positions: tuple[str, ...]
    guard_version: str
    transfer: tuple[str, ...]
    unproved: str | None


class ModerationResult(BaseModel):
    """What the guard says of one prompt. A null category is one that it was not fitted on."""

    flagged: bool
    categories: dict[str, bool | None]
    category_scores: dict[str, float | None]
    category_applied_input_types: dict[str, list[Literal["text"]]]
    internals: Internals | None = None


class ModerationResponse(BaseModel):
    """OpenAI's moderation object."""

    id: str
    model: str
    results: list[ModerationResult]


@router.post(
    "/v1/moderations",
    responses=ERRORS,
    response_model=ModerationResponse,
    openapi_extra=documented(ModerationRequest),
)
async def moderations(
    request: Request, state: Annotated[State, Depends(state_of)], caller: Annotated[Caller, Depends(entered)]
) -> JSONResponse:
    """Whether each text is harmful, by what the model itself believes of it."""
    asked = await read_as(request, ModerationRequest, state.settings)
    named = known(state, asked.model)
    conversations = asked.conversations()
    found = await check(state, request, conversations, param=asked.param)
    if state.settings.log_prompts:
        state.log("prompts", caller=caller.name, prompts=conversations)
    return JSONResponse(
        {
            "id": f"modr-{uuid.uuid4().hex}",
            "model": named,
            "results": [result(state, one, internals=caller.may("internals")) for one in found],
        },
        headers=versioned(caller, judge_of(state, found)),
    )


def versioned(caller: Caller, by: By) -> dict[str, str]:
    """The header that names the guard, for callers with the scope `internals`."""
    return {"X-Guard-Version": by.version} if caller.may("internals") else {}


def known(state: State, name: str) -> str:
    """`name`, if this server answers under it. Raises `ApiError` 404."""
    if name not in names(state):
        raise ApiError(
            404,
            f"The model {name[:200]!r} does not exist here. There is {', '.join(names(state))}.",
            code="model_not_found",
            param="model",
        )
    return name


def names(state: State) -> Sequence[str]:
    """What this server answers under: its model's name, and its aliases."""
    engine = state.engine
    return [*(() if engine is None else (engine.guard.model.name,)), *state.settings.aliases]


def result(state: State, found: Judged | Unproved, *, internals: bool) -> dict[str, Any]:
    """One result. A prompt whose position could not be proved is flagged, with the reason."""
    if isinstance(found, Unproved):
        own: dict[str, float] = {}
        probability, flagged = 1.0, True
    else:
        verdict = found.verdict
        own, probability, flagged = verdict.category_scores, verdict.probability, verdict.flagged
    by_category = scores(probability, own)
    made: dict[str, Any] = {
        "flagged": flagged,
        "categories": said(flagged, by_category),
        "category_scores": by_category,
        "category_applied_input_types": {
            name: [] if one is None else ["text"] for name, one in by_category.items()
        },
    }
    return made | {"internals": read(state, found)} if internals else made


def read(state: State, found: Judged | Unproved) -> dict[str, Any]:
    """What the guard read of one prompt."""
    by = judge_of(state, [found])
    known: dict[str, Any] = dict.fromkeys(("harmfulness", "refusal", "score", "probability", "verdict"))
    if isinstance(found, Judged):
        verdict = found.verdict
        known |= {"harmfulness": verdict.harmfulness, "refusal": verdict.refusal, "verdict": verdict.cell}
        known |= {"score": verdict.score, "probability": verdict.probability}
    return known | {
        "slots": list(by.slots),
        "positions": list(by.positions),
        "guard_version": by.version,
        "transfer": list(found.verdict.transfer) if isinstance(found, Judged) else [],
        "unproved": found.reason if isinstance(found, Unproved) else None,
    }
