"""Everything that is answered with an error, in the shape that OpenAI's clients read."""

import math
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    500: "server_error",
    503: "service_unavailable",
    504: "timeout_error",
}
CLIENT_LEFT = 499
"""For the log alone: nobody is there to read it."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


class ApiError(Exception):
    """What a request is answered with in place of a result."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """OpenAI's error object."""
        kind = KINDS.get(self.status, "invalid_request_error")
        return {
            "error": {"message": self.message, "type": kind, "param": self.param, "code": self.code},
        }

    def response(self) -> JSONResponse:
        """The whole answer."""
        return JSONResponse(self.body, status_code=self.status, headers=self.headers)


def too_many(after: float) -> ApiError:
    """429 at once; `after`: seconds until there should be room."""
    return ApiError(
        429,
        "As much waits here as may wait. Try again after the time in Retry-After.",
        code="rate_limit_exceeded",
        headers={"Retry-After": str(max(1, math.ceil(after)))},
    )


def too_late(what: str) -> ApiError:
    """504: `what` did not come in the time that it had."""
    return ApiError(504, what, code="timeout", headers={"Retry-After": "1"})


def unavailable(why: str) -> ApiError:
    """503: the server is starting or draining."""
    return ApiError(
        503, f"This server is {why}.", code=why, headers={"Retry-After": "1", "Connection": "close"}
    )
