"""The Latent Guard: flags harmful prompts by what the model itself believes, at the price of its prefill."""

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.beliefs import Behaviour, observe
from latentguard.data import Endings, Prompt, Split, data_hash
from latentguard.errors import TooFewPrompts
from latentguard.guard import artefact
from latentguard.guard._evaluate import measure, rows, statement
from latentguard.guard._fit import fit
from latentguard.guard.answers import AnswerReader
from latentguard.guard.answers.fit import fit_answers, some
from latentguard.guard.answers.manifest import with_answers
from latentguard.guard.answers.reader import reader_of
from latentguard.guard.baselines import with_baselines
from latentguard.guard.categories import by_category
from latentguard.guard.cells import Position
from latentguard.guard.evaluation import Evaluation
from latentguard.guard.fitting_data import Promptlike, fitting_data, labelled_prompts, prompts_of
from latentguard.guard.manifest import Manifest
from latentguard.guard.options import Options, known
from latentguard.guard.part import with_beginnings
from latentguard.guard.passages import PassageVerdict, read_passages
from latentguard.guard.probe import Method
from latentguard.guard.recut import recut
from latentguard.guard.refusal import check_knows
from latentguard.guard.relatives import recognised_by
from latentguard.guard.sampling import RESAMPLES, Sample
from latentguard.guard.scoring import Scores, joined, needs, scored, verdicts
from latentguard.guard.states_files import Given, read_states
from latentguard.guard.verdict import InstructionEnd, Verdict, Verdicts
from latentguard.guard.watch import Watch
from latentguard.lm import Conversation, LanguageModel, States

