"""A request's body, read whole: within its size, within its time, and as the JSON that is asked for."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect, Request

from latentguard.serve.errors import CLIENT_LEFT, ApiError
from latentguard.serve.settings import Settings

READ_ASIDE = 1 << 14
"""Bytes from which a body is parsed in a thread, beside the event loop."""
SHOWN = 200
"""Characters of a field's path that an error repeats."""
_CLOSES = {"Connection": "close"}

Asked = TypeVar("Asked", bound=BaseModel)


async def read_as(request: Request, kind: type[Asked], settings: Settings) -> Asked:
    """The body as `kind`. Raises `ApiError`: 408, 413, 415 or 400 with the field that is wrong."""
    said = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if said and said != "application/json" and not said.endswith("+json"):
        raise ApiError(415, f"The body is {said[:80]!r}; send application/json.", headers=_CLOSES)
    raw = await _whole(request, settings)
    if len(raw) < READ_ASIDE:
        return _parsed(kind, raw)
    return await asyncio.to_thread(_parsed, kind, raw)


def _parsed(kind: type[Asked], raw: bytes) -> Asked:
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False, include_context=False)) from None


async def _whole(request: Request, settings: Settings) -> bytes:
    most = settings.max_body_bytes
    too_large = ApiError(
        413, f"The body has more than {most:,} bytes.", code="request_too_large", headers=_CLOSES
    )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise ApiError(
            408, f"The body had not come after {settings.body_timeout_s:g} s.", headers=_CLOSES
        ) from None
    except ClientDisconnect:
        raise ApiError(CLIENT_LEFT, "The client left before its body had come.") from None
    return b"".join(parts)


def _invalid(errors: Sequence[ErrorDetails]) -> ApiError:
    """Of a field that may be several things, what is wrong with the thing that it is."""
    error = next((one for one in errors if not one["type"].endswith("_type")), errors[0])
    if error["type"] == "json_invalid":
        return ApiError(400, f"The body is no JSON: {error['msg'].removeprefix('Invalid JSON: ')}.")
    path = ".".join(str(part) for part in error["loc"] if not _is_branch(part))[:SHOWN]
    said = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        said = "unrecognised argument"
    return ApiError(400, f"{path or 'the body'}: {said}.", param=path or None)


def _is_branch(part: int | str) -> bool:
    """Of a union, which pydantic names in the place of an error: `list[str]`, `function-after[...]`."""
    return isinstance(part, str) and any(mark in part for mark in "[(")
