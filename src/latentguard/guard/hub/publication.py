"""What of a guard leaves this machine: by default nothing that its readers do not need to be flagged by it.

left out      what it would tell                                               wanted with
refusal       the direction by which the model's refusals can be suppressed    with_refusal
prompts       words and hashes of the prompts it was fitted on                 with_words, or prompts of ours
name          a folder of this machine, and what its chat template writes      model

What is left is a whole guard: it loads, and flags what it flagged before.
"""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from torch import Tensor

from latentguard._paths import BUNDLED
from latentguard._text import inert
from latentguard.data import contrast_set
from latentguard.errors import NotShared
from latentguard.guard import artefact
from latentguard.guard.manifest import Manifest
from latentguard.guard.refusal import AT
from latentguard.guard.relatives import remembered_as
from latentguard.lm import Identity
from latentguard.organism import audit_data

UNNAMED = "unnamed model"
_TENSORS = ("probe.", "harmfulness.", "refusal.", "answers.", "permuted_", "untrained_", "category_")
"""How the tensors begin whose publication was decided about; any other stays here."""


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """A guard as it is published."""

    manifest: Manifest
    files: dict[str, bytes]
    """guard.json and guard.safetensors."""
    holds: tuple[str, ...]
    left_out: tuple[str, ...]
    """A sentence each, about what a publisher may want to keep."""

    @property
    def with_refusal(self) -> bool:
        """Whether the direction of the model's refusals can be read off it."""
        answers = self.manifest.answers
        of_answers = answers is not None and bool(answers.refusal_slots)
        return self.manifest.refusal is not None or of_answers or AT in self.manifest.fitted.positions

    @property
    def base_model(self) -> str | None:
        """The hub id of its model; None where it has none that is known."""
        return _hub_id(self.manifest.model)


def publication(
    folder: str | Path, *, with_refusal: bool = False, with_words: bool = False, model: str | None = None
) -> Publication:
    """The guard in `folder` as it may be published. Nothing is sent.

    `model`: the hub id of a model that it was fitted on from a folder. Raises `ArtefactMismatch` where the
    folder holds no sound guard, and `NotShared` for a guard whose refusal part cannot be left out, or a
    `model` that is no hub id.
    """
    manifest, tensors = artefact.read(Path(folder))
    holds = [
        "the probe and the harmfulness centroids (how the model tells harm)",
        "how many prompts it was fitted on, and one hash of each whole set, by which that set is known again",
    ]
    left_out: list[str] = []
    if with_refusal:
        if manifest.refusal is not None or AT in manifest.fitted.positions:
            holds.append("the refusal part (how the model's refusals can be suppressed)")
        if manifest.answers is not None:
            holds.append("how the model's answers are read, and when one is cut")
    else:
        if manifest.refusal is not None or manifest.behaviour:
            left_out.append("the refusal part: centroids, threshold, and how often the model refused")
        if manifest.answers is not None:
            left_out.append(
                "how the model's answers are read: it rests on the difference of refusals and answers"
            )
        manifest, tensors = without_refusal(manifest, tensors)
    if with_words or _ours(manifest):
        whose = "this package's own prompts" if _ours(manifest) else "the prompts it was fitted on"
        holds.append(
            f"words and short hashes of {whose} (the TF-IDF baseline; what an evaluation leaves out)"
        )
    else:
        manifest = without_prompts(manifest)
        left_out.append("words and hashes of the prompts it was fitted on, and with them the TF-IDF baseline")
    if model is not None:
        manifest = _named(manifest, model)
    elif _hub_id(manifest.model) is None and manifest.model.name not in BUNDLED:
        manifest = without_name(manifest)
        left_out.append("the name of the model's folder, and what its chat template writes")
    if manifest.categories:
        holds.append("the names of its categories of harm")
    tensors = {name: tensor for name, tensor in tensors.items() if name.startswith(_TENSORS)}
    return Publication(manifest, _files(manifest, tensors), tuple(holds), tuple(left_out))


