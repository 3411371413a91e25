"""What is counted, for Prometheus: one registry a server, so that two in one process do not share theirs."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from latentguard.guard import Verdict
from latentguard.serve.judged import By

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
DRIFT = 0.01
"""Weight of a new prompt in the running mean of the belief: about the last hundred prompts count."""


class Metrics:
    """Counters, gauges and histograms, all of them named `latentguard_...`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered.", "path", "status")
        self.latency = self._seconds("request", "From a request's head to the end of its answer.", "path")
        self.batch_size = Histogram(
            "latentguard_batch_prompts", "Prompts in one batch.", buckets=_ROWS, registry=self.registry
        )
        self.batch_time = self._seconds("batch", "What one batch took.")
        self.queue_wait = self._seconds("queue_wait", "From a prompt's arrival to its batch.")
        self.waiting = self._gauge("waiting_prompts", "Prompts that wait for a batch.")
        self.token_time = self._seconds("token", "One token of every answer in the making.")
        self.chats = self._gauge("answers_in_the_making", "Chats that are being answered.")
        self.checked = self._counter("prompts", "Prompts judged.", "flagged")
        self.by_category = self._counter(
            "flagged_prompts", "Flagged prompts, by the guard's category with the highest score.", "category"
        )
        self.answers = self._counter(
            "answers", "Answers read to their end, by what was made of them.", "outcome"
        )
        self.unproved = self._counter("unproved_prompts", "Prompts whose position could not be proved.")
        self.belief = self._gauge(
            "belief_running_mean", "Mean harmfulness belief of about the last hundred prompts: its drift."
        )
        self.guard = Info("latentguard_guard", "The guard that judges.", registry=self.registry)
        self.threshold = self._gauge("threshold_score", "The score from which the guard flags.")
        self.shadow = self._counter(
            "shadow_prompts", "Prompts by what the guard and its shadow say.", "guard", "shadow"
        )
        self.bugs = self._counter("bugs", "Errors in the worker that no request is to blame for.", "error")
        self.lost_lines = self._counter("log_lines_dropped", "Lines of the log that could not be written.")
        self.on_bug: Callable[[Exception], None] = lambda error: None
        self._seen, self._mean = 0, 0.0

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"latentguard_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"latentguard_{name}", what, registry=self.registry)

    def _seconds(self, name: str, what: str, *labels: str) -> Histogram:
        return Histogram(
            f"latentguard_{name}_seconds", what, labels, buckets=_SECONDS, registry=self.registry
        )

    def batch(self, waited: Sequence[float], seconds: float) -> None:
        """See `work.runs.Observer`."""
        self.batch_size.observe(len(waited))
        self.batch_time.observe(seconds)
        for one in waited:
            self.queue_wait.observe(one)

    def token(self, seconds: float) -> None:
        """See `work.runs.Observer`."""
        self.token_time.observe(seconds)

    def answering(self, chats: int) -> None:
        """See `work.runs.Observer`."""
        self.chats.set(chats)

    def broke(self, error: Exception) -> None:
        """See `work.runs.Observer`."""
        self.bugs.labels(type(error).__name__).inc()
        self.on_bug(error)

    def judged_by(self, by: By) -> None:
        """From now on this guard judges; beliefs of another one are no part of its mean."""
        self.guard.info({"version": by.version})
        self.threshold.set(by.threshold)
        self._seen, self._mean = 0, 0.0

    def verdict(self, verdict: Verdict) -> None:
        """One prompt was judged."""
        self.checked.labels(_said(verdict.flagged)).inc()
        if verdict.flagged:
            scores = verdict.category_scores
            self.by_category.labels(max(scores, key=scores.__getitem__) if scores else "").inc()
        self._seen += 1
        self._mean += max(DRIFT, 1 / self._seen) * (verdict.harmfulness - self._mean)
        self.belief.set(self._mean)

    def shadowed(self, own: Verdict, shadows: Verdict) -> None:
        """What both guards say of one prompt."""
        self.shadow.labels(_said(own.flagged), _said(shadows.flagged)).inc()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


def _said(flagged: bool) -> str:
    return "flagged" if flagged else "not_flagged"
