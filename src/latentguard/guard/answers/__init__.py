"""Reading the model's own answer while it is written: both beliefs at every token, and when it is cut.

Beliefs are fitted at the tokens of answers, because a state there is another thing than one at t_inst, and
thresholds on answers that were not fitted on. A guard without that shows the beliefs of its prompts' clusters
and cuts nothing.
"""

from latentguard.guard.answers.reader import AnswerReader, TokenBeliefs
from latentguard.guard.answers.record import FittedAnswers
from latentguard.guard.answers.trigger import Trigger

__all__ = ["AnswerReader", "FittedAnswers", "TokenBeliefs", "Trigger"]
