"""POST /v1/guard/checks: many conversations, and all that the guard reads of each."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from latentguard.lm import Conversation
from latentguard.serve.body import read_as
from latentguard.serve.callers import Caller
from latentguard.serve.checking import check, judge_of
from latentguard.serve.documented import ERRORS, documented
from latentguard.serve.gate import entered
from latentguard.serve.judged import Judged
from latentguard.serve.routes.moderations import Internals, known, read
from latentguard.serve.state import State, state_of
from latentguard.serve.turns import Turns, conversation

router = APIRouter()


class CheckRequest(BaseModel):
    """Texts or conversations, in any mixture."""

    model_config = ConfigDict(extra="forbid")

    prompts: Annotated[list[str | Turns], Field(fail_fast=True)] = Field(
        min_length=1, description="Texts, or conversations as lists of messages."
    )
    model: str | None = None

    def conversations(self) -> list[Conversation]:
        """The prompts, for `LanguageModel.render`."""
        return [
            one if isinstance(one, str) else conversation(one, f"prompts.{number}")
            for number, one in enumerate(self.prompts)
        ]


class CheckResult(Internals):
    """All that the guard says of one prompt."""

    flagged: bool
    category_scores: dict[str, float]


class CheckResponse(BaseModel):
    """One result a prompt, in order."""

    model: str
    guard_version: str
    threshold: float
    results: list[CheckResult]


@router.post(
    "/v1/guard/checks", responses=ERRORS, response_model=CheckResponse, openapi_extra=documented(CheckRequest)
)
async def checks(
    request: Request, state: Annotated[State, Depends(state_of)], caller: Annotated[Caller, Depends(entered)]
) -> JSONResponse:
    """Beliefs, scores and verdict of each prompt, for keys with the scope `internals`."""
    caller.must("internals", "This endpoint")
    asked = await read_as(request, CheckRequest, state.settings)
    engine, _ = state.running()
    if asked.model is not None:
        known(state, asked.model)
    conversations = asked.conversations()
    found = await check(state, request, conversations, param="prompts")
    if state.settings.log_prompts:
        state.log("prompts", caller=caller.name, prompts=conversations)
    by = judge_of(state, found)
    return JSONResponse(
        {
            "model": engine.guard.model.name,
            "guard_version": by.version,
            "threshold": by.threshold,
            "results": [
                read(state, one)
                | {
                    "flagged": one.verdict.flagged if isinstance(one, Judged) else True,
                    "category_scores": one.verdict.category_scores if isinstance(one, Judged) else {},
                }
                for one in found
            ],
        }
    )
