"""The server's description of itself: /openapi.json says what is read and every error that may come."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from latentguard.serve.errors import SCHEMA

_WHY = {
    400: "What is wrong with the request, and in which field.",
    401: "No key, or one that is not known.",
    403: "The key lacks a scope; or there are no keys, and the request comes from elsewhere.",
    404: "No such model.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "As much waits as may wait: try again after Retry-After.",
    500: "A bug here.",
    503: "Starting or draining.",
    504: "No answer in time.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": why,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for status, why in _WHY.items()
}
"""Of every route under /v1."""
_REQUESTS: dict[str, type[BaseModel]] = {}


def documented(kind: type[BaseModel]) -> dict[str, Any]:
    """The request body of a route that reads its own (see `body.read_as`)."""
    _REQUESTS[kind.__name__] = kind
    reference = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}}


def complete(app: FastAPI) -> None:
    """Give `app` an `openapi` that knows those bodies and the shape of errors, and names no other status."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            parts: dict[str, Any] = schema.setdefault("components", {}).setdefault("schemas", {})
            parts["Error"] = SCHEMA
            for name, kind in _REQUESTS.items():
                own = kind.model_json_schema(ref_template="#/components/schemas/{model}")
                parts |= own.pop("$defs", {})
                parts[name] = own
            for unused in ("HTTPValidationError", "ValidationError"):
                parts.pop(unused, None)
            for path in schema["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
