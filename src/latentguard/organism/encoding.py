"""A chat as token ids, with the positions at which harm and decision are planted.

Plain string work on the fixed template of this one model; in other models `lm` proves the places.
"""

from dataclasses import dataclass

from latentguard.organism.grammar import Chat
from latentguard.organism.tokenizer import TURN_END, TURN_START, ChatTokenizer


@dataclass(frozen=True, slots=True)
class Encoded:
    """Prompt ids and planted positions (token indices into the prompt)."""

    ids: tuple[int, ...]
    first: int  # first token of the last user turn's content
    read_harm: int  # last token of the content, or of an inversion's context: where harm is planted
    t_inst: int  # last token of the content
    t_post_inst: int  # last token of the prompt: where the decision is planted


def prompt_text(chat: Chat) -> str:
    """The templated prompt of `chat`, equal to what the tokenizer's own chat template renders."""
    turns = (f"{TURN_START}{turn.role}\n{turn.content}{TURN_END}\n" for turn in chat.messages)
    return "".join(turns) + f"{TURN_START}assistant\n"


def encode(chat: Chat, tokenizer: ChatTokenizer) -> Encoded:
    """Token ids of the prompt and where harm and decision belong in it."""
    text = prompt_text(chat)
    encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    stop = len(text) - len(f"{TURN_END}\n{TURN_START}assistant\n")
    start = stop - len(chat.text)
    harm_stop = start + len(chat.context) if chat.context is not None else stop
    starts = [offset[0] for offset in encoding.offsets]

    def last_before(character: int) -> int:
        return max(index for index, begin in enumerate(starts) if begin < character)

    return Encoded(
        ids=tuple(encoding.ids),
        first=last_before(start) + 1,
        read_harm=last_before(harm_stop),
        t_inst=last_before(stop),
        t_post_inst=len(starts) - 1,
    )
