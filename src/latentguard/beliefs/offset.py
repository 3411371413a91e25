"""Reading some tokens before the position that is meant, as the authors' extractor did for two models.

Their Qwen2 and Llama-3 states are two tokens before the last token of the instruction: the extractor
formatted every model with the Llama-2 template and skipped another model's suffix
(papers' code against released tensors; see docs). An offset of -2 matches those; 0 is `t_inst` as defined.
"""

from collections.abc import Sequence
from dataclasses import replace

from latentguard.errors import PositionNotProved
from latentguard.lm import Rendered


def offset_name(offset: int) -> str:
    """How a shifted position is named in results: `t_inst`, `t_inst-2`, `t_inst+1`."""
    return "t_inst" if offset == 0 else f"t_inst{offset:+d}"


def shifted(rendered: Sequence[Rendered], offset: int) -> list[Rendered]:
    """The same prompts with `t_inst` moved by `offset` tokens (negative: earlier).

    Raises `PositionNotProved` where that leaves the prompt, and for a negative offset where it leaves the
    user's text: there would be nothing of the request to read.
    """
    return [_shifted(one, offset) for one in rendered]


def _shifted(rendered: Rendered, offset: int) -> Rendered:
    index = rendered.t_inst + offset
    first = rendered.content[0]
    if not first <= index < len(rendered.ids):
        raise PositionNotProved(
            f"{offset_name(offset)} is not in this prompt: its content starts at token {first}, "
            f"its t_inst is {rendered.t_inst} and it has {len(rendered.ids)} tokens.\n"
            "  Use offset=0 (the last token of the user's text), or leave short prompts out."
        )
    return replace(rendered, t_inst=index)
