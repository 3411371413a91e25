"""A tiny chat model as a GGUF file, laid out as llama.cpp's converter does."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from tests.lm.templates import CHATML, byte_level


def chat_model_file(path: Path, module: Any, weights: dict[str, torch.Tensor]) -> Path:
    """A model with its tokenizer as a GGUF file, as llama.cpp's converter lays one out."""
    config, tokenizer = module.config, byte_level(CHATML)
    of = config.model_type
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    kinds = [gguf.TokenType.NORMAL] * len(tokens)
    for index, added in tokenizer.added_tokens_decoder.items():
        kinds[index] = gguf.TokenType.CONTROL if added.special else gguf.TokenType.USER_DEFINED
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer = gguf.GGUFWriter(path, of)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(tokenizer.convert_tokens_to_ids("<|im_end|>"))
    writer.add_chat_template(CHATML)
    architecture = {"qwen2": gguf.MODEL_ARCH.QWEN2, "llama": gguf.MODEL_ARCH.LLAMA}[of]
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, tensor in weights.items():
        part, kind = name.rsplit(".", 1)
        values = tensor.numpy()
        if of == "llama" and part.endswith(("q_proj", "k_proj")):
            heads = config.num_attention_heads if part.endswith("q_proj") else config.num_key_value_heads
            values = _as_llama_cpp_rotates(values, heads)
        writer.add_tensor(f"{names.get_name(part)}.{kind}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _as_llama_cpp_rotates(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a head: its two halves interleaved, for rotary positions of neighbouring pairs."""
    rows, width = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, width)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, width))
