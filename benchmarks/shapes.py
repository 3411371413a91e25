"""Random models in the shapes of real ones, where the real ones are not at hand or would not fit a question.

Speed does not ask what the weights say. The tokenizer is the bundled model's, whose words are fewer.
"""

import copy
from typing import Any

import torch
from transformers import AutoModelForCausalLM, Qwen2Config

import latentguard
from latentguard.lm import LanguageModel

SHAPES: dict[str, dict[str, int]] = {
    "random-0.5b": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
    },
    "random-1.5b": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
    },
}
"""Those of Qwen2.5-Coder (their config.json)."""


def of_shape(name: str, dtype: str) -> LanguageModel:
    """A proved random model on the GPU, where there is one."""
    settings: dict[str, Any] = {**SHAPES[name], "vocab_size": 151_936, "tie_word_embeddings": True}
    config = Qwen2Config(**settings, rope_theta=1e6, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    return _drawn(config, getattr(torch, dtype), latentguard.load("organism").tokenizer, name)


def with_blocks(model: LanguageModel, blocks: int) -> LanguageModel:
    """A random model of the same shape with so many blocks, in float32."""
    config = copy.deepcopy(model.module.config)
    config.num_hidden_layers = blocks
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:blocks]
    return _drawn(config, torch.float32, model.tokenizer, f"{blocks} random blocks of {model.name}")


def _drawn(config: Any, dtype: torch.dtype, tokenizer: Any, name: str) -> LanguageModel:
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = AutoModelForCausalLM.from_config(config, dtype=dtype).to(device)
    return LanguageModel(module.eval(), tokenizer, name=name)
