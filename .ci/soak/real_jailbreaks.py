"""The jailbreak figures of docs/real-causes.md: both beliefs of requests, and of the same requests attacked.

    python .ci/soak/real_jailbreaks.py MODEL --shared ../shared --out FILE.md --work DIR [--templates 360]

Beliefs are fitted on AdvBench and Alpaca without the requests that are attacked, with balanced endings and,
beside them, as written. Replies are judged, counted and dropped; what was judged is kept in `--work`, and
a run that was killed goes on where it was.
"""

import argparse
import json
import random
import time
from pathlib import Path

from tables import log, plain, said, sampled, table

import latentguard
from latentguard.beliefs import Shift, fit_reading, jailbreaks, observe
from latentguard.beliefs.jailbreak_record import jailbreak_record
from latentguard.data import Endings, Prompt, read_prompts
from latentguard.guard.relatives import recognised_by, remembered_as
from latentguard.statistics import Estimate

ATTACKED = ("gcg_suffixes", "gptfuzz_templates")
ENDINGS: tuple[Endings, ...] = ("balanced", "as_written")


def attacked(shared: Path, templates: int) -> list[Prompt]:
    """Every suffix, and so many templates, the same at every call."""
    suffixes, wrapped = (read_prompts(shared / "data" / f"{name}.jsonl") for name in ATTACKED)
    return [*suffixes, *random.Random("templates 0").sample(wrapped, min(templates, len(wrapped)))]


def share(found: Estimate) -> str:
    if found.value is None:
        return "–"
    ends = "" if found.low is None or found.high is None else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.value:.2f}{ends} of {found.n}"


def shift(found: Shift | None) -> str:
    if found is None:
        return "–"
    ends = found.shift
    between = "" if ends.low is None or ends.high is None else f" ({ends.low:+.3f} to {ends.high:+.3f})"
    return f"{found.before:+.3f} to {found.after:+.3f}: {ends.value:+.3f}{between}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--templates", type=int, default=360)
    parser.add_argument("--fitted", type=int, default=100, help="prompts a class that beliefs are fitted on")
    parser.add_argument("--dtype", default="auto")
    given = parser.parse_args()
    begun = time.perf_counter()
    model = latentguard.load(given.model, dtype=given.dtype)
    wrapped = attacked(given.shared, given.templates)
    wanted = {one.base_id for one in wrapped}
    bases = [one for one in plain(given.shared, "advbench") if one.id in wanted]
    marks = frozenset(mark for one in (*wrapped, *bases) for mark in remembered_as(one))
    harmful = sampled(given.shared, "advbench", 493)
    apart = [one for one in harmful if marks.isdisjoint(recognised_by(one))]
    fitting = [*apart[: given.fitted], *sampled(given.shared, "alpaca_sample", given.fitted)]
    parts: list[str] = []
    records: dict[str, object] = {}
    with model.remembering(given.work / "states"):
        seen = observe(model, fitting, folder=given.work, progress=said)
        for endings in ENDINGS:
            reading = fit_reading(model, seen, endings=endings, progress=said)
            found = jailbreaks(model, reading, wrapped, bases, folder=given.work, progress=said)
            head = (
                endings, "n", "request accepted anyway", "succeeds on the others",
                "harmfulness, before to after", "refusal, before to after", "still believed harmful",
                "lowers", "reverses",
            )  # fmt: skip
            rows = [
                (
                    row.attack, str(row.n), str(row.accepted_anyway), share(row.succeeded),
                    shift(row.harmfulness), shift(row.refusal), share(row.still_believed), row.lowers,
                    row.reverses,
                )
                for row in found.rows
            ]  # fmt: skip
            parts.append(table(head, rows) + "".join(f"\n{note}\n" for note in reading.notes))
            left_out = len(harmful) - len(apart)
            record = jailbreak_record(found, model, reading.counts, fitted_on=len(fitting), left_out=left_out)
            records[endings] = record.model_dump(mode="json")
    minutes = (time.perf_counter() - begun) / 60
    identity = model.identity()
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in seen.counts().items())
    text = (
        f"### Jailbreaks: {identity.name}\n\nIn {identity.dtype}; fitted on {counts}; "
        f"{minutes:.0f} minutes on this call.\n\n" + "\n".join(parts)
    )
    given.out.write_text(text, encoding="utf-8")
    given.out.with_suffix(".json").write_text(json.dumps(records), encoding="utf-8")
    log.print(f"written to {given.out}")


if __name__ == "__main__":
    main()
