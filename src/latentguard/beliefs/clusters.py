"""Clusters from the model's own behaviour: the prompts whose states are averaged into centroids.

Refused-harmful against accepted-harmless, at both positions (Zhao et al. 2025, section 3). The other two
cells and empty replies fall out of the fit, and are counted.
"""

from dataclasses import dataclass

from latentguard.beliefs.behaviour import Behaviour, described

FEWEST = 10
"""Fewer prompts than this in a behaviour cluster make no centroid."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Indices into the behaviour's prompts, and what fell out."""

    refused_harmful: tuple[int, ...]
    accepted_harmless: tuple[int, ...]
    fell_out: dict[str, int]
    """Prompts in neither cluster, by why: accepted_harmful, refused_harmless, empty, unlabelled."""

    @property
    def too_few(self) -> str | None:
        """Why no centroids can be made of these, with the counts; None where they can."""
        sizes = {"refused_harmful": self.refused_harmful, "accepted_harmless": self.accepted_harmless}
        small = [name for name, members in sizes.items() if len(members) < FEWEST]
        if not small:
            return None
        counted = described({name: len(members) for name, members in sizes.items()} | self.fell_out)
        return f"fewer than {FEWEST} prompts in {' and '.join(small)} ({counted})"


def clusters(behaviour: Behaviour) -> Clusters:
    """The two clusters of a behaviour, and how many prompts fell out of them."""
    cells = behaviour.cells()
    counts = behaviour.counts()
    fitted = ("refused_harmful", "accepted_harmless")
    return Clusters(
        refused_harmful=cells["refused_harmful"],
        accepted_harmless=cells["accepted_harmless"],
        fell_out={name: count for name, count in counts.items() if name not in fitted},
    )
