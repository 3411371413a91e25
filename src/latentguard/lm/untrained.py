"""An untrained copy: the same architecture with fresh weights, what a guard's figures are compared with."""

import copy
from typing import Any

import torch
from transformers import AutoModelForCausalLM


def untrained_copy(module: Any, seed: int, blocks: int) -> Any:
    """The first `blocks` blocks, initialised afresh by the model's own rule; same dtype, same device."""
    config = copy.deepcopy(module.config)
    text = config.get_text_config(decoder=True)
    if blocks < text.num_hidden_layers:
        text.num_hidden_layers = blocks
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:blocks]
    parameter = next(module.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = AutoModelForCausalLM.from_config(config, dtype=parameter.dtype)
    fresh.generation_config = copy.deepcopy(module.generation_config)
    return fresh.to(parameter.device)
