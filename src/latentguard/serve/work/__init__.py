"""One worker owns the model: what waits for it, in which order it is served, and the loop itself."""

from latentguard.serve.work.queue import Full, Queue
from latentguard.serve.work.tickets import Answer, Chat, Checks, Piece
from latentguard.serve.work.worker import Worker

__all__ = ["Answer", "Chat", "Checks", "Full", "Piece", "Queue", "Worker"]
