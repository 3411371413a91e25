"""Many edits of many prompts, first tokens only: what each edit makes each prompt's answer.

A prompt runs once, unedited, and every edited run goes on from its own block (`LanguageModel.edited_logits`):
an arm at all L blocks costs about L/2 + 2 forward passes a prompt and scale. With a folder every prompt's
outcome is kept as soon as it is known, so that a sweep which was killed goes on where it was.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latentguard._kept import KeptLines
from latentguard._progress import Progress, silent
from latentguard.causal.answers import FirstTokens
from latentguard.causal.arms import Arm
from latentguard.lm import LanguageModel, Rendered


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One edit: an arm at one block and signed scale."""

    arm: Arm
    block: int
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What each prompt answers unedited and under each attempt."""

    attempts: tuple[Attempt, ...]
    unedited: Int[Tensor, " prompt"]
    """1 affirmed, -1 denied, 0 neither; see `answers`."""
    said: Int[Tensor, "prompt attempt"]
    first_unedited: Int[Tensor, " prompt"]
    """The token that the reply begins with."""
    first: Int[Tensor, "prompt attempt"]
    affirmative: Float[Tensor, "prompt attempt"]
    """Probability that the reply begins an affirmative answer."""
    affirmative_unedited: Float[Tensor, " prompt"]

    def turned(self, attempt: Attempt, answered: int) -> Bool[np.ndarray, " prompt"]:
        """Of the prompts that are answered `answered` unedited, which say the opposite under `attempt`."""
        return (self.said[self.unedited == answered, self._column(attempt)] == -answered).numpy()

    def under(self, attempt: Attempt) -> Int[Tensor, " prompt"]:
        """What every prompt answers under `attempt`."""
        return self.said[:, self._column(attempt)]

    def begun(self, attempt: Attempt) -> Int[Tensor, " prompt"]:
        """With which token every prompt's reply begins under `attempt`."""
        return self.first[:, self._column(attempt)]

    def probability(self, attempt: Attempt) -> float:
        """Mean probability of an affirmation under `attempt`."""
        return float(self.affirmative[:, self._column(attempt)].mean())

    def _column(self, attempt: Attempt) -> int:
        return next(number for number, one in enumerate(self.attempts) if one is attempt)


@dataclass(frozen=True, slots=True, eq=False)
class Sweeper:
    """Sweeps of one model with one way of hearing answers."""

    model: LanguageModel
    tokens: FirstTokens
    folder: Path | None = None
    at_once: int = 32
    progress: Progress = silent

    def __call__(self, prompts: Sequence[Rendered], attempts: Sequence[Attempt], what: str) -> Outcomes:
        """See `sweep`."""
        return sweep(
            self.model,
            prompts,
            attempts,
            self.tokens,
            folder=self.folder,
            at_once=self.at_once,
            what=what,
            progress=self.progress,
        )


def sweep(
    model: LanguageModel,
    prompts: Sequence[Rendered],
    attempts: Sequence[Attempt],
    tokens: FirstTokens,
    *,
    folder: Path | None = None,
    at_once: int = 32,
    what: str = "sweeping",
    progress: Progress = silent,
) -> Outcomes:
    """Every prompt under every attempt, `at_once` attempts in a batch.

    In `folder` an outcome is found again by the model's weights, the prompt's tokens, every attempt's place
    and direction, bit for bit, and the answers' tokens; anything else is computed.
    """
    if not attempts:
        return _unedited(model, prompts, tokens)
    kept = None if folder is None else KeptLines(folder, "sweep", _about(model, attempts, tokens))
    known: dict[str, dict[str, list[int | float]]] = {} if kept is None else kept.read()
    rows: list[dict[str, list[int | float]]] = []
    for number, prompt in enumerate(prompts):
        progress(what, number, len(prompts))
        row = known.get(_key(prompt))
        if row is None:
            edits = [[], *([attempt.arm.edit(attempt.block, attempt.scale)] for attempt in attempts)]
            answers = tokens.read(model.edited_logits(prompt, edits, at_once=at_once))
            row = {"first": answers.first.tolist(), "affirmative": answers.affirmative.tolist()}
            if kept is not None:
                kept.write({_key(prompt): row})
        rows.append(row)
    progress(what, len(prompts), len(prompts))
    first = torch.tensor([row["first"] for row in rows], dtype=torch.long)
    first = first.reshape(len(rows), len(attempts) + 1)
    said = tokens.said(first)
    affirmative = torch.tensor([row["affirmative"] for row in rows]).reshape(said.shape)
    return Outcomes(
        attempts=tuple(attempts),
        unedited=said[:, 0],
        said=said[:, 1:],
        first_unedited=first[:, 0],
        first=first[:, 1:],
        affirmative=affirmative[:, 1:],
        affirmative_unedited=affirmative[:, 0],
    )


def _unedited(model: LanguageModel, prompts: Sequence[Rendered], tokens: FirstTokens) -> Outcomes:
    answers = tokens.read(model.next_token_logits(prompts))
    none = answers.said[:, None][:, :0]
    return Outcomes((), answers.said, none, answers.first, none, none.float(), answers.affirmative)


def _key(prompt: Rendered) -> str:
    return hashlib.sha256(json.dumps([prompt.ids, prompt.context_end]).encode()).hexdigest()


def _about(model: LanguageModel, attempts: Sequence[Attempt], tokens: FirstTokens) -> str:
    identity = model.identity()
    digest = hashlib.sha256()
    about = [identity.fingerprint, identity.dtype, tokens.affirmative, tokens.negative]
    digest.update(json.dumps(about).encode())
    for attempt in attempts:
        digest.update(json.dumps([attempt.block, attempt.scale, attempt.arm.scope]).encode())
        digest.update(attempt.arm.vectors[attempt.block].contiguous().cpu().float().numpy().tobytes())
    return digest.hexdigest()
