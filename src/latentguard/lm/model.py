"""The language model under study, as the rest of the package sees it: render, capture, edit, generate."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.lm import capture as _capture
from latentguard.lm import edit as _edit
from latentguard.lm import generate as _generate
from latentguard.lm.blocks import find_blocks
from latentguard.lm.chat import ChatTemplate, Conversation, Rendered
from latentguard.lm.edit import Edit
from latentguard.lm.fingerprint import Identity, dtype_name, versions, weight_fingerprint
from latentguard.lm.generate import Ending, Generation, Prefill, Sampling
from latentguard.lm.proof import prove
from latentguard.lm.untrained import untrained_copy

_CPU_BUDGET = 1024
_ACCELERATOR_BUDGET = 16384


class LanguageModel:
    """A decoder chat model whose parts, slots and positions have been proved. Made by `latentguard.load`.

    `n_blocks` is L; slots are 0..L: slot i enters block i, slot L leaves the last block before the final
    norm. `notes` are lines that a user should see (how dtype was chosen, quantisation).
    """

    def __init__(
        self,
        module: Any,
        tokenizer: Any,
        *,
        name: str,
        revision: str | None = None,
        quantisation: str | None = None,
        notes: Sequence[str] = (),
        device: torch.device | None = None,
    ) -> None:
        self.module = module.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name, self.revision, self.quantisation = name, revision, quantisation
        self.notes = tuple(notes)
        self.device: torch.device = device or next(module.parameters()).device
        self.dtype: torch.dtype = next(module.parameters()).dtype
        self.blocks = find_blocks(module)
        self.chat = ChatTemplate(
            tokenizer, max_tokens=getattr(self.blocks.config, "max_position_embeddings", None)
        )
        self.proof = prove(module, self.blocks, self.dtype, self.device)
        self._fingerprint: str | None = None

    @property
    def n_blocks(self) -> int:
        """L."""
        return len(self.blocks)

    @property
    def n_slots(self) -> int:
        """L + 1."""
        return len(self.blocks) + 1

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        return int(self.blocks.config.hidden_size)

    def identity(self) -> Identity:
        """What an artefact records about this model."""
        self._fingerprint = self._fingerprint or weight_fingerprint(self.module)
        return Identity(
            name=self.name,
            revision=self.revision,
            fingerprint=self._fingerprint,
            template_hash=self.chat.template_hash,
            tokenizer_hash=self.chat.tokenizer_hash,
            architecture=type(self.module).__name__,
            dtype=dtype_name(self.dtype),
            device=self.device.type,
            quantisation=self.quantisation,
            blocks=self.n_blocks,
            hidden=self.hidden_size,
            versions=versions(),
        )

    def render(self, conversation: Conversation, *, context: str | None = None) -> Rendered:
        """The templated, tokenised prompt with its proved positions (see `ChatTemplate.render`)."""
        return self.chat.render(conversation, context=context)

    def capture(
        self,
        prompts: Sequence[Conversation | Rendered],
        *,
        positions: Sequence[str] = ("t_inst",),
        slots: Iterable[int] | None = None,
        offset: int = 0,
        progress: Progress = silent,
    ) -> "_capture.States":
        """Hidden states at `positions` and `slots` (all by default), float32 on the CPU.

        `offset` moves every position by that many tokens; -2 at t_inst is where the authors' released Qwen2
        tensors were read (harmfulness spec, trap 1). Raises `PositionNotProved`, `NonFiniteState`,
        `EditMatchedNothing`, `ValueError` for slots that do not exist.
        """
        rendered, wanted = self._positioned(prompts, positions, offset)
        chosen = _capture.chosen_slots(slots, self.n_slots)
        out, sink = _capture.gather_states(len(rendered), len(positions), len(chosen), self.hidden_size)
        self._read(rendered, wanted, chosen, sink, progress)
        return _capture.States(out, tuple(positions), chosen)

    def means(
        self,
        prompts: Sequence[Conversation | Rendered],
        groups: Sequence[int],
        *,
        positions: Sequence[str] = ("t_inst",),
        slots: Iterable[int] | None = None,
        offset: int = 0,
        progress: Progress = silent,
    ) -> Float[Tensor, "group position slot hidden"]:
        """Mean state of each group 0..max(groups), accumulated while reading, so memory does not grow."""
        rendered, wanted = self._positioned(prompts, positions, offset)
        chosen = _capture.chosen_slots(slots, self.n_slots)
        means, sink = _capture.gather_means(
            groups, max(groups) + 1, len(positions), len(chosen), self.hidden_size
        )
        self._read(rendered, wanted, chosen, sink, progress)
        return means()

    def generate(
        self,
        prompts: Sequence[Conversation | Rendered],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[str] = (),
        use_cache: bool = True,
        progress: Progress = silent,
    ) -> list[Generation]:
        """One reply a prompt: greedy at temperature 0, otherwise sampled, one seeded generator a prompt."""
        if max_new_tokens < 1:
            raise ValueError("max_new_tokens must be at least 1")
        if not prompts:
            return []
        return _generate.generate(
            self._prefill(prompts, share=use_cache),
            ending=Ending(max_new_tokens, self._ends(), tuple(stop), self._decode),
            sampling=Sampling(temperature, top_p, seed),
            use_cache=use_cache,
            budget=self._budget(),
            progress=progress,
        )

    def next_token_logits(
        self, prompts: Sequence[Conversation | Rendered], *, progress: Progress = silent
    ) -> Float[Tensor, "prompt vocab"]:
        """Logits of the first reply token, float32 on the CPU."""
        return _generate.next_token_logits(
            self._prefill(prompts, share=True), budget=self._budget(), progress=progress
        )

    def edited(self, edits: Sequence[Edit]) -> AbstractContextManager[None]:
        """Edits in force inside the `with` block, for this thread's capture, generate and next_token_logits.

        They live in activations only. A run in which an edit touched no token raises `EditMatchedNothing`;
        calling the module directly raises `UnscopedRun`.
        """
        return _edit.edited(self.blocks, edits, self.hidden_size)

    def reinitialised(self, seed: int, *, deepest_slot: int | None = None) -> "LanguageModel":
        """The same architecture, tokenizer and template with fresh weights by the model's own initialiser.

        `deepest_slot`: blocks from there on are left out, when no deeper slot will be read.
        """
        blocks = self.n_blocks if deepest_slot is None else max(deepest_slot, 1)
        module = untrained_copy(self.module, seed, blocks)
        return LanguageModel(
            module, self.tokenizer, name=f"{self.name} (untrained copy, seed {seed})", device=self.device
        )

    def _positioned(
        self, prompts: Sequence[Conversation | Rendered], positions: Sequence[str], offset: int
    ) -> tuple[list[Rendered], list[tuple[int, ...]]]:
        rendered = self._rendered(prompts)
        if not rendered or not positions:
            raise ValueError("capture needs at least one prompt and one position")
        wanted = [tuple(prompt.index(position) + offset for position in positions) for prompt in rendered]
        for number, (prompt, indices) in enumerate(zip(rendered, wanted, strict=True)):
            if min(indices) < 0 or max(indices) >= len(prompt.ids):
                raise ValueError(
                    f"offset {offset} leaves prompt {number}, which has {len(prompt.ids)} tokens"
                )
        return rendered, wanted

    def _read(
        self,
        rendered: Sequence[Rendered],
        wanted: Sequence[tuple[int, ...]],
        slots: tuple[int, ...],
        sink: "_capture.Sink",
        progress: Progress,
    ) -> None:
        _capture.capture(
            self.blocks,
            rendered,
            wanted,
            slots,
            sink,
            device=self.device,
            share=self._may_share(rendered),
            budget=self._budget(),
            progress=progress,
        )

    def _rendered(self, prompts: Sequence[Conversation | Rendered]) -> list[Rendered]:
        return [prompt if isinstance(prompt, Rendered) else self.render(prompt) for prompt in prompts]

    def _prefill(self, prompts: Sequence[Conversation | Rendered], *, share: bool) -> Prefill:
        rendered = self._rendered(prompts)
        if not rendered:
            raise ValueError("no prompts were given")
        return Prefill(self.blocks, rendered, self.device, share=share and self._may_share(rendered))

    def _may_share(self, rendered: Sequence[Rendered]) -> bool:
        """Padding inside a cache counts towards an attention window, so no window may be reached."""
        window = self.blocks.sliding_window
        return self.proof.shares_prefixes and (
            window is None or 3 * max(len(p.ids) for p in rendered) < window
        )

    def _ends(self) -> frozenset[int]:
        configured = getattr(self.module.generation_config, "eos_token_id", None)
        listed = configured if isinstance(configured, list) else [configured]
        return frozenset(token for token in (*listed, self.tokenizer.eos_token_id) if token is not None)

    def _decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _budget(self) -> int:
        return _CPU_BUDGET if self.device.type == "cpu" else _ACCELERATOR_BUDGET
