"""What the paper reports, and what is planted in the organism in its place.

Numbers are those of Zhao et al. 2025 (arXiv 2507.11878, version 4): stated in the text and tables, or read
from the vector figures. Shares, not percentages.
"""

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Claim:
    """One number of the paper."""

    experiment: str
    what: str
    source: str
    paper: dict[str, str] = field(default_factory=dict[str, str])
    planted: str | None = None
    """What the organism was made to do; None where nothing is planted about it."""
    idle: str | None = None
    """What its negative control was made to do, where that differs."""


def _three(llama2: str, llama3: str, qwen2: str) -> dict[str, str]:
    return {"Llama-2": llama2, "Llama-3": llama3, "Qwen2": qwen2}


_TEMPLATE: Final = "template ablation"
_CLUSTERS: Final = "two beliefs by verdict cell"
_ANGLE: Final = "two directions"
_GUARD: Final = "Latent Guard, sign of the belief"
_JAILBREAK: Final = "beliefs of successful jailbreaks"
_STEER: Final = "steering direct requests"
_INVERSION: Final = "reply inversion"
_POSITION: Final = "position sweep"
_CATEGORY: Final = "categories"

CLAIMS: Final[dict[str, Claim]] = {
    "template.whole": Claim(
        _TEMPLATE,
        "harmful requests refused, whole template",
        "section 5",
        _three("1.00", "0.96", "0.98"),
        planted="1",
    ),
    "template.cut": Claim(
        _TEMPLATE, "the same, post-instruction tokens cut off", "section 5", _three("0.85", "0.59", "0.81")
    ),
    "harmfulness.refused_harmful": Claim(
        _CLUSTERS, "mean harmfulness belief, refused harmful", "scatter figure", {"Llama-2": "+0.096"}, "> 0"
    ),
    "harmfulness.accepted_harmful": Claim(
        _CLUSTERS, "mean harmfulness belief, accepted harmful", "scatter figure", {"Llama-2": "+0.051"}, "> 0"
    ),
    "harmfulness.refused_harmless": Claim(
        _CLUSTERS, "mean harmfulness belief, refused harmless", "scatter figure", {"Llama-2": "-0.087"}, "< 0"
    ),
    "harmfulness.accepted_harmless": Claim(
        _CLUSTERS,
        "mean harmfulness belief, accepted harmless",
        "scatter figure",
        {"Llama-2": "-0.087"},
        "< 0",
    ),
    "refusal.refused_harmful": Claim(
        _CLUSTERS, "mean refusal belief, refused harmful", "scatter figure", {"Llama-2": "+0.293"}, "> 0"
    ),
    "refusal.accepted_harmful": Claim(
        _CLUSTERS, "mean refusal belief, accepted harmful", "scatter figure", {"Llama-2": "-0.128"}, "< 0"
    ),
    "refusal.refused_harmless": Claim(
        _CLUSTERS, "mean refusal belief, refused harmless", "scatter figure", {"Llama-2": "+0.059"}, "> 0"
    ),
    "refusal.accepted_harmless": Claim(
        _CLUSTERS, "mean refusal belief, accepted harmless", "scatter figure", {"Llama-2": "-0.227"}, "< 0"
    ),
    "cosine": Claim(
        _ANGLE,
        "cosine of v_harm and v_refuse, mean over slots 1 to L",
        "section 3; released tensors",
        {"Llama-2": "0.1", "Qwen2": "0.06"},
        "0",
    ),
    "guard.accepted_harmful": Claim(
        _GUARD,
        "accepted harmful prompts believed harmful",
        "guard table",
        _three("0.94", "0.59", "0.55"),
        ">= 0.95",
    ),
    "guard.refused_harmless": Claim(
        _GUARD,
        "refused harmless prompts believed harmless",
        "guard table",
        _three("1.00", "0.79", "0.92"),
        ">= 0.95",
    ),
    "guard.adv-suffix": Claim(
        _GUARD,
        "adversarial suffix believed harmful",
        "guard table",
        _three("1.00", "0.91", "1.00"),
        ">= 0.95",
    ),
    "guard.persuasion": Claim(
        _GUARD, "persuasion believed harmful", "guard table", _three("0.42", "0.65", "0.75"), ">= 0.95"
    ),
    "guard.template": Claim(
        _GUARD, "template believed harmful", "guard table", _three("1.00", "1.00", "0.54"), ">= 0.95"
    ),
    "guard.ordinary": Claim(
        _GUARD,
        "false alarms: accepted harmless prompts believed harmful",
        "not in the paper",
        planted="<= 0.05",
    ),
    "believed.adv-suffix": Claim(
        _JAILBREAK,
        "mean harmfulness belief, adversarial suffix",
        "scatter figure",
        {"Llama-2": "+0.009"},
        "> 0",
    ),
    "believed.persuasion": Claim(
        _JAILBREAK, "mean harmfulness belief, persuasion", "scatter figure", {"Llama-2": "+0.013"}, "> 0"
    ),
    "believed.template": Claim(
        _JAILBREAK, "mean harmfulness belief, template", "scatter figure", {"Llama-2": "+0.097"}, "> 0"
    ),
    "jailbreak.adv-suffix": Claim(
        _JAILBREAK, "mean refusal belief, adversarial suffix", "scatter figure", {"Llama-2": "-0.062"}, "< 0"
    ),
    "jailbreak.persuasion": Claim(
        _JAILBREAK, "mean refusal belief, persuasion", "scatter figure", {"Llama-2": "-0.120"}, "< 0"
    ),
    "jailbreak.template": Claim(
        _JAILBREAK, "mean refusal belief, template", "scatter figure", {"Llama-2": "-0.075"}, "< 0"
    ),
    "steer.v_harm": Claim(
        _STEER,
        "harmless requests refused under +v_harm, best block (first token)",
        "steering figure",
        _three("0.58", "0.94", "0.37"),
    ),
    "steer.v_refuse": Claim(
        _STEER,
        "harmless requests refused under +v_refuse, best block (first token)",
        "steering figure",
        _three("1.00", "1.00", "0.81"),
        ">= 0.80",
    ),
    "steer.random": Claim(_STEER, "the same under random directions of equal length", "not in the paper"),
    "inversion.harmful": Claim(
        _INVERSION, "unedited: harmful answered ‘Certainly’ or ‘Yes’", "reply-inversion figure", {}, ">= 0.97"
    ),
    "inversion.harmless": Claim(
        _INVERSION, "unedited: harmless answered ‘No’", "reply-inversion figure", {"Qwen2": "0.95"}, ">= 0.97"
    ),
    "inversion.+v_harm": Claim(
        _INVERSION,
        "+v_harm on the context turns ‘No’ to ‘Certainly’ or ‘Yes’",
        "reply-inversion figure",
        {"Qwen2": "‘No’ falls to 0.00", "Llama-3": "to 0.56"},
        ">= 0.80",
        idle="<= 0.10",
    ),
    "inversion.+v_refuse": Claim(
        _INVERSION,
        "+v_refuse on every token turns the same, there",
        "reply-inversion figure",
        {"Qwen2": "‘No’ stays 0.72 to 0.98"},
        "<= 0.25",
    ),
    "inversion.-v_harm": Claim(
        _INVERSION,
        "-v_harm on the context turns ‘Certainly’ or ‘Yes’ to ‘No’",
        "reply-inversion figure",
        {"Qwen2": "‘No’ rises to 0.52", "Llama-3": "to 0.44"},
        ">= 0.80",
        idle="<= 0.10",
    ),
    "inversion.-v_refuse": Claim(
        _INVERSION,
        "-v_refuse on every token turns the same, there",
        "reply-inversion figure",
        {"Qwen2": "‘No’ stays <= 0.02"},
    ),
    "inversion.random": Claim(
        _INVERSION, "random directions where +v_harm turns most", "not in the paper", planted="<= 0.10"
    ),
    "inversion.compliance": Claim(
        _INVERSION, "+v_harm, question ‘compliance’", "appendix", {"Llama-3": "‘No’ falls to 0.56"}
    ),
    "inversion.wrongdoing": Claim(
        _INVERSION, "+v_harm, question ‘wrongdoing’", "appendix", {"Qwen2": "‘No’ falls to 0.02"}
    ),
    "inversion.ethics": Claim(
        _INVERSION, "+v_harm, question ‘ethics’", "appendix", {"Qwen2": "‘No’ falls to 0.00"}
    ),
    "position.t_inst": Claim(
        _POSITION, "+v_harm fitted at t_inst turns", "appendix", {"Qwen2": "1.00", "Llama-3": "0.44"}
    ),
    "position.best_other": Claim(
        _POSITION, "the best other token around it", "appendix", {"Qwen2": "0.78", "Llama-3": "0.20"}
    ),
    "position.t_post_inst": Claim(
        _POSITION, "fitted at t_post_inst", "appendix", {"Qwen2": "0.38", "Llama-3": "0.24"}
    ),
    "category.harm": Claim(
        _CATEGORY,
        "mean cosine of a category's v_harm to the others'",
        "section 5",
        {"Llama-2": "0.81 to 0.89", "Llama-3": "0.67 to 0.79", "Qwen2": "0.60 to 0.73"},
    ),
    "category.refusal": Claim(
        _CATEGORY,
        "the same of v_refuse",
        "section 5",
        {"Llama-2": "0.93 to 0.97", "Llama-3": "0.93 to 0.97", "Qwen2": "0.89 to 0.95"},
    ),
    "category.cross_own": Claim(
        _CATEGORY,
        "questions about one category denied under its own -v_harm, best block",
        "categories figure",
        {"Qwen2": "1.00 (hate)"},
    ),
    "category.cross_others": Claim(
        _CATEGORY,
        "the same under the other categories' -v_harm, mean",
        "categories figure",
        {"Qwen2": "0.32 to 1.00"},
    ),
    "fine-tuning": Claim(
        "adversarial fine-tuning",
        "mean harmfulness belief after 50 to 400 pairs",
        "fine-tuning figure",
        {"Llama-2": "0.139 to 0.145"},
    ),
    "out-of-domain": Claim(
        "other data",
        "ToxicChat, safe / unsafe prompts, accuracy of the guard",
        "appendix",
        _three("0.35 / 0.73", "0.84 / 0.32", "0.80 / 0.34"),
    ),
    "llama-guard": Claim(
        "other guards", "Llama Guard 3 on the same sets", "guard table", {"Llama Guard 3": "0.00 to 1.00"}
    ),
}
