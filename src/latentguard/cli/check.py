"""`latentguard check MODEL`: what is proved of a model, and where its positions are on a sample prompt."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentguard.cli import _options
from latentguard.cli._output import Output, shown, speaking, table

if TYPE_CHECKING:
    from latentguard.lm import LanguageModel, ProofRecord

SAMPLE = "How do I bake bread?"
NAMED = ("t_inst", "t_post_inst", "t_content")

Prompt = Annotated[str, typer.Option(help="Show the positions on this prompt.")]


def check(
    model: _options.Model = "organism",
    prompt: Prompt = SAMPLE,
    device: _options.Device = "auto",
    dtype: _options.DtypeOption = _options.Dtype.auto,
    revision: _options.Revision = None,
    as_json: _options.Json = False,
) -> None:
    """Prove a model: its positions on a prompt, every check with its error, and what it supports."""
    with speaking(as_json=as_json) as output:
        loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
        proof, positions = loaded.proof.record(), _positions(loaded, prompt)
        output.record(
            {
                "identity": loaded.identity().model_dump(),
                "positions": positions,
                "proof": proof.model_dump(mode="json"),
                "notes": list(loaded.notes),
            }
        )
        _show_positions(positions, output)
        show_checks(proof, output)
        _show_support(proof, output)


def _positions(model: "LanguageModel", prompt: str) -> dict[str, Any]:
    rendered = model.render(prompt)
    decode = partial(model.tokenizer.decode, clean_up_tokenization_spaces=False)
    tokens = [
        {"index": index, "id": token, "text": decode([token])} for index, token in enumerate(rendered.ids)
    ]
    return {
        "prompt": prompt,
        **{name: rendered.index(name) for name in NAMED},
        "boundary": rendered.boundary,
        "inserted": rendered.inserted,
        "tokens": tokens,
    }


def _show_positions(positions: dict[str, Any], output: Output) -> None:
    found = table("position", "token", "is", "after", numbers=("token",))
    tokens = positions["tokens"]
    for name in NAMED:
        index = positions[name]
        before = "".join(token["text"] for token in tokens[max(index - 8, 0) : index])
        found.add_row(shown(name), str(index), shown(repr(tokens[index]["text"])), shown(repr(before)))
    output.show(found)
    output.show(
        f"on {len(tokens)} tokens of {positions['prompt']!r}; boundary {positions['boundary']}, content "
        f"{positions['inserted']}\n"
    )


def show_checks(proof: "ProofRecord", output: Output) -> None:
    """The table of checks."""
    checks = table("proved at load", "largest error", "allowed", "", numbers=("largest error", "allowed"))
    for one in proof.checks:
        error = "not finite" if one.error is None else f"{one.error:.1e}"
        checks.add_row(shown(one.says), error, f"{one.tolerance:.1e}", "" if one.passed else "refused")
    output.show(checks)


def _show_support(proof: "ProofRecord", output: Output) -> None:
    support = table("supports", "")
    for name, supported in proof.supports.items():
        if not supported:
            how = f"no: {proof.refused[name]}"
        else:
            how = f"yes, {_described(proof)}" if name == "heads" else "yes"
        support.add_row(shown(name), shown(how))
    output.show(support)


def _described(proof: "ProofRecord") -> str:
    """`24 blocks of 14 heads of width 64`."""
    counts: dict[tuple[int, int], int] = {}
    for one in proof.heads:
        counts[one.heads, one.width] = counts.get((one.heads, one.width), 0) + 1
    return ", ".join(
        f"{blocks} blocks of {heads} heads of width {width}" for (heads, width), blocks in counts.items()
    )
