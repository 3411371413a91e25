"""`latentguard check MODEL`: what is proved of a model, and where its positions are on a sample prompt."""

from typing import TYPE_CHECKING, Annotated

import typer

from latentguard.cli import _options
from latentguard.cli._output import Output, shown, speaking, table

if TYPE_CHECKING:
    from latentguard.lm import ProofRecord
    from latentguard.lm.proof.record import PositionsRecord

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
        from latentguard.lm.proof.record import positions_record

        loaded = _options.load_model(model, output, device=device, dtype=dtype, revision=revision)
        positions = positions_record(prompt, loaded.render(prompt), loaded.tokenizer)
        proof = loaded.proof.record()
        output.record(
            {
                "identity": loaded.identity().model_dump(),
                "positions": positions.model_dump(mode="json"),
                "proof": proof.model_dump(mode="json", exclude={"positions"}),
                "notes": list(loaded.notes),
            }
        )
        _show_positions(positions, output)
        show_checks(proof, output)
        _show_support(proof, output)


def _show_positions(positions: "PositionsRecord", output: Output) -> None:
    found = table("position", "token", "is", "after", numbers=("token",))
    tokens = positions.tokens
    for name in NAMED:
        index = getattr(positions, name)
        before = "".join(token.text for token in tokens[max(index - 8, 0) : index])
        found.add_row(shown(name), str(index), shown(repr(tokens[index].text)), shown(repr(before)))
    output.show(found)
    output.show(
        f"on {len(tokens)} tokens of {positions.prompt!r}; boundary {positions.boundary}, content "
        f"{positions.inserted}\n"
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
