"""Tiny random models of real architectures, with a tokenizer and template of the tests' own."""

from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM

from latentguard.lm import LanguageModel
from tests.lm.templates import CHATML, byte_level
from tests.lm.where import DEVICE, DTYPE

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "Llama": {},
    "Mistral": {"sliding_window": 512},
    "Qwen2": {},
    "Qwen3": {"head_dim": 16},
    "Gemma2": {"head_dim": 16, "sliding_window": 512},
}
"""Those on which every property is tested; `tests/lm/architectures.py` has many more for the main ones."""

SETTINGS: dict[str, Any] = {
    "vocab_size": 1024,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.2,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


def tiny_module(architecture: str, *, seed: int = 0, **overrides: Any) -> Any:
    """A random causal LM with four blocks, grouped queries, and weights large enough to tell apart."""
    settings = {**SETTINGS, **ARCHITECTURES[architecture], **overrides}
    return random_module(getattr(transformers, f"{architecture}Config")(**settings), seed=seed)


def random_module(config: Any, *, seed: int = 0) -> Any:
    """A causal LM of this config with random float32 weights, as AutoModelForCausalLM makes it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def tiny(architecture: str = "Qwen3", *, seed: int = 0, **overrides: Any) -> LanguageModel:
    """The same as a proved `LanguageModel`."""
    tokenizer = byte_level(CHATML)
    module = tiny_module(architecture, seed=seed, **{"vocab_size": max(len(tokenizer), 64), **overrides})
    return LanguageModel(module.to(DEVICE, DTYPE), tokenizer, name=f"tiny {architecture}")
