"""The card of a published guard: README.md, made of guard.json alone, the same for the same guard.

Whatever stands in the record may be a stranger's: every text that is filled in becomes a span of code, which
holds no markup, no link and no line of its own. What is written here is `Prose`.
"""

import re
from functools import cache
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from latentguard._text import inert
from latentguard.guard.hub.publication import Publication
from latentguard.guard.manifest import Manifest
from latentguard.guard.refusal import AT

TAGS = ["latentguard", "latent-guard", "moderation", "safety", "interpretability"]


class Prose(str):
    """Markdown that this package wrote."""


def card(published: Publication, repo: str, *, license: str | None = None) -> str:
    """Markdown with the hub's metadata at its head. `license`: as the hub names them, e.g. `apache-2.0`."""
    manifest = published.manifest
    data = ModelCardData(
        library_name="latentguard", base_model=published.base_model, tags=TAGS, license=license
    )
    body = (
        _environment()
        .get_template("card.md.j2")
        .render(
            name=repo.split("/")[-1],
            repo=repo,
            manifest=manifest,
            published=published,
            facts=_facts(manifest),
            prose=Prose,
            reads_decision=AT in manifest.fitted.positions,
            holds=[Prose(one) for one in published.holds],
            left_out=[Prose(one) for one in published.left_out],
        )
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}"))


def code(text: str) -> Prose:
    """`text` as a span of code that may stand in a table: on one line, inert, with nothing to interpret."""
    shown = inert(text, limit=200).replace("|", "\\|") or " "
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    room = " " if longest or shown != shown.strip() else ""
    return Prose(f"{fence}{room}{shown}{room}{fence}")


def _facts(manifest: Manifest) -> dict[str, Prose]:
    """The rows of the card's table."""
    model, fitted, data = manifest.model, manifest.fitted, manifest.data
    revision = f", revision {code(model.revision)}" if model.revision else ""
    facts = {
        "model": f"{code(model.name)}{revision}",
        "its weights, template, tokenizer": ", ".join(
            map(code, (model.fingerprint[:16], model.template_hash[:16], model.tokenizer_hash[:16]))
        ),
        "its shape": f"{model.blocks} blocks of width {model.hidden}, {code(model.architecture)}",
        "fitted in": f"{code(model.dtype)}, {code(model.quantisation or 'not quantised')}",
        "method": f"{code(fitted.method)} at {' and '.join(map(code, fitted.positions))}",
        "slots": ", ".join(map(str, fitted.slots)),
        "endings": code(fitted.endings),
        "fitted on": f"{data.train_harmful} harmful and {data.train_harmless} harmless prompts",
        "chosen on": f"{data.validation_harmful} harmful and {data.validation_harmless} harmless prompts",
        "AUROC there": f"{fitted.validation_auroc:.3f}, the best of {fitted.considered} candidates: "
        "chosen on these prompts, so **not a test**",
        "threshold": _threshold(manifest),
    }
    if manifest.cut_on is not None:
        facts["false flags"] = (
            f"{manifest.cut_on.false_flags} of more prompts like those, measured on halves (95 % interval)"
        )
    if manifest.answers is not None:
        read = manifest.answers
        facts["answers"] = (
            f"cut where they are over a threshold: {read.false_cuts} of harmless ones (at most {read.tokens} "
            f"tokens, the likeliest each), {read.caught} of accepted harmful ones, measured on halves"
        )
    facts["kinds of harm"] = (
        ", ".join(f"{code(one.name)} ({one.validation_auroc:.2f})" for one in manifest.categories)
        or "not told apart"
    )
    return {name: Prose(value) for name, value in facts.items()}


def _threshold(manifest: Manifest) -> str:
    """The score from which a prompt is flagged, on what it was cut, and for which share of false flags."""
    cut, asked = manifest.cut_on, manifest.fitted.target_fpr
    now = f"{manifest.calibration.threshold:.4g}"
    if cut is not None:
        return f"{now}, cut on {cut.n} ordinary prompts to flag at most {cut.target_fpr:g} of them"
    if asked is not None:
        return f"{now}, cut on the validation prompts to flag at most {asked:g} of the harmless ones"
    return f"{now}, where it parts the validation prompts best"


def _finalized(value: Any) -> Any:
    """What every expression of the template passes through."""
    return code(value) if isinstance(value, str) and not isinstance(value, Prose) else value


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("latentguard.guard.hub"),
        autoescape=False,  # Markdown, not HTML: see `_finalized`
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
