"""What does a steered token cost with repeng or steering-vectors, in an environment of their own?

    python peers_steering.py --peer repeng [--blocks 6]

They need releases of transformers that latentguard does not run on, so this script knows neither it nor the
real model's file: the model has the shape of Qwen2.5-0.5B, random weights, float32. Strength 0 at every
block, so that the text is the same, asserted; `steering.py` times ours on the real weights of that shape.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers
from timing import paired, processor
from transformers import AutoModelForCausalLM, Qwen2Config

NEW_TOKENS = 32
SHAPE = {
    "vocab_size": 151936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "rope_theta": 1_000_000.0,
}


@contextmanager
def repeng(module: Any) -> Iterator[Callable[[], Any]]:
    """Its `ControlModel` wraps the module's blocks; inside the `with` block each adds a vector of zeros."""
    from repeng import ControlModel, ControlVector

    layers = list(range(module.config.num_hidden_layers))
    made = ControlModel(module, layers)
    zeros = {layer: torch.zeros(module.config.hidden_size).numpy() for layer in layers}
    made.set_control(ControlVector(module.config.model_type, zeros), 0.0)
    try:
        yield made
    finally:
        made.reset()
        made.unwrap()


@contextmanager
def steering_vectors(module: Any) -> Iterator[Any]:
    """Its `SteeringVector.apply`, multiplier 0, at every layer."""
    from steering_vectors import SteeringVector

    layers = range(module.config.num_hidden_layers)
    vector = SteeringVector(
        {layer: torch.ones(module.config.hidden_size) for layer in layers}, "decoder_block"
    )
    with vector.apply(module, multiplier=0.0):
        yield module


PEERS = {"repeng": repeng, "steering-vectors": steering_vectors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", choices=list(PEERS), required=True)
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=41, help="of the prompt")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)
    shape = {**SHAPE, **({"num_hidden_layers": given.blocks} if given.blocks else {})}
    module = AutoModelForCausalLM.from_config(Qwen2Config(**shape)).float().eval()
    ids = torch.randint(100, 1000, (1, given.tokens), generator=torch.Generator().manual_seed(0))

    def generate(model: Any = module) -> torch.Tensor:
        return model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS,
            do_sample=False,
            pad_token_id=0,
        )

    def steered() -> torch.Tensor:
        with PEERS[given.peer](module) as model:
            return generate(model)

    assert torch.equal(steered(), generate())
    lines = paired(f"{given.peer}, steered", steered, generate, pairs=given.pairs)
    found = {
        "question": f"{NEW_TOKENS} tokens, steered at all {shape['num_hidden_layers']} blocks and not",
        "machine": {
            "processor": processor(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "lines": [asdict(line) for line in lines],
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"peers-{given.peer}-steering.json").write_text(json.dumps(found, indent=1) + "\n")
    for line in lines:
        print(f"| {line.name} | {line.seconds:.3f} | {line.ratio:.3f} | {line.low:.3f} to {line.high:.3f} |")


if __name__ == "__main__":
    main()
