"""What schemathesis is taught about this server: which refusals of valid requests are meant."""

import schemathesis

MEANT = {
    "assistant_prefill",
    "context_length_exceeded",
    "control_token_bias",
    "image_not_supported",
    "last_turn_not_user",
    "missing_scope",
    "model_not_found",
    "position_not_proved",
    "rate_limit_exceeded",
    "too_many_messages",
    "too_many_prompts",
    "unreadable_prompt",
    "unsupported_parameter",
}


@schemathesis.check
def a_valid_request_is_refused_for_what_no_schema_says(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Its error has a code that says why."""
    valid = case.meta is not None and case.meta.generation.mode.is_positive
    if valid and response.status_code in (400, 403, 404, 429):
        code = response.json()["error"]["code"]
        assert code in MEANT or (response.status_code == 404 and code == "not_found"), response.text


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: object) -> object:
    """Most requests name a model that is there, and half of the sound conversations are ones that templates
    take; what is broken stays broken."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("model"), str) and len(body["model"]) % 8:
        body = body | {"model": "organism"}
    turns = body.get("messages")
    if isinstance(turns, list) and turns and all(map(_is_sound, turns)) and len(str(turns)) % 2:
        body = body | {"messages": [{"role": "user", "content": turns[0]["content"].strip() or "hello"}]}
    return body


def _is_sound(turn: object) -> bool:
    roles = ("system", "developer", "user", "assistant", "tool")
    return isinstance(turn, dict) and turn.get("role") in roles and isinstance(turn.get("content"), str)
