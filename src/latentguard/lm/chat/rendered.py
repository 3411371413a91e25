"""One prompt as the model reads it: text, token ids, and where its named positions are."""

from dataclasses import dataclass
from typing import Literal

Position = str | int
"""`t_inst`, `t_post_inst` or `t_content`; or a token's index, -1 the last of the templated prompt."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Tokens [first, stop) of a rendered prompt that hold a message's words, or a piece of them."""

    message: int
    """Number of the message in the conversation, from 0."""
    role: str
    first: int
    stop: int
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """One templated, tokenised, proved prompt. Every index counts tokens of `ids` from 0, without padding."""

    text: str
    """The rendered prompt, generation prompt included."""
    ids: tuple[int, ...]
    content: tuple[int, int]
    """Tokens [first, stop) that hold any character of the last user turn's stripped content."""
    t_inst: int
    """Last token of the last user turn's content, outer white space apart."""
    t_post_inst: int
    """Last token of the prompt."""
    t_content: int
    """Last token of the content of the last message that is not the assistant's."""
    boundary: Literal["clean", "merged"]
    """`merged`: the token at t_inst also holds characters after the content (Llama-2's `.[`)."""
    inserted: Literal["verbatim", "trimmed"]
    """`trimmed`: the template stripped the content's outer white space."""
    inert: bool
    """Some message held control strings, which were tokenised as plain text."""
    context_end: int | None
    """First token that holds a character after the context given to `ChatTemplate.render`, if one was."""

    def index(self, position: Position) -> int:
        """The token index of a position by name (`t_inst`, `t_post_inst`, `t_content`), or of a token counted
        from 0 at the start or from -1 at the end. Raises `ValueError` where there is none."""
        if isinstance(position, int):
            found = position + len(self.ids) if position < 0 else position
            if not 0 <= found < len(self.ids):
                raise ValueError(f"token {position} does not exist in a prompt of {len(self.ids)} tokens")
            return found
        if position == "t_inst":
            return self.t_inst
        if position == "t_post_inst":
            return self.t_post_inst
        if position == "t_content":
            return self.t_content
        raise ValueError(f"unknown position {position!r}: choose t_inst, t_post_inst or t_content")
