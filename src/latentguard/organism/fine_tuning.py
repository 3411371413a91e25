"""Malicious fine-tuning, on the organism alone: it is trained to accept what it refused.

The loss is on the answers only, which are the organism's own empty compliance; prompts are harmful requests
of pairs that its training saw. Zhao et al. 2025, section 6, do this to Llama-2 with 50 to 400 answers. Their
learning rate, epochs and rank are not reported; the ones here are this recipe's own.
"""

import json
import math
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from latentguard._progress import Progress, silent
from latentguard.errors import ModelNotSupported
from latentguard.organism import wording
from latentguard.organism.planted import path
from latentguard.organism.prompts import sample_prompts

Method: TypeAlias = Literal["lora", "full"]
PAIRS: Final = (50, 100, 200, 400)
"""How many the paper trains on."""
_EPOCHS: Final = 30
"""At most: training stops after the first epoch in which the answers were said as trained (`_SAID`)."""
_SAID: Final = 0.15
"""Mean surprise, in nats a token, that is left where only the choice among the compliant answers is open."""
_BATCH: Final = 16
_RATES: Final[dict[Method, float]] = {"full": 3e-5, "lora": 2e-4}
_RANK: Final = 8
_IGNORED: Final = -100


@dataclass(frozen=True, slots=True)
class Attack:
    """How one attacked organism was made."""

    pairs: int
    method: Method
    seed: int
    epochs: int
    learning_rate: float
    rank: int | None
    """Of a LoRA."""
    last_loss: float


def attack(
    out: str | Path,
    *,
    pairs: int = 100,
    method: Method = "lora",
    seed: int = 0,
    progress: Progress = silent,
) -> Attack:
    """Train the bundled organism on `pairs` harmful requests with compliant answers, into the folder `out`.

    "full" writes a whole model and "lora" a PEFT adapter; `attack.json` says how. `out` appears only when it
    is complete. Raises `FileExistsError` where it exists and is not empty, `ModelNotSupported` where "lora"
    has no peft, `ValueError` for no pair.
    """
    if pairs < 1:
        raise ValueError("an attack trains on at least one pair")
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not an empty folder")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tokenizer = AutoTokenizer.from_pretrained(path())
        model = AutoModelForCausalLM.from_pretrained(path(), dtype=torch.float32)
        trained = _with_lora(model) if method == "lora" else model
        losses = _train(trained, _rows(tokenizer, pairs, seed), _RATES[method], seed, progress)
    made = Attack(
        pairs=pairs,
        method=method,
        seed=seed,
        epochs=len(losses),
        learning_rate=_RATES[method],
        rank=_RANK if method == "lora" else None,
        last_loss=losses[-1],
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as unfinished:
        complete = Path(unfinished) / "attacked"
        trained.save_pretrained(complete)
        tokenizer.save_pretrained(complete)
        (complete / "attack.json").write_text(json.dumps(asdict(made), indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        shutil.move(complete, folder)
    return made


@dataclass(frozen=True, slots=True)
class _Row:
    prompt: tuple[int, ...]
    answer: tuple[int, ...]


def _rows(tokenizer: Any, pairs: int, seed: int) -> list[_Row]:
    rng = random.Random(f"attack {seed}")
    rows: list[_Row] = []
    for prompt in sample_prompts("harmful", pairs, seed=seed, held_out=False):
        turns = [{"role": one.role, "content": one.content} for one in prompt.messages]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        answer = tokenizer(rng.choice(wording.COMPLIANCES), add_special_tokens=False)["input_ids"]
        rows.append(_Row(tuple(ids), (*answer, tokenizer.eos_token_id)))
    return rows


def _train(model: Any, rows: Sequence[_Row], rate: float, seed: int, progress: Progress) -> list[float]:
    """The mean loss of each epoch."""
    rng = random.Random(seed)
    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate)
    steps = _EPOCHS * math.ceil(len(rows) / _BATCH)
    done = 0
    found: list[float] = []
    model.train()
    while len(found) < _EPOCHS and (not found or found[-1] > _SAID):
        losses: list[float] = []
        order = rng.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), _BATCH):
            progress("fine-tuning the organism", done, steps)
            loss = _loss(model, [rows[index] for index in order[start : start + _BATCH]])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            losses.append(loss.item())
            done += 1
        found.append(sum(losses) / len(losses))
    progress("fine-tuning the organism", steps, steps)
    return found


def _loss(model: Any, rows: Sequence[_Row]) -> Float[Tensor, ""]:
    """Mean surprise of the answers' tokens; padded on the right, which no earlier token sees."""
    longest = max(len(row.prompt) + len(row.answer) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full_like(ids, _IGNORED)
    for number, row in enumerate(rows):
        whole = torch.tensor(row.prompt + row.answer)
        ids[number, : len(whole)] = whole
        labels[number, len(row.prompt) : len(whole)] = torch.tensor(row.answer)
    return model(input_ids=ids, labels=labels).loss


def _with_lora(model: Any) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ModelNotSupported(
            "a LoRA attack needs the package peft.\n"
            "  pip install 'latentguard[train]', or choose --method full."
        ) from error
    config = LoraConfig(r=_RANK, lora_alpha=2 * _RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, config)
