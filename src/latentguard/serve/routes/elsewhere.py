"""POST /v1/chat/completions of a sidecar: it has no blocks to answer with, and says where answers are made.

The route is none of /openapi.json's: it is there for clients that were pointed at the wrong server.
"""

from typing import Annotated, NoReturn

from fastapi import APIRouter, Depends

from latentguard.serve.callers import Caller
from latentguard.serve.errors import ApiError
from latentguard.serve.gate import entered

router = APIRouter()


@router.post("/v1/chat/completions", include_in_schema=False, response_model=None)
async def chat_completions(_: Annotated[Caller, Depends(entered)]) -> NoReturn:
    """Raises `ApiError` 400, which OpenAI's clients do not try again."""
    raise ApiError(
        400,
        "This server has only the part of the model that its guard reads: it judges, and answers nothing. "
        "Send chats to the engine that serves the model.",
        code="not_served_here",
    )
