"""A guard beside the beginning of its model: how much of it must be loaded, and whether it can be known."""

from typing import TYPE_CHECKING

from latentguard.errors import ArtefactMismatch
from latentguard.guard.manifest import Manifest
from latentguard.guard.scoring import needs
from latentguard.lm import Identity

if TYPE_CHECKING:
    from latentguard.guard.guard import Guard


def blocks_read(manifest: Manifest) -> int:
    """Blocks that must be loaded for every slot that a verdict needs, the refusal belief's too."""
    return max(*needs(manifest).slots, 1)


def require_depth(guard: "Guard", named: str) -> None:
    """Raises `ArtefactMismatch` where the model beside which `guard` stands lacks a slot that it reads.

    `named`: which guard it is, in words.
    """
    deepest, there = blocks_read(guard.manifest), guard.model.n_blocks
    if deepest > there:
        raise ArtefactMismatch(
            f"{named} reads slot {deepest}; of {guard.model.name!r} {there} blocks are loaded, with slots 0 "
            f"to {there}.\n  Load {deepest} blocks: start again with this guard."
        )


def no_beginnings(named: str) -> ArtefactMismatch:
    """That a guard was written before `Identity.beginnings` was, and how to give it them."""
    return ArtefactMismatch(
        f"{named} does not record the weights of its model's beginning, so a part of its model cannot be "
        "told from a part of another.\n"
        "  It was written by an older version. Load it once beside the whole model, and save it:\n"
        "  Guard.load(folder, latentguard.load(model)).save(folder)"
    )


def with_beginnings(manifest: Manifest, given: Identity) -> Manifest:
    """The same record with the fingerprints of the model's beginnings, which older records lack, once it
    stands beside the very model that it was fitted on: saved again, it can be loaded beside a part of it."""
    fitted = manifest.model
    whole = given.loaded_blocks is None and fitted.fingerprint == given.fingerprint
    if fitted.beginnings is not None or not whole:
        return manifest
    model = fitted.model_copy(update={"beginnings": given.beginnings})
    return manifest.model_copy(update={"model": model})
