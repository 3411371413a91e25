"""What a reproduction costs before it is begun."""

from latentguard.causal.plan import count
from latentguard.data import with_endings
from latentguard.lm import LanguageModel
from latentguard.lm.forecast import Forecast, Tally
from latentguard.verify.reproduction.material import Material
from latentguard.verify.reproduction.records import Budget
from latentguard.verify.reproduction.reproduce import effort_of


def plan(model: LanguageModel, material: Material, budget: Budget, *, seed: int = 0) -> Forecast:
    """Of `reproduce` with the same arguments; wordings and positions of the full budget are not counted."""
    tally = Tally(model)
    effort = effort_of(model, budget, seed=seed)
    count(tally, model, material.trial, tasks=("inversion", "refusal"), effort=effort)
    if budget == "full":  # once more, with endings as written
        count(tally, model, material.trial, tasks=("inversion", "refusal"), effort=effort)
    measured = [one.messages for one in (*material.pool, *material.attacked, *material.categories)]
    tally.run(measured)
    tally.run([one.messages for one in (*material.trial.fit, *material.pool, *material.attacked)])
    tally.run([one.messages for one in material.bases])
    tally.run([one.messages for one in with_endings(material.categories)])
    tally.reply(len(measured) + len(material.bases))
    tally.keep(3 * len(measured))
    return tally.total(rows=effort.at_once)
