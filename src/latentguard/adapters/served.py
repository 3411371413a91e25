"""A guard behind `latentguard serve`, asked through OpenAI's own client: any key may ask for moderations.

Texts go in lists, conversations one a request, so that each is read with its roles. Beliefs come only where
the key has the scope `internals`.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from latentguard._text import inert
from latentguard.adapters.checked import Checked
from latentguard.adapters.needed import needed
from latentguard.errors import BadData, ModelNotFound
from latentguard.lm import Conversation, as_messages

TEXTS_AT_ONCE: Final = 64
KEY_VARIABLE: Final = "LATENTGUARD_API_KEY"
HARMFUL: Final = "harmful"
"""The category under which the server tells the guard's own probability."""
CANNOT_BE_JUDGED: Final = (400, 413, 422)
"""What the server answers to a conversation that it cannot read."""


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A guard that a server holds."""

    url: str
    model: str
    _client: Any = field(repr=False)

    @classmethod
    def of(
        cls,
        url: str,
        *,
        api_key: str | None = None,
        model: str = "omni-moderation-latest",
        timeout_s: float = 60,
    ) -> "Served":
        """The server at `url`, with or without its /v1.

        The key is `api_key` or the variable LATENTGUARD_API_KEY, never that of another service. `model`: a
        name that the server answers under. Raises `ModelNotFound` for what is no address.
        """
        with needed("openai"):
            from openai import OpenAI, OpenAIError
        base = url.rstrip("/")
        base = base if base.endswith("/v1") else f"{base}/v1"
        key = api_key or os.environ.get(KEY_VARIABLE) or "none"
        try:
            client = OpenAI(base_url=base, api_key=key, organization="", project="", timeout=timeout_s)
        except (OpenAIError, ValueError, TypeError) as error:
            raise ModelNotFound(f"{inert(url)}: {inert(str(error))}") from error
        return cls(base, model, client)

    @property
    def name(self) -> str:
        """Where the server is."""
        return self.url

    def check(self, conversations: Sequence[Conversation]) -> list[Checked]:
        """One each, in order. Blocks; an event loop calls it in a thread.

        Raises `ModelNotFound` where the server does not answer, knows no such key or model, or has no room
        after the client's own retries, and `BadData` where the answer is no guard's.
        """
        found: dict[int, Checked] = {}
        texts: list[tuple[int, str]] = []
        for number, one in enumerate(conversations):
            try:
                messages = [turn.for_template() for turn in as_messages(one)]
            except BadData as error:
                found[number] = Checked.not_judged(str(error))
                continue
            if (
                len(messages) == 1
                and set(messages[0]) == {"role", "content"}
                and messages[0]["role"] == "user"
            ):
                texts.append((number, messages[0]["content"]))
            else:
                found[number] = self._asked({"messages": messages}, 1)[0]
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            part = texts[first : first + TEXTS_AT_ONCE]
            checked = self._texts([text for _, text in part])
            found |= {number: one for (number, _), one in zip(part, checked, strict=True)}
        return [found[number] for number in range(len(conversations))]

    def _texts(self, texts: list[str]) -> list[Checked]:
        """One each; where the server cannot read one of them, it is asked for each by itself."""
        found = self._asked({"input": texts}, len(texts))
        if len(texts) > 1 and any(one.unjudged is not None for one in found):
            return [self._asked({"input": [text]}, 1)[0] for text in texts]
        return found

    def _asked(self, asked: dict[str, Any], n: int) -> list[Checked]:
        from openai import APIStatusError, OpenAIError

        try:
            answer = self._client.post("/moderations", cast_to=object, body={"model": self.model, **asked})
        except APIStatusError as error:
            if error.status_code in CANNOT_BE_JUDGED:
                return [Checked.not_judged(_told(error.body) or str(error))] * n
            raise self._silent(error) from error
        except OpenAIError as error:
            raise self._silent(error) from error
        try:
            found = [_checked(one) for one in answer["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise BadData(
                f"{inert(self.url)} answered, but not as latentguard serve does ({type(error).__name__}).\n"
                "  Give the address that it prints when it starts."
            ) from error
        if len(found) != n:
            raise BadData(f"{inert(self.url)} answered {len(found)} of {n} prompts.")
        return found

    def _silent(self, error: Exception) -> ModelNotFound:
        why = inert(str(error), limit=200)
        return ModelNotFound(f"the guard at {inert(self.url)} did not answer: {why}")


def _told(body: object) -> str | None:
    return body.get("message") if isinstance(body, dict) else None


def _checked(result: dict[str, Any]) -> Checked:
    scores = result["category_scores"]
    read = result.get("internals") or {}
    return Checked(
        flagged=bool(result["flagged"]),
        probability=float(scores[HARMFUL]),
        harmfulness=read.get("harmfulness"),
        refusal=read.get("refusal"),
        cell=read.get("verdict"),
        categories={name: one for name, one in scores.items() if one is not None and name != HARMFUL},
        unjudged=read.get("unproved"),
    )
