"""Did this text refuse?

`refused` and `judge` are the default judge; `paper_refused` is the phrase list of Zhao et al. 2025, exactly.
"""

from latentguard.judge.decide import Judgement, judge, refused
from latentguard.judge.paper import PAPER_PHRASES, paper_refused

__all__ = ["PAPER_PHRASES", "Judgement", "judge", "paper_refused", "refused"]
