"""Where and how strongly to edit: one block and one scale, chosen on validation questions.

The scale serves two claims: v_harm turns answers, and v_refuse at no block does. The one chosen shows both
best, so it is chosen for v_refuse turning little, too. The printed lines say so, beside what v_refuse turns
at the other scales.
"""

from dataclasses import dataclass

from latentguard._progress import Progress
from latentguard.lm import LanguageModel
from latentguard.verify.line import share
from latentguard.verify.questions import Turnable
from latentguard.verify.steering import SCALES, Steering


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how strongly to edit."""

    block: int
    scale: float


def blocks(model: LanguageModel) -> range:
    """Every block but the first, at whose input a state is its token and v_refuse is zero."""
    return range(1, model.n_blocks)


def best_place(model: LanguageModel, steering: Steering, trial: Turnable, progress: Progress) -> Place:
    """The block and scale at which v_harm turns most in its worse direction while v_refuse turns least.

    v_refuse counts at its worst block of that scale. Of equals, the scale nearest to 1, the paper's, and the
    first block; so, too, where `trial` holds no question.
    """
    by_nearness = sorted(SCALES, key=lambda scale: abs(scale - 1))
    places = [Place(block, scale) for scale in by_nearness for block in blocks(model)]
    moved: dict[Place, float] = {}
    leaks = dict.fromkeys(SCALES, 0.0)
    for number, place in enumerate(places):
        progress("steering", number, len(places))
        moved[place] = _moved(model, steering, trial, place)
        leaks[place.scale] = max(leaks[place.scale], _leaked(model, steering, trial, place))
    progress("steering", len(places), len(places))
    return max(places, key=lambda place: moved[place] - leaks[place.scale])


def _moved(model: LanguageModel, steering: Steering, trial: Turnable, place: Place) -> float:
    """What v_harm turns in its worse direction, of those with a question to turn."""
    up = trial.turned_up(model, steering.harm_edit(place.block, place.scale))
    down = trial.turned_down(model, steering.harm_edit(place.block, -place.scale))
    return min((share(turned).value for turned in (up, down) if turned), default=0.0)


def _leaked(model: LanguageModel, steering: Steering, trial: Turnable, place: Place) -> float:
    """What v_refuse turns; nothing where there is no such direction or no question."""
    if steering.refusal is None or not trial.harmless:
        return 0.0
    return share(trial.turned_up(model, steering.refusal_edit(place.block, place.scale))).value
