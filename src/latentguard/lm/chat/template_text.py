"""The model's own chat template, messages to text. Knows nothing of tokens or positions.

Some templates write today's date. Here they write one date, given or that of the first day, so that a prompt
does not change overnight, and an artefact can name the date that its numbers were made under.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import jinja2
from transformers import PreTrainedTokenizerBase

from latentguard._text import inert
from latentguard.errors import TemplateError
from latentguard.lm.chat.encoder import name_of
from latentguard.lm.chat.messages import Message

_THINKING_SWITCHES = ("enable_thinking", "thinking")
_CLOCK = "strftime_now"
"""What templates call to learn the date; transformers answers with the computer's clock."""
_DATES = "latentguard_dates"
_STOPPED_CLOCK = (
    f"{{% macro {_CLOCK}(format) %}}{{{{ {_DATES}[format] if format in {_DATES} else "
    f"raise_exception('it builds the format of a date, ' ~ format) }}}}{{% endmacro %}}\n"
)
"""Put before a template's source: the name then means this, and the line's end is trimmed with the block."""


class TemplateText:
    """Renders messages with the template that ships with `tokenizer`; a refusal is a `TemplateError`.

    `options` reach the template as they are (`reasoning_effort="high"`, `add_generation_prompt=False`);
    `thinking` sets the switch that the template reads, whatever it is called there; `today` is the date that
    it writes, at midnight.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str | None = None,
        thinking: bool | None = None,
        options: Mapping[str, object] | None = None,
        today: date,
    ) -> None:
        self._tokenizer = tokenizer
        self.name = name or name_of(tokenizer)
        self.source = _source(tokenizer, self.name)
        self._options: dict[str, Any] = {"add_generation_prompt": True, **(options or {})}
        self.date = today.isoformat() if re.search(rf"\b{_CLOCK}\b", self.source) else None
        self._rendered_source = self.source
        if self.date is not None:
            midnight = datetime.combine(today, time.min)
            self._options[_DATES] = {one: midnight.strftime(one) for one in _formats(self.source)}
            self._rendered_source = _STOPPED_CLOCK + self.source
        if thinking is not None:
            self._options |= dict.fromkeys(self._switches(), thinking)

    @property
    def sha256(self) -> str:
        """Hash of the template's source: two models with the same hash render alike."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    def text(self, messages: Sequence[Message]) -> str:
        """The rendered text. A conversation that ends with the assistant gets no generation prompt.

        Declared tools are handed over both ways: as the variable that most templates read, and on their
        message, where GLM-4's reads them.
        """
        options = dict(self._options)
        if messages[-1].role == "assistant":
            options["add_generation_prompt"] = False
        turns = [message.for_template() for message in messages]
        tools = [tool for message in messages for tool in message.tools]
        if tools:
            options["tools"] = tools
        try:
            rendered = self._tokenizer.apply_chat_template(
                turns, chat_template=self._rendered_source, tokenize=False, **options
            )
        # A template is a program: besides raising on purpose it can fail in any of these ways.
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise self._refused(messages, error) from error
        return str(rendered)

    def _switches(self) -> list[str]:
        switches = [name for name in _THINKING_SWITCHES if re.search(rf"\b{name}\b", self.source)]
        if not switches:
            raise TemplateError(
                f"the chat template of {inert(self.name)!r} has no switch for thinking.\n"
                f"  It reads neither {' nor '.join(_THINKING_SWITCHES)}.\n"
                "  Leave `thinking` unset."
            )
        return switches

    def _refused(self, messages: Sequence[Message], error: Exception) -> TemplateError:
        roles = [message.role for message in messages]
        advice = (
            "Put the system text at the start of the first user message: many templates take no system role."
            if "system" in roles
            else "Give messages in the roles and the order that this model's template expects."
        )
        shown = inert(", ".join(roles), limit=200)
        return TemplateError(
            f"the chat template of {inert(self.name)!r} refused these messages.\n"
            f"  roles   : {shown}\n"
            f"  it said : {inert(str(error), limit=300)}\n"
            f"  {advice}"
        )


def _formats(source: str) -> set[str]:
    """Every text of a template's programs that may be the format of a date."""
    texts = {text[1:-1] for _, kind, text in jinja2.Environment().lex(source) if kind == "string"}
    return {text for text in texts if "%" in text and "{%" not in text}


def _source(tokenizer: PreTrainedTokenizerBase, name: str) -> str:
    try:
        source = tokenizer.get_chat_template()
    except ValueError as error:
        raise TemplateError(
            f"{inert(name)!r} has no chat template.\n"
            f"  transformers says: {inert(str(error), limit=200)}\n"
            "  Use the instruct or chat variant of this model; base models have no turns to read."
        ) from error
    return str(source)
