"""What does reading cost with other tools, on the same model and prompts, where they give the same states?

    python peers.py --peer nnsight [--blocks 6]

Two rows a peer: handed sorted batches (padded on the right, at most 1,024 tokens), and as its documents
show it. Read are the states at the last token: at every slot, and at one slot at half depth. With `--blocks`
the model has the shape of the real one and so many blocks of random weights.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from capture import padded, sorted_batches
from harness import Report, arguments, compared, lengths, sentences, subject
from shapes import with_blocks
from torch import Tensor

from latentguard.lm import LanguageModel, Rendered

Read = Callable[[Sequence[tuple[int, ...]], Sequence[int]], Tensor]
"""Rows of ids and slots to the states at each row's last token, [row, slot, hidden]."""


def last(states: Tensor, ids: Sequence[tuple[int, ...]]) -> Tensor:
    """[row, token, hidden] at each row's last token, padding on the right."""
    return torch.stack([states[row, len(one) - 1] for row, one in enumerate(ids)])


def nnsight(model: LanguageModel) -> tuple[Read, int]:
    """Layers' inputs saved in a trace; early stop where the last wanted layer has begun. Its documents trace
    one list of prompts; how many fit is left to the caller: 16 here."""
    import nnsight as peer

    traced: Any = peer.LanguageModel(model.module, tokenizer=model.tokenizer)

    def read(ids: Sequence[tuple[int, ...]], slots: Sequence[int]) -> Tensor:
        wanted = [slot for slot in slots if slot < model.n_blocks]
        with torch.no_grad(), traced.trace(padded(list(ids), model.device)) as tracer:
            saved = peer.save([])
            for slot in wanted:
                saved.append(traced.model.layers[slot].input)
            tracer.stop()
        return torch.stack([last(one, ids) for one in saved], dim=1)

    return read, 16


def nnterp(model: LanguageModel) -> tuple[Read, int]:
    """nnsight under one set of names: layers' inputs by number, in a trace that stops behind the last."""
    import nnsight as peer
    from nnterp import StandardizedTransformer

    traced: Any = StandardizedTransformer(model.module, tokenizer=model.tokenizer, check_renaming=False)

    def read(ids: Sequence[tuple[int, ...]], slots: Sequence[int]) -> Tensor:
        wanted = [slot for slot in slots if slot < model.n_blocks]
        with torch.no_grad(), traced.trace(padded(list(ids), model.device)) as tracer:
            saved = peer.save([])
            for slot in wanted:
                saved.append(traced.layers_input[slot])
            tracer.stop()
        return torch.stack([last(one, ids) for one in saved], dim=1)

    return read, 16


def transformer_lens(model: LanguageModel) -> tuple[Read, int]:
    """`run_with_cache` of a bridge around the model, one prompt a call, of the streams alone."""
    from transformer_lens.model_bridge import TransformerBridge

    bridge: Any = TransformerBridge.boot_transformers(
        "Qwen/Qwen2.5-0.5B", hf_model=model.module, tokenizer=model.tokenizer, dtype=torch.float32
    )

    def read(ids: Sequence[tuple[int, ...]], slots: Sequence[int]) -> Tensor:
        names = [f"blocks.{slot}.hook_resid_pre" for slot in slots if slot < model.n_blocks]
        given = padded(list(ids), model.device)
        deepest = max(slots)
        stop = deepest + 1 if deepest < model.n_blocks - 1 else None
        with torch.no_grad():
            _, cache = bridge.run_with_cache(
                given["input_ids"],
                attention_mask=given["attention_mask"],
                names_filter=lambda name: name in names,
                stop_at_layer=stop,
            )
        return torch.stack([last(cache[name], ids) for name in names], dim=1)

    return read, 1


def pyvene(model: LanguageModel) -> tuple[Read, int]:
    """Collect interventions at blocks' inputs, one prompt a call, as its documents show it."""
    import pyvene as peer

    made: dict[tuple[int, ...], Any] = {}

    def read(ids: Sequence[tuple[int, ...]], slots: Sequence[int]) -> Tensor:
        wanted = tuple(slot for slot in slots if slot < model.n_blocks)
        if wanted not in made:
            kind = peer.CollectIntervention
            config = peer.IntervenableConfig(
                [{"layer": slot, "component": "block_input", "intervention_type": kind} for slot in wanted]
            )
            made[wanted] = peer.IntervenableModel(config, model.module)
        at = [[[len(one) - 1] for one in ids]] * len(wanted)
        with torch.no_grad():
            (_, collected), _ = made[wanted](padded(list(ids), model.device), unit_locations={"base": at})
        return torch.stack([one.reshape(len(ids), -1) for one in collected], dim=1)

    return read, 1


PEERS = {"nnsight": nnsight, "nnterp": nnterp, "transformer-lens": transformer_lens, "pyvene": pyvene}


def main() -> None:
    parse = arguments(str(__doc__), repeats=5, peer=list(PEERS), blocks=True)
    model = subject(parse)
    if parse.blocks:
        model = with_blocks(model, parse.blocks)
    rendered = [model.render(text) for text in sentences(model, lengths())]
    ids = [one.ids for one in rendered]
    peer_reads, idiom = PEERS[parse.peer](model)
    half = model.n_blocks // 2

    def ours(slots: Sequence[int], prompts: Sequence[Rendered] = rendered) -> Tensor:
        return model.capture(prompts, positions=("t_post_inst",), slots=slots).tensor[:, 0]

    def in_batches(batches: list[list[int]], slots: Sequence[int]) -> Tensor:
        found = torch.empty(len(ids), len(slots), model.hidden_size)
        for batch in batches:
            found[batch] = peer_reads([ids[row] for row in batch], slots)
        return found

    in_order = [list(range(start, min(start + idiom, len(ids)))) for start in range(0, len(ids), idiom)]
    for depth, slots in (("every slot", list(range(model.n_blocks))), ("half depth", [half])):
        variants = {
            "ours": lambda slots=slots: ours(slots),
            f"{parse.peer}, our batches": lambda slots=slots: in_batches(sorted_batches(ids), slots),
            f"{parse.peer}, as documented": lambda slots=slots: in_batches(in_order, slots),
        }
        exact = ours(slots)
        for name, run in list(variants.items())[1:]:
            torch.testing.assert_close(run(), exact, rtol=1e-3, atol=1e-3, msg=lambda m, n=name: f"{n}: {m}")
        names = list(variants)
        bounds = {names[1]: 1.0, names[2]: 1.9 if depth == "every slot" else 3.5}
        report = Report(f"{depth} at the last token of 80 prompts, {parse.peer} beside ours", "quartiles")
        report.lines = compared(variants, repeats=parse.repeats, against="ours", bounds=bounds, at_least=True)
        kind = depth.replace(" ", "-")
        shape = f"-{parse.blocks}-blocks" if parse.blocks else ""
        report.write(f"peers-{parse.peer}-{kind}{shape}", model, parse)


if __name__ == "__main__":
    main()
