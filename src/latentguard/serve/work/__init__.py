"""One worker owns the model: what waits for it, in which order it is served, and the loop itself."""

from latentguard.serve.work.queue import Full, Queue
from latentguard.serve.work.tickets import Chat, Checks, Piece, PromptJudged
from latentguard.serve.work.worker import Worker

__all__ = ["Chat", "Checks", "Full", "Piece", "PromptJudged", "Queue", "Worker"]