def without_refusal(manifest: Manifest, tensors: dict[str, Tensor]) -> tuple[Manifest, dict[str, Tensor]]:
    """The same guard without a refusal belief: verdicts then have none, and its answers are not cut.

    How answers are read goes with it: a refusal must raise no trigger, so it is known there, too.

    Raises `NotShared` for a guard whose own probe reads t_post_inst: there the difference between harmful and
    harmless prompts is the direction of refusal (Arditi et al. 2024, arXiv 2406.11717), whatever else is
    dropped.
    """
    if AT in manifest.fitted.positions:
        raise NotShared(
            f"this guard reads {AT}, where the direction of harm is that of the model's refusals.\n"
            "  Its refusal part cannot be left out. Fit a guard at t_inst (latentguard fit --position t_inst)"
            ",\n  or publish that direction knowingly with --with-refusal."
        )
    kept = {name: one for name, one in tensors.items() if not name.startswith(("refusal.", "answers."))}
    why = manifest.refusal_unavailable
    if manifest.refusal is not None:
        why = "left out when this guard was published"
    return _changed(
        manifest,
        refusal=None,
        answers=None,
        refusal_unavailable=why,
        behaviour={},
        calibrations=_without(manifest, "refusal_belief"),
    ), kept


def without_prompts(manifest: Manifest) -> Manifest:
    """The same record without a trace of single prompts: no words, and no hashes to look a prompt up by."""
    text = manifest.text.model_copy(update={"terms": (), "inverse_frequency": (), "term_weights": ()})
    return _changed(
        manifest,
        text=text,
        calibrations=_without(manifest, "tfidf"),
        data=manifest.data.model_copy(update={"seen": ()}),
    )


def without_name(manifest: Manifest) -> Manifest:
    """The same record of a model without a name; its fingerprints still tell which one it is."""
    return _changed(
        manifest,
        model=manifest.model.model_copy(update={"name": UNNAMED, "revision": None}),
        proof=manifest.proof.model_copy(update={"positions": None}),
    )


def _named(manifest: Manifest, model: str) -> Manifest:
    try:
        validate_repo_id(model)
    except HFValidationError:
        raise NotShared(f"{inert(model)!r} is no id of a model on the hub.\n  Write OWNER/NAME.") from None
    if model == manifest.model.name:
        return manifest
    return _changed(manifest, model=manifest.model.model_copy(update={"name": model, "revision": None}))


def _hub_id(identity: Identity) -> str | None:
    """The id that a model's name is, that of its repository for a GGUF file; None for any other name.

    An adapter's name holds that of a folder.
    """
    repository, _, file = identity.name.partition(":")
    try:
        validate_repo_id(repository)
    except HFValidationError:
        return None
    return repository if "/" in repository and (not file or file.endswith(".gguf")) else None


def _ours(manifest: Manifest) -> bool:
    """Whether all that it was fitted and chosen on are prompts of this package: they are public as it is."""
    seen = manifest.data.seen
    return bool(seen) and _marks_of_ours(manifest.fitted.seed).issuperset(seen)


@cache
def _marks_of_ours(seed: int) -> frozenset[str]:
    """What is remembered of the contrast set, and of the organism's prompts under the seed of a fit."""
    contrast, organism = contrast_set(), audit_data(seed=seed)
    ours = (*contrast.train, *contrast.validation, *contrast.test, *organism[0], *organism[1])
    return frozenset[str]().union(*map(remembered_as, ours))


def _without(manifest: Manifest, name: str) -> dict[str, object]:
    return {key: value for key, value in manifest.calibrations.items() if key != name}


def _changed(manifest: Manifest, **fields: object) -> Manifest:
    return manifest.model_copy(update=fields)


def _files(manifest: Manifest, tensors: dict[str, Tensor]) -> dict[str, bytes]:
    """Both files, read again: a guard that could not be loaded is never sent."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "guard"
        artefact.write(folder, manifest, tensors)
        artefact.read(folder)
        return {name: (folder / name).read_bytes() for name in (artefact.RECORD, artefact.TENSORS)}
