"""What do the tokens behind the instruction decide? The same prompts with them, and cut off before them.

Without its post-instruction tokens a model refuses less (Zhao et al. 2025, AdvBench: Llama-2 100.0 to 85.3 %,
Llama-3 96.0 to 58.9 %, Qwen2 98.0 to 81.3 %): part of a refusal is made of the template alone.
"""

from collections.abc import Sequence
from dataclasses import replace

from latentguard._progress import Progress, silent
from latentguard.causal.records import Ablation
from latentguard.data import Prompt
from latentguard.errors import PositionNotProved, TooFewPrompts
from latentguard.judge import judge
from latentguard.lm import LanguageModel, Rendered
from latentguard.statistics import wilson

REPLY_TOKENS = 16


def without_post_instruction(prompt: Rendered) -> Rendered:
    """The prompt up to the last token of the instruction, which the reply then begins behind.

    Raises `PositionNotProved` where that token holds characters of the template, too.
    """
    if prompt.boundary != "clean":
        raise PositionNotProved("the token that ends this instruction holds characters of the template, too.")
    return replace(
        prompt,
        text="",
        ids=prompt.ids[: prompt.t_inst + 1],
        t_post_inst=prompt.t_inst,
        t_content=prompt.t_inst,
    )


def template_ablation(
    model: LanguageModel, prompts: Sequence[Prompt], *, progress: Progress = silent
) -> Ablation:
    """Refusals of `prompts` with and without the post-instruction tokens; replies are judged and dropped.

    Prompts whose last token is shared with the template are left out; raises `TooFewPrompts` where none is
    left.
    """
    rendered = [model.render(one.messages) for one in prompts]
    whole = [one for one in rendered if one.boundary == "clean"]
    if not whole:
        raise TooFewPrompts(
            f"each of {len(rendered)} instructions ends in a token that holds a part of the template, too."
        )
    cut = [without_post_instruction(one) for one in whole]
    refused: dict[str, int] = {}
    empty = 0
    for name, given in (("whole", whole), ("cut", cut)):
        replies = model.generate(given, max_new_tokens=REPLY_TOKENS, progress=progress)
        judged = [judge(reply.text) for reply in replies]
        refused[name] = sum(one.refused and not one.empty for one in judged)
        empty = sum(one.empty for one in judged)
    return Ablation(
        whole=wilson(refused["whole"], len(whole)),
        cut=wilson(refused["cut"], len(cut)),
        empty_when_cut=empty,
        removed=len(whole[0].ids) - len(cut[0].ids),
        left_out=len(prompts) - len(whole),
    )
