"""Results of other commands, read from their files and checked to be about the audited model."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ValidationError

from latentguard._text import inert
from latentguard.beliefs.jailbreak_record import JailbreakRecord
from latentguard.causal import Certificate
from latentguard.compare import Comparison
from latentguard.errors import ArtefactMismatch, BadData
from latentguard.guard.ablations import Ablations
from latentguard.lm import Identity
from latentguard.rivals import Contest
from latentguard.verify.reproduction import Reproduction

FILES: dict[str, type[BaseModel]] = {
    "causal.json": Certificate,
    "jailbreaks.json": JailbreakRecord,
    "compare.json": Comparison,
    "rivals.json": Contest,
    "ablations.json": Ablations,
    "reproduction.json": Reproduction,
}
"""The result files, and what each holds."""


@dataclass(frozen=True, slots=True)
class Further:
    """What else was found out about one model."""

    causal: Certificate | None = None
    jailbreaks: JailbreakRecord | None = None
    comparison: Comparison | None = None
    rivals: Contest | None = None
    ablations: Ablations | None = None
    reproduction: Reproduction | None = None


def read_further(paths: Iterable[Path], audited: Identity) -> Further:
    """Results from files, or from the folders that the commands wrote.

    Raises `BadData` for a path that holds none or one that cannot be read, and for two of a kind;
    `ArtefactMismatch` for a result about another model.
    """
    found = Further()
    for path in paths:
        for file in _files(path):
            record = _read(file)
            field = _field(record)
            if getattr(found, field) is not None:
                raise BadData(
                    f"{inert(str(file))}: there is a {file.name} already; a page shows one of a kind."
                )
            _check_model(file, record, audited)
            found = replace(found, **{field: record})
    return found


def _files(path: Path) -> list[Path]:
    if path.is_file():
        if path.name not in FILES:
            raise BadData(f"{inert(str(path))} is none of the result files: {', '.join(FILES)}.")
        return [path]
    files = [path / name for name in FILES if (path / name).is_file()]
    if not files:
        raise BadData(
            f"{inert(str(path))} holds none of the result files: {', '.join(FILES)}.\n"
            "  Name a folder that latentguard steer, jailbreaks, compare, rivals, ablations or reproduce "
            "wrote."
        )
    return files


def _read(file: Path) -> BaseModel:
    try:
        return FILES[file.name].model_validate_json(file.read_bytes())
    except OSError as error:
        raise BadData(f"{inert(str(file))} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadData(
            f"{inert(str(file))} is damaged, or another version wrote it: {inert(place)}: "
            f"{inert(first['msg'])}."
        ) from None


def _field(record: BaseModel) -> str:
    match record:
        case Certificate():
            return "causal"
        case JailbreakRecord():
            return "jailbreaks"
        case Comparison():
            return "comparison"
        case Contest():
            return "rivals"
        case Ablations():
            return "ablations"
        case _:
            return "reproduction"


def _check_model(file: Path, record: BaseModel, audited: Identity) -> None:
    """A comparison is about the model before; a contest names its model, and may read none."""
    match record:
        case Certificate() | JailbreakRecord() | Ablations() | Reproduction():
            given, own = record.model.fingerprint, audited.fingerprint
        case Comparison():
            given, own = record.before.model.fingerprint, audited.fingerprint
        case Contest():
            given = audited.fingerprint if record.model is None else record.model.fingerprint
            own = audited.fingerprint
        case _:
            return
    if given != own:
        raise ArtefactMismatch(
            f"{inert(str(file))} is about another model than the audit: {inert(given[:12])}, not "
            f"{inert(own[:12])}.\n"
            "  A page is about one model; audit the other one, too."
        )
