"""The language model under study, as the rest of the package sees it: render, capture, edit, generate."""

import copy
import os
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.errors import ModelNotSupported, PositionNotProved, PromptTooLong, TemplateError
from latentguard.lm.attribution import along
from latentguard.lm.blocks import find_blocks
from latentguard.lm.budget import Budget
from latentguard.lm.chat import ChatTemplate, Conversation, Rendered
from latentguard.lm.chat.rendered import Position
from latentguard.lm.edits.heads import ReplaceHeads, ScaleHeads
from latentguard.lm.edits.in_force import Edit, any_active, edited
from latentguard.lm.fingerprint import Identity, dtype_name, fingerprints, versions
from latentguard.lm.followed import Followed, following
from latentguard.lm.heads import HeadSite, chosen_sites
from latentguard.lm.held import Held, hold
from latentguard.lm.memory import Memory
from latentguard.lm.proof.at_load import prove
from latentguard.lm.proof.record import ProofRecord, positions_record
from latentguard.lm.replies import generate as _generate
from latentguard.lm.replies.reply import Ending, Generation, Sampling
from latentguard.lm.replies.stepwise import Replying
from latentguard.lm.replies.watching import LastTokens, Watch, Watcher
from latentguard.lm.resume import resumed_logits
from latentguard.lm.runner import Runner
from latentguard.lm.slots import chosen_slots
from latentguard.lm.spread import input_device
from latentguard.lm.states import HeadAttributions, HeadStates, States, gather_means, gather_states
from latentguard.lm.taps import head_taps
from latentguard.lm.untrained import untrained_copy

