"""Tiny random models of many architectures, and what is expected to be proved of each.

A new architecture is one entry here: the settings that make it tiny, the width of its heads, and what it
cannot do. Nothing in the package knows of any of them by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import transformers

from latentguard.lm import LanguageModel
from tests.lm.templates import CHATML, byte_level
from tests.lm.tiny import SETTINGS, random_module
from tests.lm.where import DEVICE, DTYPE

EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
LINEAR = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}
MAMBA_AND_ATTENTION = ["mamba", "attention", "mamba", "attention"]
EVERY = (8, 8, 8, 8)
WIDE = (16, 16, 16, 16)
ONLY_LAST_WIDE = (None, None, None, 16)


@dataclass(frozen=True)
class Architecture:
    """`heads`: the width of a head by block, None where a block has no attention."""

    config: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    heads: tuple[int | None, ...] = EVERY
    refused: frozenset[str] = frozenset()
    projection: str = "self_attn.o_proj"
    """What transformers calls the attention output projection inside a block: known here, found there."""
    text: Mapping[str, Any] | None = None
    """Settings of the text decoder inside a model that also sees."""

    def build(self) -> LanguageModel:
        """The proved model."""
        module = self.module().to(DEVICE, DTYPE)
        return LanguageModel(module, byte_level(CHATML), name=f"tiny {self.config}")

    def module(self) -> Any:
        """As transformers makes it, in float32 on the CPU."""
        plain = {**SETTINGS, "vocab_size": len(byte_level(CHATML))}
        settings = dict(self.settings) if self.text is not None else {**plain, **self.settings}
        if self.text is not None:
            settings["text_config"] = {**plain, **self.text}
        return random_module(getattr(transformers, self.config)(**settings))


HYBRID = frozenset({"prefix sharing"})
POST_NORM = frozenset({"attribution"})  # a norm after attention, or a part that adds to the stream by itself

ARCHITECTURES = {
    "Llama": Architecture("LlamaConfig"),
    "Llama-4, chunked attention": Architecture(
        "Llama4TextConfig",
        {
            "head_dim": 16,
            "attention_chunk_size": 16,
            "num_local_experts": 4,
            "num_experts_per_tok": 1,
            "interleave_moe_layer_step": 2,
            "intermediate_size_mlp": 48,
            "no_rope_layers": [1, 1, 1, 0],
        },
        WIDE,
    ),
    "Mistral, sliding window": Architecture("MistralConfig", {"sliding_window": 16}),
    "Mixtral": Architecture("MixtralConfig", EXPERTS),
    "Qwen2": Architecture("Qwen2Config"),
    "Qwen3": Architecture("Qwen3Config", {"head_dim": 16}, WIDE),
    "Qwen3-MoE": Architecture("Qwen3MoeConfig", {**EXPERTS, "head_dim": 16}, WIDE),
    "Gemma-2": Architecture("Gemma2Config", {"head_dim": 16, "sliding_window": 16}, WIDE, POST_NORM),
    "Gemma-3 text": Architecture("Gemma3TextConfig", {"head_dim": 16, "sliding_window": 16}, WIDE, POST_NORM),
    "Phi-3": Architecture("Phi3Config"),
    "GPT-2": Architecture("GPT2Config", projection="attn.c_proj"),
    "GPT-NeoX": Architecture("GPTNeoXConfig", projection="attention.dense"),
    "OLMo-2": Architecture("Olmo2Config", refused=POST_NORM),
    "Granite": Architecture(
        "GraniteConfig",
        {
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.2,
            "residual_multiplier": 0.5,
            "logits_scaling": 4.0,
        },
    ),
    "Cohere2": Architecture("Cohere2Config", {"sliding_window": 16, "logit_scale": 0.25}),
    "GPT-OSS": Architecture("GptOssConfig", {**EXPERTS, "head_dim": 16, "sliding_window": 16}, WIDE),
    "Falcon": Architecture(
        "FalconConfig",
        {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 2},
        projection="self_attention.dense",
    ),
    "MPT": Architecture("MptConfig", refused=POST_NORM | {"prefix sharing"}, projection="attn.out_proj"),
    "BLOOM": Architecture("BloomConfig", refused=POST_NORM | {"resume"}, projection="self_attention.dense"),
    "StableLM": Architecture("StableLmConfig"),
    "GLM-4": Architecture("Glm4Config", {"head_dim": 16}, WIDE, POST_NORM),
    "DeepSeek-V3": Architecture(
        "DeepseekV3Config",
        {
            "n_routed_experts": 4,
            "n_group": 2,
            "topk_group": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 12,
            "first_k_dense_replace": 1,
            "num_key_value_heads": 4,
        },
        (12, 12, 12, 12),
    ),
    "Qwen3-Next": Architecture(
        "Qwen3NextConfig",
        {**EXPERTS, **LINEAR, "head_dim": 16, "shared_expert_intermediate_size": 24},
        ONLY_LAST_WIDE,
        HYBRID,
    ),
    "Qwen3.5": Architecture("Qwen3_5Config", {}, ONLY_LAST_WIDE, HYBRID, text={**LINEAR, "head_dim": 16}),
    "Granite hybrid": Architecture(
        "GraniteMoeHybridConfig",
        {
            **EXPERTS,
            "layers_block_type": MAMBA_AND_ATTENTION,
            "layer_types": MAMBA_AND_ATTENTION,
            "mamba_n_heads": 8,
            "mamba_d_head": 8,
            "mamba_d_state": 8,
            "shared_intermediate_size": 24,
        },
        (None, 8, None, 8),
        HYBRID,
    ),
    "Gemma-3 with vision": Architecture(
        "Gemma3Config",
        {"vision_config": VISION, "mm_tokens_per_image": 4},
        WIDE,
        POST_NORM,
        text={"head_dim": 16, "sliding_window": 16},
    ),
    "Gemma-4 with vision": Architecture(
        "Gemma4Config",
        {"vision_config": {**VISION, "head_dim": 8}, "audio_config": None},
        WIDE,
        POST_NORM,
        text={
            "head_dim": 16,
            "global_head_dim": 16,
            "sliding_window": 16,
            "pad_token_id": 0,
            "vocab_size_per_layer_input": 1024,
        },
    ),
    "Gemma-4, keys and values shared by blocks": Architecture(
        "Gemma4TextConfig",
        {
            "head_dim": 16,
            "global_head_dim": 16,
            "sliding_window": 16,
            "num_hidden_layers": 8,
            "vocab_size_per_layer_input": 1024,
            "layer_types": ["sliding_attention", "full_attention"] * 4,
            "num_kv_shared_layers": 2,
        },
        WIDE + WIDE,
        POST_NORM,
    ),
    "BitNet, a norm over all heads": Architecture(
        "BitNetConfig", heads=(), refused=frozenset({"heads", "attribution"})
    ),
}

SEVERAL_STREAMS = {
    "Gemma-3n": Architecture(
        "Gemma3nTextConfig",
        {
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 0,
            "head_dim": 16,
            "laurel_rank": 8,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "activation_sparsity_pattern": [0.0] * 4,
            "sliding_window": 512,
            "intermediate_size": [48] * 4,
            "vocab_size_per_layer_input": 1024,
        },
    ),
    "DeepSeek-V4": Architecture("DeepseekV4Config"),
}
