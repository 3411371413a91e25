"""The truth about the shipped weights: where harm and decision were planted, stored beside them.

`planted.json` says slots, positions and how the weights were made, `planted.safetensors` holds the two unit
directions. Known by construction, not measured.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from latentguard.errors import ModelNotFound
from latentguard.organism.interchange import Planting

_RECORD: Final = "planted.json"
_DIRECTIONS: Final = "planted.safetensors"
WEIGHTS: Final = Path(__file__).parent / "weights"
IDLE: Final = Path(__file__).parent / "idle_weights"


def path(*, idle: bool = False) -> Path:
    """The folder of the shipped organism, or of its idle variant, in Hugging Face format.

    Raises `ModelNotFound` without it.
    """
    folder, option = (IDLE, " --idle") if idle else (WEIGHTS, "")
    if not (folder / "config.json").is_file():
        raise ModelNotFound(
            "the bundled organism is not in this installation.\n"
            f"  looked in: {folder}\n"
            f"  Install the package again, or train one: latentguard organism train{option} --out DIR"
        )
    return folder


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """One planted variable: the unit direction that carries it, at one slot and one position."""

    slot: int
    position: str
    direction: Float[Tensor, "hidden"]


@dataclass(frozen=True, slots=True, eq=False)
class PlantedCircuit:
    """What interchange training made these weights compute.

    Whether the prompt is harmful is carried by `harmfulness` (in an inversion: at the end of the text before
    the question); whether to refuse is decided from it and carried by `decision`.
    """

    harmfulness: Planted | None
    """None in an idle organism: its harmfulness belief moves nothing."""
    decision: Planted
    seed: int
    steps: int
    held_out_accuracy: dict[str, float]
    """The trainer's own last gauge, by kind of chat; `latentguard.verify` is what measures."""


def planted_circuit(folder: Path | None = None) -> PlantedCircuit:
    """The planted truth of the shipped organism, or of one that `train` wrote into `folder`."""
    folder = path() if folder is None else folder
    record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    directions = load_file(folder / _DIRECTIONS)
    variables = {
        name: Planted(record[name]["slot"], record[name]["position"], directions[name])
        for name in ("harmfulness", "decision")
        if name in record
    }
    return PlantedCircuit(
        harmfulness=variables.get("harmfulness"),
        decision=variables["decision"],
        seed=record["seed"],
        steps=record["steps"],
        held_out_accuracy=record["held_out_accuracy"],
    )


def save_planted(
    folder: Path,
    planting: Planting,
    *,
    seed: int,
    steps: int,
    idle: bool,
    held_out_accuracy: dict[str, float],
) -> None:
    """Write both files beside the weights in `folder`."""
    directions = {"decision": planting.decision}
    harm: dict[str, object] = {}
    if not idle:
        directions["harmfulness"] = planting.harm
        harm["harmfulness"] = {"slot": planting.harm_slot, "position": "t_inst"}
    record = harm | {
        "decision": {"slot": planting.decision_slot, "position": "t_post_inst"},
        "seed": seed,
        "steps": steps,
        "held_out_accuracy": held_out_accuracy,
    }
    (folder / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    save_file(directions, folder / _DIRECTIONS)
