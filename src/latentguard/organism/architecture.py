"""The organism's network: a small Qwen3, and a forward pass that can copy a component between prompts.

Rows are padded on the right, so causal attention alone keeps padding from every real token.
"""

from collections.abc import Generator
from typing import Any, Final, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import Qwen3Config, Qwen3ForCausalLM

from latentguard.organism.tokenizer import MAX_TOKENS, ChatTokenizer

Network: TypeAlias = Any
"""A `Qwen3ForCausalLM`; transformers' classes are untyped."""
State: TypeAlias = Float[Tensor, "row token hidden"]
BLOCKS: Final = 8
HIDDEN: Final = 160


def build(tokenizer: ChatTokenizer, *, seed: int, blocks: int = BLOCKS, hidden: int = HIDDEN) -> Network:
    """An untrained organism of `blocks` blocks for `tokenizer`; the same seed gives the same weights."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=blocks,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 32,
        head_dim=32,
        max_position_embeddings=MAX_TOKENS,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return Qwen3ForCausalLM(config)


def slots(model: Network, ids: Int[Tensor, "row token"]) -> Generator[State, State | None, None]:
    """The residual stream entering each block, then the one that leaves the last; `send` replaces it.

    A generator: `state = next(run)` reads a slot, `run.send(changed)` goes on from `changed` to the next one.
    """
    body = model.model
    hidden = body.embed_tokens(ids)
    rotation = body.rotary_emb(hidden, torch.arange(ids.shape[1])[None])
    for block in body.layers:
        changed = yield hidden
        hidden = block(
            hidden if changed is None else changed, attention_mask=None, position_embeddings=rotation
        )
    yield hidden


def logits(model: Network, states: Float[Tensor, "place hidden"]) -> Float[Tensor, "place vocab"]:
    """What the output head says at states of the last slot."""
    return model.lm_head(model.model.norm(states))
