"""What a reproduction costs before it is begun."""

from latentguard.beliefs.jailbreaks import REPLY_TOKENS
from latentguard.causal.categories import RANDOM
from latentguard.causal.plan import Beside, count, sweep_cost
from latentguard.causal.trial import QUESTION
from latentguard.data import QUESTIONS, with_endings
from latentguard.data import asked as data_asked
from latentguard.lm import LanguageModel
from latentguard.lm.forecast import Forecast, Tally
from latentguard.verify.reproduction.material import Material
from latentguard.verify.reproduction.records import Budget
from latentguard.verify.reproduction.reproduce import effort_of


def plan(model: LanguageModel, material: Material, budget: Budget, *, seed: int = 0) -> Forecast:
    """Of `reproduce` with the same arguments."""
    tally = Tally(model)
    effort = effort_of(model, budget, seed=seed)
    asked = Beside(
        wordings=len(QUESTIONS) - 1 if budget == "full" and material.beside == "paper" else 0,
        positions=budget == "full" or material.beside != "paper",
        template=True,
    )
    for _ in range(2 if budget == "full" else 1):  # balanced, and with endings as written
        count(tally, model, material.trial, tasks=("inversion", "refusal"), effort=effort, beside=asked)
    measured = [one.messages for one in (*material.pool, *material.attacked, *material.categories)]
    tally.run(measured)
    tally.run([one.messages for one in (*material.trial.fit, *material.pool, *material.attacked)])
    tally.run([one.messages for one in material.bases])
    tally.run([one.messages for one in with_endings(material.categories)])
    asked_long = len(material.attacked) + len(material.bases)
    tally.reply(len(measured) - len(material.attacked))
    tally.reply(asked_long, REPLY_TOKENS)
    categories = len({one.category for one in material.categories})
    if categories:
        questions = [one.rendered(model) for one in data_asked(material.category_items, QUESTION)]
        half = len(questions) // 2
        tally.run(questions[:half], 1 + categories * sweep_cost(model.n_blocks, effort))
        tally.run(questions[half:], 1 + (1 + RANDOM) * categories / 2)
    tally.keep(3 * len(measured))
    return tally.total(rows=effort.at_once)
