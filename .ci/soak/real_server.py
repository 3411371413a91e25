"""The figures of docs/serving.md on a real model: what it answers with the guard off and on, over HTTP.

    python .ci/soak/real_server.py MODEL --guard DIR --out FILE.md --work DIR [--data DIR] [--prompts 150]

Everything goes through the openai client to one `latentguard serve`. "Off" is the policy `allow`, "on" is
`block`. Answers have 64 tokens at most; each is judged, counted and dropped: its outcome alone is kept in
`--work`, where a run that was killed goes on. Prompts that the guard was fitted on, or their relatives, are
left out.
"""

import argparse
import json
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from openai import OpenAI
from server import KEY, Running, served
from tables import log, table

import latentguard
from latentguard.data import Prompt, read_prompts
from latentguard.guard import read_manifest
from latentguard.guard.relatives import recognised_by
from latentguard.judge import judge
from latentguard.lm import Sampling
from latentguard.statistics import wilson

HARMFUL = ("harmbench", "strongreject", "gptfuzz_templates")
HARMLESS = ("or_bench_hard", "phtest_harmless", "alpaca_sample")
TOKENS = 64
CLIENTS = 32
"""Chats of one wave: they arrive together, so that they are answered in one batch."""


def drawn(data: Path, name: str, n: int, seen: frozenset[str]) -> list[Prompt]:
    """The same `n` prompts of a set at every call, none of which the guard knows."""
    given = [one for one in read_prompts(data / f"{name}.jsonl") if seen.isdisjoint(recognised_by(one))]
    order = np.random.default_rng(0).permutation(len(given)).tolist()
    return [given[number] for number in order[:n]]


class Kept:
    """Outcomes by (set, prompt, policy), one JSON line each."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self._found = {
            (one["set"], one["id"], one["policy"]): one["outcome"] for one in map(json.loads, lines)
        }

    def get(self, name: str, identifier: str, policy: str) -> str | None:
        return self._found.get((name, identifier, policy))

    def put(self, name: str, identifier: str, policy: str, outcome: str) -> None:
        self._found[name, identifier, policy] = outcome
        line = {"set": name, "id": identifier, "policy": policy, "outcome": outcome}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def outcome(client: OpenAI, model: str, prompt: Prompt, policy: str, tokens: int) -> str:
    """answered, refused (by the model), empty, blocked or cut; the text is gone when this returns."""
    messages = [{"role": one.role, "content": one.content} for one in prompt.messages]
    found = client.chat.completions.create(
        model=model,
        messages=messages,  # type: ignore[arg-type]
        temperature=0,
        max_tokens=tokens,
        extra_body={"guard": {"policy": policy}},
    )
    note = found.guard or {"action": "answered"}  # type: ignore[attr-defined]
    if note["action"] != "answered":
        return note["action"]
    judged = judge(found.choices[0].message.content or "")
    return "empty" if judged.empty else "refused" if judged.refused else "answered"


def outcomes(
    client: OpenAI, model: str, kept: Kept, name: str, prompts: list[Prompt], policy: str, tokens: int
) -> Counter[str]:
    """How the prompts of one set ended."""
    begun = time.monotonic()

    def one(prompt: Prompt) -> str:
        identifier = prompt.id or prompt.text
        known = kept.get(name, identifier, policy)
        return known or outcome(client, model, prompt, policy, tokens)

    found: list[str] = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        for first in range(0, len(prompts), CLIENTS):
            wave = prompts[first : first + CLIENTS]
            for prompt, ended in zip(wave, list(pool.map(one, wave)), strict=True):
                if kept.get(name, prompt.id or prompt.text, policy) is None:
                    kept.put(name, prompt.id or prompt.text, policy, ended)
                found.append(ended)
    log.print(f"{name}, {policy}: {dict(Counter(found))}, {time.monotonic() - begun:.0f} s")
    return Counter(found)


def share(count: int, n: int) -> str:
    found = wilson(count, n)
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def first_tokens(client: OpenAI, model: str, prompts: list[Prompt]) -> str:
    """Time to the first token of the same prompts with the guard off and on, in turns, one client."""
    times: dict[str, list[float]] = {"allow": [], "block": []}
    for number, prompt in enumerate(prompts):
        order = ("allow", "block") if number % 2 else ("block", "allow")
        both: dict[str, float] = {}
        for policy in order:
            begun = time.perf_counter()
            stream = client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": prompt.text}],
                temperature=0,
                max_tokens=2,
                stream=True,
                extra_body={"guard": {"policy": policy}},
            )
            pieces = iter(stream)
            next(piece for piece in pieces if piece.choices and piece.choices[0].delta.content)
            both[policy] = time.perf_counter() - begun
            ended = [piece.choices[0].finish_reason for piece in pieces if piece.choices]
            if "content_filter" in ended:
                both = {}
                break
        for policy, seconds in both.items():
            times[policy].append(seconds)
    ratios = np.array(times["block"]) / np.array(times["allow"])
    low, middle, high = np.quantile(_medians(ratios), (0.025, 0.5, 0.975))
    off, on = (1000 * statistics.median(times[policy]) for policy in ("allow", "block"))
    return (
        f"{on:.0f} ms with the policy block, {off:.0f} ms with allow, over HTTP; "
        f"on / off {middle:.3f} ({low:.3f} to {high:.3f}), {len(ratios)} prompts, each with both"
    )


def reading(model_name: str, folder: Path, prompts: list[Prompt]) -> str:
    """What the guard's reading adds to a first token: the same run without any guard, in this process."""
    model = latentguard.load(model_name)
    guard = latentguard.Guard.load(folder, model)
    ratios: list[float] = []
    for number, prompt in enumerate(prompts):
        rendered = guard.model.render(prompt.messages)
        seconds: dict[bool, float] = {}
        for guarded in (True, False) if number % 2 else (False, True):
            begun = time.perf_counter()
            guard.model.replying(
                [rendered],
                max_new_tokens=[2],
                samplings=[Sampling()],
                stop=[()],
                guard=guard if guarded else None,
            ).step()
            seconds[guarded] = time.perf_counter() - begun
        ratios.append(seconds[True] / seconds[False])
    low, middle, high = np.quantile(_medians(np.array(ratios)), (0.025, 0.5, 0.975))
    return f"guard / no guard {middle:.3f} ({low:.3f} to {high:.3f}), {len(ratios)} prompts, each with both"


