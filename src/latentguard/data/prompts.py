"""One prompt: a conversation with what is known about it. Everything downstream takes and returns these."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from latentguard.errors import BadData
from latentguard.lm.chat import Conversation, Message, as_messages

Label: TypeAlias = Literal["harmful", "harmless"]
LABELS: tuple[Label, ...] = ("harmful", "harmless")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation whose last user turn is the prompt, and its row in a data set.

    `attack` names the wrapping of a jailbreak, None for a plain request. `base_id` names the prompt or pair
    this one was made from: prompts with one `base_id` are never split apart.
    """

    messages: tuple[Message, ...]
    label: Label | None = None
    category: str | None = None
    attack: str | None = None
    source: str | None = None
    lang: str | None = None
    id: str | None = None
    base_id: str | None = None

    def __post_init__(self) -> None:
        if not any(message.role == "user" for message in self.messages):
            raise BadData(
                "a prompt needs at least one user message.\n"
                f"  roles given: {', '.join(message.role for message in self.messages) or 'none'}"
            )
        if self.label is not None and self.label not in LABELS:
            raise BadData(f"a label is 'harmful' or 'harmless', not {self.label!r}.")

    @classmethod
    def of(
        cls,
        text: Conversation,
        *,
        label: Label | None = None,
        category: str | None = None,
        attack: str | None = None,
        source: str | None = None,
        lang: str | None = None,
        id: str | None = None,
        base_id: str | None = None,
    ) -> "Prompt":
        """The prompt of one user turn, or of a whole conversation."""
        return cls(
            messages=as_messages(text),
            label=label,
            category=category,
            attack=attack,
            source=source,
            lang=lang,
            id=id,
            base_id=base_id,
        )

    @property
    def text(self) -> str:
        """Content of the last user turn."""
        return self.messages[self._last_user_turn()].content

    def with_text(self, text: str) -> "Prompt":
        """The same prompt with the content of its last user turn replaced."""
        last = self._last_user_turn()
        changed = self.messages[last].with_content(text)
        return replace(self, messages=(*self.messages[:last], changed, *self.messages[last + 1 :]))

    def _last_user_turn(self) -> int:
        return max(index for index, message in enumerate(self.messages) if message.role == "user")


def data_hash(prompts: Iterable[Prompt]) -> str:
    """sha256 (hex) of what decides a result: messages, label, category and `base_id` of each prompt.

    Independent of the order of the prompts and of where they were read from.
    """
    digests = sorted(_digest(prompt) for prompt in prompts)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def ordered_hash(prompts: Iterable[Prompt]) -> str:
    """The same of prompts in this order."""
    return hashlib.sha256("\n".join(map(_digest, prompts)).encode()).hexdigest()


def _digest(prompt: Prompt) -> str:
    row = [
        [
            [message.role, message.content, *([message.extra] if message.extra else [])]
            for message in prompt.messages
        ],
        prompt.label,
        prompt.category,
        prompt.base_id,
    ]
    return hashlib.sha256(json.dumps(row).encode()).hexdigest()
