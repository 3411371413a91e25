"""What a causal experiment found, as plain records that become JSON: the certificate and its parts."""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from latentguard._text import inert
from latentguard.beliefs.directions import Kind
from latentguard.lm import Identity, ProofRecord
from latentguard.statistics import Estimate

TaskName: TypeAlias = Literal["inversion", "refusal"]
Sign: TypeAlias = Literal["+", "-"]
HalfName: TypeAlias = Literal["selection", "report"]
Said: TypeAlias = Literal["causal", "readable, not causal", "not readable", "inconclusive"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Spoken(_Record):
    """How many prompts were answered how; nothing is dropped."""

    affirmed: int = Field(ge=0)
    denied: int = Field(ge=0)
    unanswered: int = Field(ge=0)
    words: tuple[tuple[str, int], ...] = ()
    """How answers to a question began, and how many: the first token as text, the most frequent first. Of
    replies to the requests themselves nothing is told."""

    @property
    def begun(self) -> str:
        """`words` as a line, safe to print."""
        return ", ".join(f"“{inert(word.strip())}” {count}" for word, count in self.words)


class Competence(_Record):
    """What the unedited model answers, before anything is added to it."""

    harmful: Spoken
    harmless: Spoken
    competent: bool
    """At least half of either class is answered truly."""
    why: str


class Controls(_Record):
    """Directions that mean nothing, at the same block and scale, on the same tokens of the same prompts."""

    directions: int
    mean: float | None
    """Share turned, over directions and prompts."""
    worst: float | None
    """Share that the most effective of them turns."""
    above: Estimate
    """How much more the tested direction turns than the mean control."""


class Price(_Record):
    """What the edit does to ordinary text (`cost`), on all its tokens."""

    kl: float
    """Nats a token."""
    perplexity: float
    perplexity_unedited: float
    kl_of_random: float | None
    """Mean over random directions of equal length."""
    texts: int


class Effect(_Record):
    """What one direction turns at one place, on prompts that the place was not chosen on."""

    arm: str
    sign: Sign
    block: int
    scale: float
    """Its sign is `sign`'s."""
    scope: str
    chosen: str
    """How block and scale were chosen."""
    turned: Estimate
    """Share of the prompts answered truly, whose answer is the opposite under the edit."""
    before: Spoken
    after: Spoken
    random: Controls | None = None
    shuffled: Controls | None = None
    """Of shuffled labels, without their part along the tested direction."""
    permuted: Controls | None = None
    """The same as drawn: at equal length they may hold much of it."""
    price: Price | None = None
    generated: Estimate | None = None
    """Share of the class's prompts whose whole reply, generated under the edit, is judged the opposite of
    what was asked for of the class: a direct request by the judge, an answer by the paper's substring rule.
    None where none was generated."""

    @property
    def named(self) -> str:
        """Sign and arm, and where it stands if that is not its own best place."""
        elsewhere = f", {self.chosen}" if self.chosen.startswith("where") else ""
        return f"{self.sign}{self.arm}{elsewhere}"


class Curve(_Record):
    """Share turned at every block, and the mean probability of an affirmation."""

    arm: str
    sign: Sign
    scale: float
    scope: str
    half: HalfName
    """Places are chosen by curves of the selection half alone."""
    blocks: tuple[int, ...]
    turned: tuple[float, ...]
    affirmative: tuple[float, ...]
    n: int
    """Prompts that could be turned."""


class Replies(_Record):
    """Whole replies of the reported half under one edit at scale 1, judged, counted and dropped."""

    arm: str
    sign: Sign
    block: int
    turned: Estimate
    """Share of the class's prompts whose reply is judged the opposite of what was asked for of the class."""


class Apart(_Record):
    """Two directions at one place, on the same prompts: how much more one turns than the other."""

    sign: Sign
    more: str
    less: str
    block: int
    scale: float
    difference: Estimate


class Experiment(_Record):
    """One task: what was asked, what the model answered, what was turned where."""

    task: TaskName
    question: str | None
    """The question of reply inversion."""
    competence: Competence
    curves: tuple[Curve, ...]
    effects: tuple[Effect, ...]
    apart: tuple[Apart, ...]
    """Harmfulness and refusal where harmfulness turns most: as they are, and each without its part along the
    other."""
    selected_on: int
    reported_on: int
    replies: tuple[Replies, ...] = ()
    """At the blocks that were asked for."""


class PositionEffect(_Record):
    """The harmfulness direction fitted at one token, and what it turns on the reported half."""

    position: str
    """`t_inst-2` ... `t_inst`, `t_inst+1` ... `t_post_inst`."""
    token: str
    """What stands there in the template; empty where it differs between prompts."""
    block: int
    turned: Estimate
    """Share of harmless questions from "No" to an affirmation, by +v on the context at scale 1."""
    random: Controls | None = None
    """Directions as long, at the same block."""
    left_out: int = 0
    """Fitting prompts that are too short for the sweep."""


class Ablation(_Record):
    """Refusal rates of the same prompts, and of what is left without all that follows the instruction."""

    whole: Estimate
    cut: Estimate
    empty_when_cut: int
    """Replies of nothing that could be judged; they count as no refusal."""
    removed: int
    """Tokens of the template that were cut off."""
    left_out: int = 0
    """Requests whose last token holds a part of the template, too: they cannot be cut."""


class CategoryCosines(_Record):
    """Cosine of every two categories' directions, mean over slots 1 to L."""

    names: tuple[str, ...]
    n: tuple[int, ...]
    """Prompts in each category's positive mean."""
    harm: tuple[tuple[float, ...], ...]
    refusal: tuple[tuple[float, ...], ...]
    harm_halves: tuple[tuple[float, ...], ...]
    """The same of halves that share no prompt: on the diagonal what chance leaves of 1."""
    refusal_halves: tuple[tuple[float, ...], ...]


class Verdict(_Record):
    """What may be said of one belief, and why."""

    belief: Kind
    said: Said
    why: str


class Certificate(_Record):
    """Whether what is read of a model is what moves it."""

    format: Literal["latentguard-causal/1"] = "latentguard-causal/1"
    model: Identity
    proof: ProofRecord
    command: str
    seed: int
    basis: str
    """What the directions are fitted on: behaviour or labels."""
    unavailable: str | None
    """Why there is no refusal direction."""
    endings: str
    fitted_on: int
    data_hash: str
    readable: dict[Kind, Estimate]
    """AUROC of each belief on prompts that nothing was fitted on."""
    cosine: tuple[float | None, ...]
    """Of the two directions, slot by slot; None where either is zero."""
    experiments: tuple[Experiment, ...]
    """The verdicts go by the first of each task; others ask further questions."""
    positions: tuple[PositionEffect, ...] = ()
    template: Ablation | None = None
    """Of the harmful requests of the reported half."""
    skipped: dict[str, str] = {}
    """What was asked for and could not be measured, and why: refusal, positions, template."""
    verdicts: tuple[Verdict, ...]