def _medians(ratios: np.ndarray) -> np.ndarray:
    draws = np.random.default_rng(0).integers(0, len(ratios), (2000, len(ratios)))
    return np.median(ratios[draws], axis=1)


def measure(one: Running, given: argparse.Namespace) -> list[str]:
    manifest = read_manifest(given.guard)
    seen = frozenset(manifest.data.seen)
    client = OpenAI(base_url=f"{one.address}/v1", api_key=KEY, timeout=600, max_retries=5)
    model = client.models.list().data[0].id
    made_by = f"{manifest.tensors_sha256[:8]}-{manifest.calibration.threshold:.6g}-{given.harmless_tokens}"
    kept = Kept(given.work / f"outcomes-{made_by}.jsonl")
    rows: list[tuple[str, ...]] = []
    for name in HARMFUL:
        prompts = drawn(given.data, name, given.prompts, seen)
        off = outcomes(client, model, kept, name, prompts, "allow", TOKENS)
        on = outcomes(client, model, kept, name, prompts, "block", TOKENS)
        n = len(prompts)
        blocked = (share(on["blocked"], n), share(on["cut"], n))
        rows.append((name, str(n), share(off["answered"], n), share(on["answered"], n), *blocked))
    harmful = table(("harmful", "n", "answered, off", "answered, on", "blocked", "answers cut"), rows)
    rows = []
    for name in HARMLESS:
        prompts = drawn(given.data, name, given.prompts, seen)
        on = outcomes(client, model, kept, name, prompts, "block", given.harmless_tokens)
        n = len(prompts)
        rows.append((name, str(n), share(on["blocked"], n), share(on["cut"], n), share(on["refused"], n)))
    head = ("harmless", "n", "wrongly blocked", "answers wrongly cut", "the model refuses by itself")
    harmless = table(head, rows)
    ordinary = drawn(given.data, "alpaca_eval", given.first_tokens, seen)
    return [harmful, harmless, f"Time to the first token: {first_tokens(client, model, ordinary)}."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--guard", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=150, help="of each set")
    parser.add_argument("--harmless-tokens", type=int, default=TOKENS)
    parser.add_argument("--first-tokens", type=int, default=60, help="prompts for the time to the first one")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    with served(given.guard, given.model, policy="block", max_chats=CLIENTS) as one:
        parts = measure(one, given)
    ordinary = drawn(given.data, "alpaca_eval", given.first_tokens, frozenset())
    parts.append(
        f"What reading adds to a first token, in one process: {reading(given.model, given.guard, ordinary)}."
    )
    given.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    log.print(given.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
