"""Messages to token ids and named positions, proved by structure.

    t_inst       last token of the last user turn's content, outer white space apart
    t_post_inst  last token of the templated prompt, generation prompt included
    t_content    last token of the last message that is not the assistant's

The model's own template is rendered, each content's characters are found by what surrounds them
(`spans.py`), the whole text is tokenised once without added special tokens (`encoder.py`), contents are
kept free of control tokens (`control.py`), and the token found by character offsets must be the one with
which the decoded prompt first covers the content. What cannot be shown is a named error, never a guess.
Nothing is ever cut to length.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from latentguard._text import inert
from latentguard.errors import PositionNotProved, PromptTooLong
from latentguard.lm.chat.control import ControlTokens
from latentguard.lm.chat.encoder import Encoded, Encoder
from latentguard.lm.chat.messages import Conversation, Message, as_messages, not_nested_too_deeply
from latentguard.lm.chat.rendered import Passage, Rendered
from latentguard.lm.chat.spans import Insertion, Placement, Placements
from latentguard.lm.chat.template_text import TemplateText


class ChatTemplate:
    """A tokenizer and its chat template: renders conversations and proves where their positions are.

    name: what messages call the model; by default the tokenizer's, without the folders that it lies in.
    max_tokens: the model's context; a longer prompt is refused, never cut. None for no limit.
    thinking: sets the template's own switch (Qwen3's `enable_thinking`); None leaves its default.
    options: other variables of the template, such as `reasoning_effort`. Tools belong to a conversation:
    one of its messages declares them, `{"role": ..., "content": ..., "tools": [...]}`.
    date: what a template that writes the date is told it is (ISO, "2026-01-31"); None for today, and it stays
    that of the day on which this object was made.

    Raises `TemplateError` where there is no chat template, `ModelNotSupported` where there are no offsets.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str | None = None,
        max_tokens: int | None = None,
        thinking: bool | None = None,
        options: Mapping[str, object] | None = None,
        date: str | None = None,
    ) -> None:
        self._made_with: dict[str, Any] = {
            "name": name,
            "max_tokens": max_tokens,
            "thinking": thinking,
            "options": options,
        }
        self._tokenizer = tokenizer
        today = datetime.date.today() if date is None else datetime.date.fromisoformat(date)
        self._template = TemplateText(tokenizer, name=name, thinking=thinking, options=options, today=today)
        self._placements = Placements(self._template)
        self._encoder = Encoder(tokenizer, name)
        self._control = ControlTokens(self._encoder, self._template.source)
        self._max_tokens = max_tokens

    @property
    def template_hash(self) -> str:
        """SHA-256 of the template's source, in hex."""
        return self._template.sha256

    @property
    def tokenizer_hash(self) -> str:
        """SHA-256 of everything that decides token ids, in hex; the same after saving and loading."""
        return self._encoder.sha256

    @property
    def date(self) -> str | None:
        """The date that the template writes (ISO); None where it writes none."""
        return self._template.date

    def dated(self, date: str | None) -> "ChatTemplate":
        """This template under another date; itself where it writes none, or has that date already."""
        if date is None or self.date in (None, date):
            return self
        return ChatTemplate(self._tokenizer, **self._made_with, date=date)

    @property
    def max_tokens(self) -> int | None:
        """The model's context, if it has a limit."""
        return self._max_tokens

    @property
    def control_ids(self) -> frozenset[int]:
        """The tokens that steer the conversation: no text becomes one of them (see `control.py`)."""
        return frozenset(self._control.texts)

    def render(self, conversation: Conversation, *, context: str | None = None) -> Rendered:
        """`conversation` as the model reads it, with its positions proved.

        A conversation that ends with the assistant is left open at the end of what it has said so far.
        context: how the last user turn's content begins; `context_end` is then the first token that
        holds any character after it.

        Raises `TemplateError` where the template refuses the messages, `PromptTooLong`, and
        `PositionNotProved`: no user turn, a blank one, content that the template alters, control strings
        that this tokenizer cannot take as text, a context that is no prefix or that ends in what was trimmed.
        """
        messages, user, content, placement, encoded, made_inert = self._prepared(conversation)
        first, stop = self._tokens_of(placement.of(user), encoded, placement)
        _, content_stop = self._tokens_of(placement.of(content), encoded, placement)
        whole = messages[user].content
        inserted = placement.of(user)
        return Rendered(
            text=placement.text,
            ids=encoded.ids,
            content=(first, stop),
            t_inst=stop - 1,
            t_post_inst=len(encoded.ids) - 1,
            t_content=content_stop - 1,
            boundary="merged" if encoded.offsets[stop - 1][1] > inserted.stop else "clean",
            inserted="verbatim" if inserted.stop - inserted.start == len(whole) else "trimmed",
            inert=made_inert,
            context_end=None
            if context is None
            else encoded.first_after(_end_of_context(context, whole, inserted)),
        )

    def passages(self, conversation: Conversation, *, every: int | None = None) -> tuple[Passage, ...]:
        """What each message contributed to the rendered prompt, in the order of the text: its tokens, whole
        or in pieces of at most `every` tokens.

        The last user turn, and the last that is not the assistant's, are always among them; a message of
        which the template leaves nothing, or of which no region can be given, is not. Raises as `render`.
        """
        if every is not None and every < 1:
            raise ValueError("a piece of a message has at least one token")
        messages, _, _, placement, encoded, _ = self._prepared(conversation)
        found: list[Passage] = []
        for insertion in placement.insertions:
            if insertion.core_start == insertion.core_stop:
                continue
            first, stop = self._tokens_of(insertion, encoded, placement)
            for start in range(first, stop, every or stop - first):
                end = min(start + (every or stop - first), stop)
                characters = slice(
                    max(encoded.offsets[start][0], insertion.core_start),
                    min(encoded.offsets[end - 1][1], insertion.core_stop),
                )
                role = messages[insertion.message].role
                found.append(Passage(insertion.message, role, start, end, placement.text[characters]))
        return tuple(found)

    def _prepared(
        self, conversation: Conversation
    ) -> tuple[tuple[Message, ...], int, int, Placement, Encoded, bool]:
        """The messages; the last user's number and that of the last that is not the assistant's; where all
        contents stand in the rendered text; its tokens; and whether control strings were made inert."""
        messages = as_messages(conversation)
        user = self._last_turn(messages, lambda role: role == "user", "the user")
        content = self._last_turn(messages, lambda role: role != "assistant", "anyone but the assistant")
        with not_nested_too_deeply():
            placement = self._placed(messages, user, content)
            encoded, made_inert = self._encoded(placement, messages)
        return messages, user, content, placement, encoded, made_inert

    def _last_turn(self, messages: Sequence[Message], is_wanted: Callable[[str], bool], whose: str) -> int:
        numbers = [number for number, message in enumerate(messages) if is_wanted(message.role)]
        if not numbers:
            roles = ", ".join(message.role for message in messages)
            raise PositionNotProved(
                f"a conversation has no turn of {whose}, so no token ends its instruction.\n"
                f"  roles: {inert(roles, limit=200)}\n"
                "  Give at least one user message."
            )
        last = messages[numbers[-1]]
        if not last.content.strip():
            raise PositionNotProved(
                f"the last turn of {whose} is blank, so no token ends its instruction.\n"
                f"  content: {last.content!r}\n"
                "  Leave the prompt out, or give it words."
            )
        return numbers[-1]

    def _placed(self, messages: Sequence[Message], user: int, content: int) -> Placement:
        self._check_extras(messages)
        placement = self._placements.place(messages, {user, content})
        if messages[-1].role == "assistant":
            last = [found for found in placement.insertions if found.message == len(messages) - 1]
            if len(last) != 1 or max(placement.of(user).stop, placement.of(content).stop) > last[0].start:
                raise self._not_proved(
                    "the template rewrites or moves the assistant's last turn, so it cannot be continued",
                    placement.text,
                )
            placement = placement.cut(last[0].stop)
        strangers = [
            number for number in placement.unplaced if self._control.occurs_in(messages[number].content)
        ]
        if strangers:
            raise self._not_proved(
                f"message {strangers[0] + 1} holds control strings, and the template rewrites that message",
                placement.text,
            )
        return placement

    def _check_extras(self, messages: Sequence[Message]) -> None:
        """The template writes tools, calls and names: nothing keeps these apart from its own markers."""
        for number, message in enumerate(messages, start=1):
            held = next((text for text in message.extra_texts() if self._control.occurs_in(text)), None)
            if held is not None:
                raise self._not_proved(
                    f"a tool, call or name of message {number} holds control strings", held
                )
        if messages[-1].role == "assistant" and messages[-1].calls_tools:
            raise self._not_proved(
                "it ends in a tool call of the assistant, after which the tool speaks and not the model",
                messages[-1].content,
            )

    def _encoded(self, placement: Placement, messages: Sequence[Message]) -> tuple[Encoded, bool]:
        encoded = self._encoder.encode(placement.text)
        made_inert = bool(self._control.intruders(encoded, placement.insertions, messages))
        if made_inert:
            encoded = self._control.encode_inert(placement.text, placement.insertions, messages)
        if self._max_tokens is not None and len(encoded.ids) > self._max_tokens:
            raise PromptTooLong(
                f"a prompt has {len(encoded.ids)} tokens, and {inert(self._template.name)!r} "
                f"reads {self._max_tokens}.\n"
                f"  prompt: {inert(placement.text, limit=200)!r}\n"
                "  Shorten it yourself: a prompt cut here would end somewhere else than you think."
            )
        if not self._encoder.reads_back(encoded.ids, placement.text):
            raise self._not_proved("its tokens do not decode to the rendered text", placement.text)
        return encoded, made_inert

    def _tokens_of(self, insertion: Insertion, encoded: Encoded, placement: Placement) -> tuple[int, int]:
        covering = encoded.covering(insertion.core_start, insertion.core_stop)
        if covering is None:
            raise self._not_proved("no token stands for the content's characters", placement.text)
        if not self._encoder.ends_at(encoded, covering[1] - 1, placement.text, insertion.core_stop):
            raise self._not_proved(
                f"token {covering[1] - 1}, where the content should end, does not complete it when decoded",
                placement.text,
            )
        return covering

    def _not_proved(self, why: str, text: str) -> PositionNotProved:
        return PositionNotProved(
            f"a position could not be proved with the template of {inert(self._template.name)!r}: {why}.\n"
            f"  rendered: {inert(text, limit=600)!r}\n"
            "  Change the prompt, or report this with `latentguard doctor`."
        )


def _end_of_context(context: str, content: str, inserted: Insertion) -> int:
    """The character of the rendered text after which the context has ended."""
    if not content.startswith(context):
        raise PositionNotProved(
            "the context is not how the last user turn's content begins.\n"
            f"  context: {inert(context, limit=200)!r}\n"
            f"  content: {inert(content, limit=200)!r}\n"
            "  Give the words before the question exactly as they stand in the content."
        )
    lead = inserted.lead or 0
    end = inserted.start + len(context) - lead
    if context and not inserted.start < end <= inserted.stop:
        raise PositionNotProved(
            "the context ends in white space that the template trims.\n"
            f"  context: {inert(context, limit=200)!r}\n"
            "  Leave the outer white space of the content out."
        )
    return max(end, inserted.start)
