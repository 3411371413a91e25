"""The long runs of `latentguard serve`, on the organism: requests made up from its description, and memory.

    python .ci/soak/server.py fuzz --requests 5000
    python .ci/soak/server.py memory --requests 20000

`fuzz` needs schemathesis. Figures are in docs/serving.md; load is in `server_load.py`.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

KEY = "soak-key"
OPENAPI = Path(__file__).resolve().parents[2] / "tests" / "serve" / "openapi"


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    address: str
    process: psutil.Process
    log: Path

    def ask(self, body: object, path: str = "/v1/moderations") -> dict[str, object]:
        """What it answers."""
        request = urllib.request.Request(
            self.address + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"},
        )
        with urllib.request.urlopen(request, timeout=900) as answer:
            return json.load(answer)

    def metric(self, name: str) -> float:
        """One figure of /metrics."""
        key = {"Authorization": f"Bearer {KEY}"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.address}/metrics", headers=key)) as answer:
            found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
        return 0.0 if found is None else float(found[1])


@contextmanager
def served(guard: Path, model: str | None = None, **settings: object) -> Generator[Running]:
    """Serve `guard` until the block ends."""
    lines = [f"guard = {json.dumps(str(guard))}", "port = 0"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    lines += ["[[keys]]", 'name = "soak"', f'key = "{KEY}"', 'scopes = ["internals", "policy"]']
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "serve.toml"
        file.write_text("\n".join(lines))
        command = [sys.executable, "-m", "latentguard", "serve", *([model] if model else [])]
        log = (Path(folder) / "log").open("w")
        begun = time.monotonic()
        process = subprocess.Popen(
            [*command, "--config", str(file)], stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[2].rstrip(";")
            one = Running(address, psutil.Process(process.pid), Path(log.name))
            while not _ready(address):
                time.sleep(0.1)
            print(f"ready after {time.monotonic() - begun:.1f} s")
            yield one
        finally:
            process.terminate()
            process.wait(60)


def _ready(address: str) -> bool:
    try:
        return urllib.request.urlopen(f"{address}/readyz").status == 200
    except OSError:
        return False


def organisms_guard(folder: Path) -> Path:
    """Fitted on the organism's own prompts."""
    import latentguard
    from latentguard.organism import audit_data

    harmful, harmless = audit_data()
    model = latentguard.load("organism")
    latentguard.Guard.fit(model, harmful, harmless, untrained_copies=0, permutations=0).save(folder)
    return folder


def fuzz(guard: Path, requests: int) -> None:
    """Every check of schemathesis, until so many requests were made."""
    made = 0
    with served(guard, max_new_tokens=8) as one, tempfile.TemporaryDirectory() as folder:
        shutil.copytree(OPENAPI, folder, dirs_exist_ok=True)
        for seed in range(1000):
            run = subprocess.run(
                [
                    *(sys.executable, "-m", "schemathesis.cli", "run", f"{one.address}/openapi.json"),
                    *("--checks", "all", "--max-examples", "200", "--seed", str(seed), "--no-color"),
                    *("-H", f"Authorization: Bearer {KEY}", "--request-timeout", "30"),
                ],
                cwd=folder,
                capture_output=True,
                text=True,
            )
            found = re.search(r"(\d+) generated", run.stdout)
            made += int(found[1]) if found else 0
            print(f"seed {seed}: {found[0] if found else '?'}, exit code {run.returncode}; {made:,} in all")
            if run.returncode:
                print(run.stdout[-6000:])
                sys.exit(1)
            if made >= requests:
                return


def memory(guard: Path, requests: int) -> None:
    """The resident memory of the server while it answers so many requests, a fifth of them chats."""
    texts = [f"Please describe the {word} of number {n}" for n in range(50) for word in ("sea", "window")]
    with served(guard, max_new_tokens=4) as one:
        done = 0
        lock = threading.Lock()

        def ask(number: int) -> None:
            nonlocal done
            text = texts[number % len(texts)]
            if number % 5:
                one.ask({"input": text})
            else:
                messages = [{"role": "user", "content": text}]
                one.ask({"model": "organism", "messages": messages}, "/v1/chat/completions")
            with lock:
                done += 1

        sizes: list[float] = []
        begun = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            for part in range(10):
                list(pool.map(ask, range(part * requests // 10, (part + 1) * requests // 10)))
                sizes.append(one.process.memory_info().rss / 2**20)
                print(f"{done:,} requests, {time.monotonic() - begun:.0f} s: {sizes[-1]:.1f} MiB")
        print(f"from the first tenth to the last: {sizes[-1] - sizes[0]:+.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("fuzz", "memory"))
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--guard", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        guard = given.guard or organisms_guard(Path(folder) / "guard")
        if given.what == "fuzz":
            fuzz(guard, given.requests)
        else:
            memory(guard, given.requests)


if __name__ == "__main__":
    main()