SAMPLE: Final = "How do I bake bread?"


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
    ) -> None:
        self.module = module.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name, self.revision, self.quantisation = name, revision, quantisation
        self.notes = tuple(notes)
        self.device: torch.device = input_device(module)
        self.dtype: torch.dtype = next(module.parameters()).dtype
        self.blocks = find_blocks(module)
        self.chat = ChatTemplate(
            tokenizer, name=name, max_tokens=getattr(self.blocks.config, "max_position_embeddings", None)
        )
        self.proof = prove(module, self.blocks, self.dtype, self.device)
        self._fingerprint: str | None = None
        self._beginnings: tuple[str, ...] | None = None
        self._memory = Memory(self.dtype)
        self._held: Held | None = None
        self._budget = Budget.of(self.device)
        self._tokens_a_batch = Budget.of_replies(self.device)

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

    @property
    def batch_tokens(self) -> int:
        """Padded tokens that are read in one batch, as far as is known of this machine."""
        return self._budget.tokens

    def identity(self) -> Identity:
        """What an artefact records about this model."""
        if self._fingerprint is None:
            found = fingerprints(self.module, self.blocks)
            self._fingerprint, self._beginnings = found.whole, found.beginnings
        return Identity(
            name=self.name,
            revision=self.revision,
            fingerprint=self._fingerprint,
            template_hash=self.chat.template_hash,
            tokenizer_hash=self.chat.tokenizer_hash,
            date=self.chat.date,
            architecture=type(self.module).__name__,
            dtype=dtype_name(self.dtype),
            device=self.device.type,
            quantisation=self.quantisation,
            blocks=self.n_blocks,
            hidden=self.hidden_size,
            versions=versions(),
            beginnings=self._beginnings,
        )

    def proved(self, prompt: str = SAMPLE) -> ProofRecord:
        """The proof of this model for artefacts and `latentguard check`, with the positions of one prompt."""
        try:
            rendered = self.render(prompt)
        except (PositionNotProved, PromptTooLong, TemplateError):
            return self.proof.record()
        return self.proof.record(positions_record(prompt, rendered, self.tokenizer))

    def render(self, conversation: Conversation, *, context: str | None = None) -> Rendered:
        """The templated, tokenised prompt with its proved positions (see `ChatTemplate.render`)."""
        return self.chat.render(conversation, context=context)

    def capture(
        self,
        prompts: Sequence[Conversation | Rendered],
        *,
        positions: Sequence[Position] = ("t_inst",),
        slots: Iterable[int] | None = None,
        dtype: torch.dtype | None = torch.float32,
        progress: Progress = silent,
    ) -> States:
        """Hidden states at `positions` and `slots` (all by default), on the CPU.

        A position is a name, or a token's index: -1 is the last of the templated prompt.
        `dtype`: float32, or None for the model's own: as exact, and half the size, where that is 16 bits.
        Raises `PositionNotProved`, `NonFiniteState`, `EditMatchedNothing`, `ValueError` for slots that do not
        exist.
        """
        rendered, wanted = self._positioned(prompts, positions)
        chosen = chosen_slots(slots, self.n_slots)
        out, sink = gather_states(
            len(rendered), len(positions), len(chosen), self.hidden_size, dtype=dtype or self.dtype
        )
        self._runner.slots(rendered, wanted, chosen, sink, progress)
        return States(out, tuple(positions), chosen)

    def run_with_first(
        self, prompts: Sequence[Conversation | Rendered], *, positions: Sequence[Position] = ("t_inst",)
    ) -> tuple[int, ...]:
        """The numbers of those of these prompts that `capture` runs in one batch with the first, itself among
        them: about as long, or with a beginning in common. For who chooses what to run next of what waits.

        Raises as `capture`; nothing runs.
        """
        return self._runner.run_with_first(*self._positioned(prompts, positions))

    def capture_heads(
        self,
        prompts: Sequence[Conversation | Rendered],
        *,
        positions: Sequence[Position] = ("t_inst",),
        blocks: Iterable[int] | None = None,
        progress: Progress = silent,
    ) -> HeadStates:
        """What every query head wrote at `positions`, float32 on the CPU: the inputs of the attention output
        projections of `blocks` (all that have attention by default), by heads.

        Raises `ModelNotSupported` where the heads could not be proved, `ValueError` for a block without heads
        or blocks whose heads differ in number or width, and as `capture`.
        """
        sites = chosen_sites(self.proof.head_sites(self.name), blocks)
        rendered, wanted = self._positioned(prompts, positions)
        first = sites[0][1]
        out, sink = gather_states(len(rendered), len(positions), len(sites), first.heads * first.width)
        self._runner.taps(rendered, wanted, head_taps(sites), sink, progress)
        chosen = tuple(block for block, _ in sites)
        return HeadStates(out.unflatten(-1, (first.heads, first.width)), tuple(positions), chosen)

    def attribute_heads(
        self,
        prompts: Sequence[Conversation | Rendered],
        direction: Float[Tensor, " hidden"],
        *,
        positions: Sequence[Position] = ("t_inst",),
        blocks: Iterable[int] | None = None,
        progress: Progress = silent,
    ) -> HeadAttributions:
        """What every query head adds to the residual stream along `direction`, which keeps its length.

        The direct part only: what later blocks make of it is not in it (`attribution.py`). Raises
        `ModelNotSupported` where it could not be proved that heads reach the stream linearly, and as
        `capture_heads`.
        """
        factors = self.proof.attribution_factors(self.name)
        if tuple(direction.shape) != (self.hidden_size,):
            raise ValueError(f"direction has shape {tuple(direction.shape)}, not ({self.hidden_size},)")
        if not bool(torch.isfinite(direction).all()):
            raise ValueError("direction holds NaN or infinity")
        read = self.capture_heads(prompts, positions=positions, blocks=blocks, progress=progress)
        sites = self.proof.head_sites(self.name)
        return along(read, direction, sites, factors)

    def means(
        self,
        prompts: Sequence[Conversation | Rendered],
        groups: Sequence[int],
        *,
        positions: Sequence[Position] = ("t_inst",),
        slots: Iterable[int] | None = None,
        progress: Progress = silent,
    ) -> Float[Tensor, "group position slot hidden"]:
        """Mean state of each group 0..max(groups), accumulated while reading, so memory does not grow."""
        rendered, wanted = self._positioned(prompts, positions)
        chosen = chosen_slots(slots, self.n_slots)
        means, sink = gather_means(groups, max(groups) + 1, len(positions), len(chosen), self.hidden_size)
        self._runner.slots(rendered, wanted, chosen, sink, progress)
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
        guard: Watcher | None = None,
        on_flagged: Literal["stop", "answer"] = "stop",
        of_replies: LastTokens | None = None,
        progress: Progress = silent,
    ) -> list[Generation]:
        """One reply a prompt: greedy at temperature 0, otherwise sampled, one seeded generator a prompt.

        With `guard` every prompt is judged by the states of the very run that computes its first token, and
        each reply carries its verdict; a template that writes the date is told the guard's. A flagged prompt
        gets no token (finish "flagged", an empty text), or, with `on_flagged="answer"`, its reply all the
        same. `of_replies`: what to read of the reply tokens, step by step; of the last one nothing runs.
        """
        if max_new_tokens < 1:
            raise ValueError("max_new_tokens must be at least 1")
        if of_replies is not None and not use_cache:
            raise ValueError("reply tokens are read where each runs once, which needs the cache")
        if on_flagged not in ("stop", "answer"):
            raise ValueError(f"on_flagged is {on_flagged!r}; it must be 'stop' or 'answer'")
        if guard is not None and guard.module is not self.module:
            raise ValueError("this guard judges the states of another model; load it beside this one")
        if not prompts:
            return []
        rendered = (self if guard is None else self.dated(guard.date))._rendered(prompts)
        readings, finish = self._memory.on_the_way(rendered, tuple(range(self.n_slots)))
        watch = None if guard is None else Watch(guard, rendered)
        if watch is not None:
            readings.append(watch.reading())
        replies = _generate.generate(
            self._runner.prefill(
                rendered,
                new_tokens=max_new_tokens,
                share=use_cache,
                before=min((reading.first for reading in readings), default=None),
            ),
            ending=Ending(max_new_tokens, frozenset(self._ends()), tuple(stop), self._decode),
            sampling=Sampling(temperature, top_p, seed),
            use_cache=use_cache,
            budget=self._tokens_a_batch,
            readings=readings,
            watch=watch,
            answers_flagged=on_flagged == "answer",
            of_replies=of_replies,
            progress=progress,
        )
        finish()
        return replies

    def replying(
        self,
        prompts: Sequence[Conversation | Rendered],
        *,
        max_new_tokens: Sequence[int],
        samplings: Sequence[Sampling],
        stop: Sequence[Sequence[str]],
        guard: Watcher | None = None,
        answers: Callable[[int, Any], bool] = lambda number, verdict: True,
        slots: Iterable[int] = (),
    ) -> Replying:
        """Replies to a few prompts, one batch, a token at a time: nothing runs before their first `step`.

        Each prompt has its own limit, sampling and stop strings. `guard` judges the prompts in the run that
        computes their first tokens, and `answers` says of each prompt's number and verdict whether it is to
        be answered. `slots`: whose states are to be read of every reply token. Raises `ValueError` as
        `generate`, and for prompts that cannot be in one batch.
        """
        if not prompts or min(max_new_tokens) < 1:
            raise ValueError("replying needs a prompt, and at least one token a reply")
        if guard is not None and guard.module is not self.module:
            raise ValueError("this guard judges the states of another model; load it beside this one")
        rendered = (self if guard is None else self.dated(guard.date))._rendered(prompts)
        watch = None if guard is None else Watch(guard, rendered)
        prefill = self._runner.prefill(
            rendered,
            new_tokens=max(max_new_tokens),
            share=True,
            before=None if watch is None else watch.reading().first,
        )
        if prefill.level and len({len(one.ids) for one in rendered}) > 1:
            raise ValueError("these prompts are not equally long, and this model's cache may hold no padding")
        ends = frozenset(self._ends())
        return Replying(
            prefill,
            [
                Ending(limit, ends, tuple(each), self._decode)
                for limit, each in zip(max_new_tokens, stop, strict=True)
            ],
            samplings,
            watch=watch,
            answers=answers,
            slots=chosen_slots(slots, self.n_slots) if (slots := tuple(slots)) else (),
        )

    @contextmanager
    def following(
        self,
        prompts: Sequence[Conversation | Rendered],
        *,
        positions: Sequence[Position] = ("t_inst",),
        slots: Iterable[int] | None = None,
    ) -> Generator[Followed]:
        """Inside the `with` block, one call of `module.generate` by others is read on its way.

        Every token is compared with the proved rendering of these prompts: whatever the padding, the chunks
        of the prefill or the rows a prompt, states are read at `positions` or the call raises
        `RunNotFollowed`. Yields a `Followed`: `.states` holds what was read once the prompts have passed.
        """
        rendered, _ = self._positioned(prompts, positions)
        followed = Followed(rendered, tuple(positions), chosen_slots(slots, self.n_slots))
        with following(self.module, self.blocks, followed):
            yield followed

    def next_token_logits(
        self, prompts: Sequence[Conversation | Rendered], *, progress: Progress = silent
    ) -> Float[Tensor, "prompt vocab"]:
        """Logits of the first reply token, float32 on the CPU."""
        return _generate.next_token_logits(
            self._runner.prefill(self._rendered(prompts), new_tokens=0, share=True),
            budget=self._tokens_a_batch,
            progress=progress,
        )

    @torch.no_grad()
    def unembed(self, states: Float[Tensor, "*any hidden"]) -> Float[Tensor, "*any vocab"]:
        """Logits of the next token by the model's own final norm, head and logit map, float32 on the CPU.

        Of states at slot L they are the model's, proved when it was loaded; of earlier slots, the logit lens.
        """
        return self.blocks.logits(states.to(self.device, self.dtype)).cpu()

    def edited(self, edits: Sequence[Edit]) -> AbstractContextManager[None]:
        """Edits in force inside the `with` block, for this thread's capture, generate and next_token_logits.

        They live in activations only. A run in which an edit touched no token raises `EditMatchedNothing`;
        calling the module directly raises `UnscopedRun`. Raises `ModelNotSupported` for a model whose edits
        could not be proved when it was loaded.
        """
        if "edits" in self.proof.refusals:
            raise ModelNotSupported(
                f"{self.name} cannot be edited: {self.proof.refusals['edits']}.\n  Its states can be read."
            )
        return edited(self.blocks, edits, self.hidden_size, self._sites(edits))

    def edited_logits(
        self, prompt: Conversation | Rendered, alternatives: Sequence[Sequence[Edit]], *, at_once: int = 32
    ) -> Float[Tensor, "alternative vocab"]:
        """Logits of the first reply token to one prompt under each list of edits, float32 on the CPU.

        Each run goes on from the first block and token that its edits can change, `at_once` of them in a
        batch. Where that could not be proved of this model, every run is a whole one, and a warning says so.
        Raises as `edited`, and `ValueError` inside another `edited` block.
        """
        return self.edited_logits_at(prompt, alternatives, positions=("t_post_inst",), at_once=at_once)[:, 0]

    def edited_logits_at(
        self,
        prompt: Conversation | Rendered,
        alternatives: Sequence[Sequence[Edit]],
        *,
        positions: Sequence[Position],
        at_once: int = 32,
    ) -> Float[Tensor, "alternative position vocab"]:
        """As `edited_logits`, of the token that follows each of `positions` of the prompt."""
        if any_active():
            raise ValueError("edited_logits takes its edits as arguments, and others are in force here")
        if not alternatives or not positions or at_once < 1:
            raise ValueError(
                "edited_logits needs a list of edits, a position, and a batch of at least one each"
            )
        rendered = self._rendered([prompt])[0]
        at = [rendered.index(position) for position in positions]
        if why := self.proof.refusals.get("resume"):
            warnings.warn(f"every edited run is a whole one: {self.name} cannot resume ({why})", stacklevel=2)
            return torch.cat([self._whole_logits(rendered, edits, at) for edits in alternatives])
        return resumed_logits(
            self.blocks,
            rendered,
            alternatives,
            device=self.device,
            hidden_size=self.hidden_size,
            sites=self._sites(edit for edits in alternatives for edit in edits),
            at_once=at_once,
            may_cache=self._runner.cache_may_be_padded([rendered]),
            at=at,
        )

    def _whole_logits(
        self, rendered: Rendered, edits: Sequence[Edit], at: Sequence[int]
    ) -> Float[Tensor, "1 position vocab"]:
        with self.edited(edits):
            states = self.capture([rendered], positions=at, slots=[self.n_blocks], dtype=None).tensor
        return self.blocks.logits(states[:, :, 0].to(self.device)).cpu()

    def _sites(self, edits: Iterable[Edit]) -> tuple[HeadSite | None, ...]:
        """The heads' sites, where an edit needs them."""
        of_heads = any(isinstance(edit, ScaleHeads | ReplaceHeads) for edit in edits)
        return self.proof.head_sites(self.name) if of_heads else ()

    def remembering(self, folder: str | os.PathLike[str] | None = None) -> AbstractContextManager[None]:
        """Inside the `with` block a state that was captured once is kept, and never computed again.

        For work that reads the same prompts several times, at the price of the states in the model's dtype.
        `generate` keeps every slot at t_inst and t_post_inst of its prompts, whose tokens it runs anyway.
        Edited runs are neither kept nor answered from what is kept. With `folder` the states are kept on
        disk, under this model's fingerprint, so that work which was killed goes on where it was; untrained
        copies made inside the block keep theirs beside them.
        """
        return self._memory.remembering(folder, self.identity)

    def hold_beginning(self, prompt: Conversation | Rendered, tokens: int) -> bool:
        """From now on, prompts that begin with the first `tokens` tokens of `prompt` are read and answered
        from there on: those tokens run once, here. For a template's opening, which every prompt repeats.

        Returns False where this model's beginnings could not be proved to be shared; nothing changes then.
        What was held before is let go. Raises `ValueError` for no token, or for all of the prompt's.
        """
        (rendered,) = self._rendered([prompt])
        if not 0 < tokens < len(rendered.ids):
            raise ValueError(f"{tokens} of the {len(rendered.ids)} tokens of a prompt are no beginning of it")
        self._held = None
        if self._runner.cache_may_be_padded([rendered]):
            self._held = hold(self.blocks, self.device, rendered, tokens)
        return self._held is not None

    def dated(self, date: str | None) -> "LanguageModel":
        """This model, whose template is told another date (ISO); itself where that changes nothing.

        A template that writes the date is told that of the day on which the model was loaded.
        """
        chat = self.chat.dated(date)
        if chat is self.chat:
            return self
        made = copy.copy(self)
        made.chat = chat
        return made

    def reinitialised(self, seed: int, *, deepest_slot: int | None = None) -> "LanguageModel":
        """The same architecture, tokenizer and template with fresh weights by the model's own initialiser.

        `deepest_slot`: blocks from there on are left out, when no deeper slot will be read. The copy needs
        the memory of its largest part alone (see `untrained.py`); what was proved of this model's parts
        holds for the copy's. Raises `ModelNotSupported` where the initialiser leaves a tensor unfilled.
        """
        blocks = self.n_blocks if deepest_slot is None else max(deepest_slot, 1)
        made = untrained_copy(self.module, self.blocks, seed, blocks, self.device)
        fresh = copy.copy(self)
        fresh.module, fresh.blocks, fresh._fingerprint = made.module, made.blocks, made.fingerprint
        fresh.name, fresh.notes = f"{self.name} (untrained copy, seed {seed})", ()
        fresh.quantisation, fresh._held, fresh._beginnings = None, None, None
        fresh._memory = self._memory.of_copy(fresh.identity)
        fresh._budget = Budget.of_copy(self.device)
        fresh.proof = self.proof.of_copy()
        return fresh

    def _positioned(
        self, prompts: Sequence[Conversation | Rendered], positions: Sequence[Position]
    ) -> tuple[list[Rendered], list[tuple[int, ...]]]:
        rendered = self._rendered(prompts)
        if not rendered or not positions:
            raise ValueError("capture needs at least one prompt and one position")
        return rendered, [tuple(prompt.index(position) for position in positions) for prompt in rendered]

    @property
    def _runner(self) -> Runner:
        return Runner(
            self.blocks, self.device, self.proof.shares_prefixes, self._budget, self._memory, self._held
        )

    def _rendered(self, prompts: Sequence[Conversation | Rendered]) -> list[Rendered]:
        return [prompt if isinstance(prompt, Rendered) else self.render(prompt) for prompt in prompts]

    @property
    def end(self) -> int:
        """The token that ends a reply: the first that the model's own configuration names.

        Raises `ModelNotSupported` where neither it nor the tokenizer names one.
        """
        if not self._ends():
            raise ModelNotSupported(f"{self.name} names no end token, so no reply can be made to end.")
        return self._ends()[0]

    @property
    def pad(self) -> int:
        """A token to pad with; what it is makes no difference to what is read."""
        return 0 if self.tokenizer.pad_token_id is None else int(self.tokenizer.pad_token_id)

    def _ends(self) -> Sequence[int]:
        configured = getattr(self.module.generation_config, "eos_token_id", None)
        listed = configured if isinstance(configured, list) else [configured]
        named = [token for token in (*listed, self.tokenizer.eos_token_id) if token is not None]
        return tuple(dict.fromkeys(named))

    def _decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
