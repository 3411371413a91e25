"""The beginning of a model: blocks 0..k-1 and what feeds them, for whoever reads no slot deeper than k.

    slot k of the whole model: what leaves block k-1, before any norm  =  the last slot of its beginning

The model is made whole, without memory, as its config says. Blocks k.. are then taken off, and an output
head that has weights of its own, and only what is left is read from the checkpoint. So every block that is
left is the one that the whole model has: no setting that differs from block to block is cut or guessed.

The proof at load runs on the beginning: its blocks chain, its slots are the stream, and norm(slot k) is what
the model hands to its head. What it cannot show, that the weights are those of the whole model's beginning,
is shown by `Identity.beginnings`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from latentguard._progress import Progress, silent
from latentguard.errors import ModelNotSupported
from latentguard.lm.blocks import block_list
from latentguard.lm.chat import Conversation, Rendered
from latentguard.lm.chat.rendered import Position
from latentguard.lm.fingerprint import Identity
from latentguard.lm.model import LanguageModel
from latentguard.lm.states import States


@dataclass(frozen=True, slots=True)
class Beginning:
    """What loads a beginning of `blocks` blocks, in the place of `AutoModelForCausalLM`."""

    blocks: int

    def from_pretrained(self, place: str, *, config: Any, **options: Any) -> Any:
        """As `AutoModelForCausalLM.from_pretrained`. Raises `ModelNotSupported` where the blocks of this
        model cannot be told from the rest of it."""
        with torch.device("meta"):
            whole = AutoModelForCausalLM.from_config(
                config, trust_remote_code=options.get("trust_remote_code", False)
            )
        return _cut_kind(type(whole), self.blocks).from_pretrained(place, config=whole.config, **options)


class PartialModel(LanguageModel):
    """The beginning of a model. Slots 0..k are the whole model's own; there is none after them, and no reply.

    `whole_blocks` is the whole model's L; `n_blocks` is k, the number of blocks that are loaded.
    """

    def __init__(self, module: Any, tokenizer: Any, *, whole_blocks: int, **options: Any) -> None:
        super().__init__(module, tokenizer, **options)
        self.whole_blocks = whole_blocks
        self.notes = (*self.notes, self._note())

    def _note(self) -> str:
        """How much is loaded: counted, as is what was left out, whose numbers would have this dtype."""
        loaded = weight_bytes(self.module)
        size = f"{_gigabytes(loaded)} GB"
        if self.quantisation is None or self.quantisation.startswith("GGUF"):  # which is unpacked
            whole = loaded + self.module.values_left_out * self.dtype.itemsize
            size += f" of {_gigabytes(whole)} GB"
        return f"blocks 0 to {self.n_blocks - 1} of {self.whole_blocks} are loaded, {size}"

    def identity(self) -> Identity:
        """The whole model's number of blocks, and the fingerprint of what is loaded of it."""
        own = super().identity()
        assert own.beginnings is not None
        return own.model_copy(
            update={
                "blocks": self.whole_blocks,
                "loaded_blocks": self.n_blocks,
                "fingerprint": own.beginnings[-1],
            }
        )

    def capture(
        self,
        prompts: Sequence[Conversation | Rendered],
        *,
        positions: Sequence[Position] = ("t_inst",),
        slots: Iterable[int] | None = None,
        dtype: torch.dtype | None = torch.float32,
        progress: Progress = silent,
    ) -> States:
        """As `LanguageModel.capture`. Raises `ModelNotSupported` for a slot after the last that is loaded."""
        chosen = None if slots is None else tuple(slots)
        deepest = max(chosen or (0,))
        if self.n_blocks < deepest <= self.whole_blocks:
            raise ModelNotSupported(
                f"slot {deepest} of {self.name} was asked for; of its {self.whole_blocks} blocks "
                f"{self.n_blocks} are loaded, and slots 0 to {self.n_blocks} are there.\n"
                f"  Load more of it: latentguard.load(..., blocks={deepest})."
            )
        return super().capture(prompts, positions=positions, slots=chosen, dtype=dtype, progress=progress)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Raises `ModelNotSupported`: it needs blocks that are not loaded."""
        raise ModelNotSupported(
            f"{self.name} is loaded in part (blocks 0 to {self.n_blocks - 1} of {self.whole_blocks}): it can "
            "be read, and says nothing.\n  Load the whole of it for replies, logits and untrained copies."
        )

    generate = replying = following = next_token_logits = unembed = _refuse
    edited_logits = edited_logits_at = reinitialised = _refuse


def weight_bytes(module: nn.Module) -> int:
    """Bytes of the parameters and buffers that lie in memory, shared ones once."""
    held = {id(one): one for one in (*module.parameters(), *module.buffers()) if not one.is_meta}
    return sum(one.numel() * one.element_size() for one in held.values())


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g}"


def _cut_kind(parent: Any, blocks: int) -> Any:
    """The class `parent`, whose models lose their later blocks as soon as they are made.

    It bears its parent's name: transformers looks up by it what a class records and how it is read.
    """

    def __init__(self: Any, config: Any, *arguments: Any, **options: Any) -> None:
        parent.__init__(self, config, *arguments, **options)
        _cut(self, blocks)

    named = {"__qualname__": parent.__qualname__, "__module__": parent.__module__}
    return type(parent.__name__, (parent,), {**named, "__init__": __init__})


def _cut(module: Any, blocks: int) -> None:
    """Take the blocks from `blocks` on off a model that was just made, and its head where it is not shared.

    Its config goes on telling of the whole: layers of a cache that no block fills stay empty.
    """
    layers, head = block_list(module), module.get_output_embeddings()
    names = {id(one): name for name, one in module.named_modules()}
    before, gone = _values(module), list(layers[blocks:])
    module.blocks_lie_in = names[id(layers)]
    del layers[blocks:]
    if head is not None and not _tied(module, head):
        gone.append(head)
        module.set_output_embeddings(nn.Identity())
    module.values_left_out = before - _values(module)
    known = module._keys_to_ignore_on_load_unexpected or ()  # of whose tensors nothing is said
    module._keys_to_ignore_on_load_unexpected = {
        *known,
        *(f"^{re.escape(names[id(one)])}\\." for one in gone),
    }


def _tied(module: Any, head: nn.Module) -> bool:
    """Whether the head is the embedding, or is going to be once the weights are read."""
    configs = (module.config, module.config.get_text_config(decoder=True))
    if any(getattr(one, "tie_word_embeddings", False) for one in configs):
        return True
    return head.weight is module.get_input_embeddings().weight


def _values(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())