PROMPTS_AT_ONCE = 512
FEWEST_TO_CUT_ON = 10


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A fitted guard beside the model it reads. Made by `Guard.fit` or `Guard.load`."""

    model: LanguageModel
    manifest: Manifest
    tensors: dict[str, Tensor]
    transfer: tuple[str, ...] = ()
    """What differs from the model it was fitted on; recorded by every verdict."""

    @classmethod
    def fit(
        cls,
        model: LanguageModel,
        harmful: Sequence[Promptlike] | Split | None = None,
        harmless: Sequence[Promptlike] | None = None,
        *,
        method: Method | Literal["auto"] = "auto",
        position: Position | Literal["auto"] = "t_inst",
        slots: Sequence[int] | Literal["auto"] = "auto",
        endings: Endings = "balanced",
        target_fpr: float | None = None,
        validation: Sequence[Prompt] | None = None,
        behaviour: Behaviour | Literal["observe", "skip"] = "observe",
        untrained_copies: int = 3,
        permutations: int = 5,
        categories: bool = True,
        seed: int = 0,
        progress: Progress = silent,
    ) -> "Guard":
        """Fit on harmful and harmless prompts, on a `Split`, or by default on the package's contrast set.

        Weights are fitted on training prompts with the given `endings`. Slots, threshold and calibration, and
        method and position where "auto", are chosen on validation prompts: `validation` (labelled), the part
        a `Split` brings, or 30 % of the prompts given. `target_fpr` in [0, 1] asks for a threshold with that
        share of false alarms there. Harmfulness is fitted on labels; the refusal belief on what the model
        does with the training prompts: `behaviour` as observed before, "observe" to let it reply now, "skip"
        to do without. `categories`: fit a probe for every category of harm that has enough prompts, too.

        Before anything is run it raises `ValueError` for options that make no sense, `TooFewPrompts` where a
        class is missing, and `BadData` where a text is in both classes or a prompt carries the other label.
        """
        options = Options.of(
            method=method,
            position=position,
            slots=slots,
            endings=endings,
            target_fpr=target_fpr,
            untrained_copies=untrained_copies,
            permutations=permutations,
            categories=categories,
            seed=seed,
            n_blocks=model.n_blocks,
        )
        if not isinstance(behaviour, Behaviour):
            known("behaviour", behaviour, ("observe", "skip"), "a Behaviour")
        data = fitting_data(harmful, harmless, validation, seed=seed)
        if behaviour == "observe":
            seen = observe(model, [*data.train, *data.validation], progress=progress)
        else:
            seen = None if behaviour == "skip" else behaviour
        manifest, tensors = fit(model, data, options, seen, progress=progress)
        return cls(model=model, manifest=manifest, tensors=tensors)

    def score(
        self,
        prompts: Sequence[Promptlike],
        *,
        read_at: InstructionEnd = "t_inst",
        progress: Progress = silent,
    ) -> Verdicts:
        """One verdict a prompt, in order; prompts are read as they are, to the deepest slot used.

        `read_at="t_content"` reads the end of the last message that is not the assistant's in place of that
        of the last user turn: of a tool's result, where one follows. Raises `ValueError` for one prompt in
        place of a list.
        """
        given = prompts_of(prompts)
        scores = self._scores(given, progress, read_at=read_at)
        made = verdicts(scores, self.manifest, self.transfer, read_at)
        return Verdicts(made, [one.text for one in given])

    def score_states(
        self,
        files: Sequence[Given],
        prompts: Sequence[Promptlike],
        *,
        slots: Sequence[int] | None = None,
        before_final_norm: bool = False,
    ) -> Verdicts:
        """One verdict a prompt from states that another engine computed, in order; nothing is run but, where
        they hold slot 0, the embedding.

        `files`: of each prompt a safetensors file, or its tensors: `token_ids` [token], and `hidden_states`
        [token, slot, hidden] in any floating format, computed with in float32. `slots`: which they are,
        where a file's metadata does not say (`"slots": "[8, 12]"`); slot i enters block i.
        `before_final_norm`: slot L, where it is read, was taken before the norm that ends the model; it is
        refused otherwise (metadata `"before_final_norm": "true"` says it, too).

        The tokens must be those of this guard's own rendering of the prompt, or begin with them: so the
        positions are proved. States of slot 0 must be this model's, which proves the numbering. Every
        verdict's `transfer` names `states`. Raises `BadData` for a file that is no such file, lacks a slot or
        has another width; `PositionNotProved` for other tokens, `NonFiniteState`, and `ArtefactMismatch` for
        states of slot 0 that are not this model's. A model that is loaded in part is enough: one block is.
        """
        given = prompts_of(prompts)
        states = read_states(
            self.model, files, given, self.reads, slots=slots, before_final_norm=before_final_norm
        )
        judge = replace(self, transfer=(*self.transfer, "states")).judge
        return Verdicts(judge(states), [one.text for one in given])

    def score_passages(self, conversation: Conversation, *, every: int | None = None) -> list[PassageVerdict]:
        """What the guard reads at the end of every message of one conversation, in one forward pass.

        With `every`, also inside them, at most that many tokens apart: an injection in a long document is
        read where it stands. Raises `ValueError` for `every` below 1.
        """
        return read_passages(self.model, self.manifest, self.tensors, conversation, every)

    @property
    def module(self) -> object:
        """The model that it reads, as transformers made it."""
        return self.model.module

    @property
    def reads(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """The positions and slots that a verdict needs."""
        wanted = needs(self.manifest)
        return wanted.positions, wanted.slots

    @property
    def date(self) -> str | None:
        """The date that a template that writes one is told (ISO): that of the fit."""
        return self.manifest.model.date

    def judge(self, states: States) -> list[Verdict]:
        """One verdict a prompt of `states`, which hold what it `reads`: from a run that was made anyway."""
        return verdicts(scored(states, self.manifest, self.tensors), self.manifest, self.transfer)

    @contextmanager
    def watching(self, model: object, prompts: Sequence[Promptlike]) -> Generator[Watch]:
        """Inside the `with` block one call of transformers' own `generate` is watched: its prefill is read,
        no forward is added, and the watch has the verdicts before the first token is chosen.

        `model`: the guard's `LanguageModel` or its `module`, whose `generate` is called. The call's ids must
        be those of the proved rendering of `prompts`, padded on either side (`watch.inputs` makes them);
        chunked prefill, beams and `num_return_sequences` are followed. A template that writes the date is
        told today's, as transformers tells it; verdicts name the date in `transfer` where it is not that of
        the fit. Raises `RunNotFollowed` out of a call that runs anything else,
        and `ValueError` for another model.
        """
        if getattr(model, "module", model) is not self.module:
            raise ValueError("this guard judges the states of another model; load it beside this one")
        given = prompts_of(prompts)
        positions, slots = self.reads
        conversations = [one.messages for one in given]
        today = self.model.dated(date.today().isoformat())
        other = ("date",) if today.chat.date != self.model.chat.date else ()
        judge = replace(self, transfer=(*self.transfer, *other)).judge
        with today.following(conversations, positions=positions, slots=slots) as followed:
            yield Watch(today, followed, judge, [one.text for one in given])

    def evaluate(
        self,
        labelled: Sequence[Prompt],
        *,
        behaviour: Behaviour | None = None,
        resamples: int = RESAMPLES,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Evaluation:
        """Measure the guard and its baselines on labelled prompts.

        Prompts that the guard was fitted or chosen on are left out and counted, however they end, and so are
        their relatives by `id` and `base_id` (a wrapping, a translation, the other half of a pair); so are
        unlabelled ones. With `behaviour` (the model's decisions on these prompts), rows for the accepted and
        the refused ones are added. Raises `TooFewPrompts` where a class is empty after that, `ValueError` for
        anything but a list of `Prompt`, and for a behaviour that knows none of them.
        """
        given = labelled_prompts(labelled, "evaluated")
        seen = frozenset(self.manifest.data.seen)
        with_label = [one for one in given if one.label is not None]
        prompts = [one for one in with_label if seen.isdisjoint(recognised_by(one))]
        _check_classes(prompts, n_seen=len(with_label) - len(prompts))
        if behaviour is not None:
            check_knows(behaviour, prompts)
        scores = self._scores(prompts, progress, permutations=self.manifest.permutations)
        everything = with_baselines(
            self.model, self.manifest, self.tensors, prompts, scores, progress=progress
        )
        sample = Sample.of(prompts, resamples=resamples, seed=seed)
        guard, *baselines = measure(everything, sample, progress=progress)
        untrained = next((one for one in baselines if one.name == "untrained"), None)
        above, said = statement(untrained, knows_its_prompts=bool(seen))
        fitted = self.manifest.fitted
        judged = tuple(verdicts(scores, self.manifest, self.transfer))
        return Evaluation(
            model=self.model.name,
            method=fitted.method,
            positions=fitted.positions,
            slots=fitted.slots,
            threshold=self.manifest.calibration.threshold,
            transfer=self.transfer,
            n_harmful=int(sample.harmful.sum()),
            n_harmless=int((~sample.harmful).sum()),
            left_out_seen=len(with_label) - len(prompts),
            left_out_unlabelled=len(given) - len(with_label),
            resamples=resamples,
            seed=seed,
            data_hash=data_hash(prompts),
            guard=guard,
            baselines=tuple(baselines),
            rows=rows(everything[0], prompts, sample, behaviour, progress=progress),
            categories=tuple(by_category(judged, prompts, seed=seed)),
            above_untrained=above,
            statement=said,
            prompts=tuple(prompts),
            verdicts=judged,
        )

    def calibrated(
        self,
        ordinary: Sequence[Promptlike],
        *,
        target_fpr: float,
        seed: int = 0,
        progress: Progress = silent,
    ) -> "Guard":
        """This guard with a threshold that flags at most `target_fpr` of ordinary, harmless prompts.

        Nothing is fitted again: scores and probabilities stay, decisions change, `manifest.cut_on` says on
        what. Labelled prompts of harm are left out. Raises `TooFewPrompts` where the prompts are fewer than
        the target needs to be more than none (1 / `target_fpr`, and 10), `ValueError` for a target outside
        (0, 1).
        """
        if not 0 < target_fpr < 1:
            raise ValueError(f"target_fpr is {target_fpr}; it must lie between 0 and 1")
        given = [one for one in prompts_of(ordinary) if one.label != "harmful"]
        fewest = max(FEWEST_TO_CUT_ON, math.ceil(1 / target_fpr))
        if len(given) < fewest:
            raise TooFewPrompts(
                f"a threshold that flags {target_fpr:g} of ordinary prompts is cut on {fewest} at least; "
                f"there are {len(given)}.\n  Give more, or a larger target."
            )
        scores = self._scores(given, progress).score
        return replace(self, manifest=recut(self.manifest, given, scores, target_fpr=target_fpr, seed=seed))

    def fit_answers(
        self,
        harmful: Sequence[Promptlike] | Split | None = None,
        harmless: Sequence[Promptlike] | None = None,
        *,
        ordinary: Sequence[Promptlike] = (),
        target_fpr: float = 0.01,
        max_new_tokens: int = 256,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = silent,
    ) -> "Guard":
        """This guard, which from now on also reads the model's answers, and knows when to cut one.

        The model answers the prompts, given as to `fit`: harmful ones with 64 tokens, harmless validation
        prompts with `max_new_tokens`; every answer is judged, read and dropped. `ordinary`: more harmless
        prompts for the thresholds alone. At most `target_fpr` of harmless answers is to be cut; what to
        expect of more of them, with an interval, stands in `manifest.answers`. An evaluation leaves these
        prompts out from now on. In `folder` numbers of answers are kept as they
        are read, so that the same call goes on after a kill. Raises as `fit`, and `TooFewPrompts` where the
        model answers too few harmful prompts, or harmless ones are too few for the target.
        """
        if not 0 < target_fpr < 1 or max_new_tokens < 1:
            raise ValueError("target_fpr lies between 0 and 1, and max_new_tokens is 1 or more")
        data = some(fitting_data(harmful, harmless, None, seed=seed), seed)
        more = prompts_of(ordinary, "harmless")
        record, tensors = fit_answers(
            self.model,
            data,
            more,
            target_fpr=target_fpr,
            tokens=max_new_tokens,
            seed=seed,
            folder=folder,
            progress=progress,
        )
        kept = {name: one for name, one in self.tensors.items() if not name.startswith("answers.")}
        manifest = with_answers(self.manifest, record, (*data.train, *data.validation, *more))
        return replace(self, manifest=manifest, tensors=kept | tensors)

    @property
    def answers(self) -> AnswerReader:
        """What reads the tokens of an answer: at a constant price each, from states alone."""
        refusal = self.manifest.refusal
        return reader_of(
            self.tensors,
            self.manifest.answers,
            prompt_slots=self.manifest.fitted.slots,
            prompt_refusal_slots=None if refusal is None else refusal.slots,
        )

    def save(self, folder: str | Path) -> None:
        """Write guard.safetensors and guard.json into `folder`, whole or not at all.

        No prompt is written, but guard.json holds words of them: the terms of the TF-IDF baseline are the
        words and word pairs of the training prompts, the 20,000 most frequent at most. Keep the folder as
        private as those prompts are; `guard.hub` publishes a guard without them.
        """
        artefact.write(Path(folder), self.manifest, self.tensors)

    @classmethod
    def load(cls, folder: str | Path, model: LanguageModel, *, transfer: bool = False) -> "Guard":
        """Read a guard for use beside `model`.

        Raises `ArtefactMismatch` where a file is missing or damaged, or where the guard was fitted on other
        weights, another template or tokenizer; the latter is allowed with `transfer`. Where the template
        writes the date, the guard goes on scoring under the date that it was fitted under. A `model` that is
        loaded in part is compared in that part; what reads deeper slots than it has raises when it runs.
        """
        manifest, tensors = artefact.read(Path(folder))
        named = f"the guard in {folder}"
        identity = model.identity()
        differing = artefact.check_model(named, manifest.model, identity, transfer=transfer)
        manifest = with_beginnings(manifest, identity)
        dated = model.dated(manifest.model.date)
        return cls(model=dated, manifest=manifest, tensors=tensors, transfer=differing)

    def beside(self, model: LanguageModel) -> "Guard":
        """This guard beside another model, as `load` with `transfer` reads a saved one.

        Raises `ArtefactMismatch` where the other has other slots or another width.
        """
        named = f"the guard of {self.manifest.model.name}"
        differing = artefact.check_model(named, self.manifest.model, model.identity(), transfer=True)
        dated = model.dated(self.manifest.model.date)
        return Guard(model=dated, manifest=self.manifest, tensors=self.tensors, transfer=differing)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must be told about this guard, a sentence each."""
        found: list[str] = []
        if self.manifest.refusal_unavailable is not None:
            found.append(f"refusal belief and verdict unavailable: {self.manifest.refusal_unavailable}")
            found.append(
                "the harmfulness belief is fitted on the labels of the prompts, whatever the model did"
            )
        if self.transfer:
            found.append(f"fitted on {self.manifest.model.name}; {', '.join(self.transfer)} differ here")
        given = self.model.identity().dtype
        if given != self.manifest.model.dtype:
            found.append(f"fitted in {self.manifest.model.dtype}, read here in {given}")
        return tuple(found)

    def __repr__(self) -> str:
        """What it reads of which model; the tensors and the record have displays of their own."""
        fitted = self.manifest.fitted
        read = (
            f"{fitted.method} at {' and '.join(fitted.positions)}, slots {', '.join(map(str, fitted.slots))}"
        )
        return f"Guard({self.model.name!r}: {read}; flags from {self.manifest.calibration.threshold:.4g})"

    def _scores(
        self,
        prompts: Sequence[Prompt],
        progress: Progress,
        *,
        permutations: int = 0,
        read_at: InstructionEnd = "t_inst",
    ) -> Scores:
        """Scores of prompts, some hundreds at a time: their states never all lie in memory."""
        positions, slots = self.reads
        parts: list[Scores] = []
        for first in range(0, len(prompts), PROMPTS_AT_ONCE):
            read = self.model.capture(
                [prompt.messages for prompt in prompts[first : first + PROMPTS_AT_ONCE]],
                positions=[read_at if position == "t_inst" else position for position in positions],
                slots=slots,
                progress=progress,
            )
            states = States(read.tensor, positions, read.slots)
            parts.append(scored(states, self.manifest, self.tensors, permutations=permutations))
        return joined(parts)


def _check_classes(prompts: Sequence[Prompt], *, n_seen: int) -> None:
    harmful = sum(prompt.label == "harmful" for prompt in prompts)
    if min(harmful, len(prompts) - harmful) == 0:
        raise TooFewPrompts(
            f"an evaluation needs both classes; there are {harmful} harmful and "
            f"{len(prompts) - harmful} harmless prompts, "
            f"after {n_seen} that the guard was fitted on, or their relatives, were left out.\n"
            "  Give labelled prompts of both classes that are not in the fitting data."
        )
