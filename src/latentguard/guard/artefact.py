"""A guard on disk: guard.safetensors and guard.json in a folder, written whole or not at all. No pickle."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from latentguard.errors import ArtefactMismatch
from latentguard.guard.manifest import SCHEMA_VERSION, Manifest
from latentguard.guard.part import no_beginnings
from latentguard.lm import Identity

TENSORS, RECORD = "guard.safetensors", "guard.json"


def write(folder: Path, manifest: Manifest, tensors: dict[str, Tensor]) -> None:
    """Write both files into a new folder beside `folder`, then put it in its place.

    An older guard there is replaced. Raises `ArtefactMismatch` where `folder` holds anything else.
    """
    if folder.exists() and not (
        folder.is_dir() and {each.name for each in folder.iterdir()} <= {TENSORS, RECORD}
    ):
        raise ArtefactMismatch(
            f"{folder} exists and holds other things than a guard; nothing was written.\n"
            "  Choose another folder, or empty this one."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        data = save_tensors(tensors)
        record = manifest.model_copy(update={"tensors_sha256": hashlib.sha256(data).hexdigest()})
        (fresh / TENSORS).write_bytes(data)
        (fresh / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        fresh.chmod(0o777 & ~_umask())
        _put_in_place(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def read(folder: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """Both files, checked against each other. Raises `ArtefactMismatch` naming what is missing or damaged."""
    manifest = read_manifest(folder)
    try:
        data = (folder / TENSORS).read_bytes()
    except OSError as error:
        raise _damaged(folder / TENSORS, f"it cannot be read ({error.strerror})") from None
    found = hashlib.sha256(data).hexdigest()
    if found != manifest.tensors_sha256:
        raise _damaged(
            folder / TENSORS,
            f"its sha256 is {found[:16]}..., {RECORD} says {manifest.tensors_sha256[:16]}...",
        )
    try:
        tensors = load_tensors(data)
    except SafetensorError as error:
        raise _damaged(folder / TENSORS, f"it is no safetensors file ({error})") from None
    _check_shapes(folder, manifest, tensors)
    return manifest, tensors


def read_manifest(folder: Path) -> Manifest:
    """guard.json alone: which model a guard belongs to, without loading either. Raises `ArtefactMismatch`."""
    path = folder / RECORD
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _damaged(path, "it is not UTF-8 text") from None
    except OSError as error:
        raise _damaged(path, f"it cannot be read ({error.strerror})") from None
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise _damaged(
            path, f"{place}: {first['msg']} (this version reads schema {SCHEMA_VERSION})"
        ) from None


def differences(fitted: Identity, given: Identity) -> tuple[str, ...]:
    """Which of weights, chat template and tokenizer differ between two models.

    Equal weights under another name, revision label or dtype are the same model; of a model that is loaded
    in part, the weights that are.
    """
    same = {
        "weights": fitted.same_weights(given),
        "chat template": fitted.template_hash == given.template_hash,
        "tokenizer": fitted.tokenizer_hash == given.tokenizer_hash,
    }
    return tuple(name for name, equal in same.items() if not equal)


def check_model(guard: str, fitted: Identity, given: Identity, *, transfer: bool) -> tuple[str, ...]:
    """What differs, allowed by `transfer`; otherwise raises `ArtefactMismatch` with the evidence.

    `guard`: which guard it is, in words.

    Another number of blocks or another width is refused even so: the tensors would not fit.
    """
    if (fitted.blocks, fitted.hidden) != (given.blocks, given.hidden):
        raise ArtefactMismatch(
            f"{guard} reads {fitted.blocks} blocks of width {fitted.hidden}; "
            f"{given.name!r} has {given.blocks} of width {given.hidden}.\n"
            f"  It was fitted on {fitted.name!r}. Fit one on this model: latentguard fit."
        )
    found = differences(fitted, given)
    if "weights" in found and given.loaded_blocks is not None and fitted.beginnings is None and not transfer:
        raise no_beginnings(guard)
    if found and not transfer:
        way = "Fit a guard on this model, or pass transfer=True (--transfer): every verdict then says so."
        if "weights" in found and fitted.quantisation != given.quantisation:
            way += (
                "\n  A model that was quantised while it was loaded is loaded so again with latentguard.load."
            )
        raise ArtefactMismatch(
            f"{guard} was fitted on another model: {', '.join(found)} differ.\n"
            f"  fitted on: {_described(fitted)}\n"
            f"  given    : {_described(given)}\n"
            f"  {way}"
        )
    return found


def _described(identity: Identity) -> str:
    revision = f", revision {identity.revision}" if identity.revision else ""
    return (
        f"{identity.name}{revision}, weights {identity.fingerprint[:12]}, "
        f"template {identity.template_hash[:12]}, tokenizer {identity.tokenizer_hash[:12]}, "
        f"{identity.quantisation or 'not quantised'}"
    )


def _check_shapes(folder: Path, manifest: Manifest, tensors: dict[str, Tensor]) -> None:
    """Every tensor that the record speaks of is there, in the shape that the record says."""
    hidden, fitted = manifest.model.hidden, manifest.fitted
    cells = len(fitted.positions) * len(fitted.slots)
    expected: dict[str, int] = {"probe": cells} | {
        f"permuted_{n}": cells for n in range(manifest.permutations)
    }
    expected |= {f"category_{number}": cells for number in range(len(manifest.categories))}
    for number, copy in enumerate(manifest.untrained):
        expected[f"untrained_{number}"] = len(copy.positions) * len(copy.slots)
    shapes: dict[str, list[int]] = {}
    for name, n_cells in expected.items():
        shapes |= {f"{name}.weights": [n_cells, hidden], f"{name}.bias": [n_cells]}
    centroids = {"harmfulness": len(fitted.slots)}
    if manifest.refusal is not None:
        centroids["refusal"] = len(manifest.refusal.slots)
    if manifest.answers is not None:
        n_slots = centroids["answers.harmfulness"] = len(manifest.answers.slots)
        shapes |= {"answers.weights": [n_slots, hidden], "answers.bias": [n_slots]}
        if manifest.answers.refusal_slots:
            centroids["answers.refusal"] = len(manifest.answers.refusal_slots)
    for name, n_slots in centroids.items():
        shapes |= {f"{name}.positive": [n_slots, hidden], f"{name}.negative": [n_slots, hidden]}
    for name, shape in shapes.items():
        if name not in tensors or list(tensors[name].shape) != shape:
            found = list(tensors[name].shape) if name in tensors else "absent"
            raise _damaged(folder / TENSORS, f"{name} should be {shape} and is {found}")


def _put_in_place(fresh: Path, folder: Path) -> None:
    """Rename; an older guard is moved aside first and restored should the rename fail."""
    if not folder.exists():
        fresh.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent)) / folder.name
    folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _damaged(path: Path, why: str) -> ArtefactMismatch:
    return ArtefactMismatch(
        f"{path} is missing or damaged: {why}.\n  Fit the guard again (latentguard fit), or restore the file."
    )
