"""How far does memory grow beside the model's own while 10,000 prompts are read at one slot?

The model's own is what the process holds once it is loaded and proved: what a first run keeps for later ones
counts as growth.
"""

import argparse
import json
import threading
import time

import psutil
from harness import arguments, lengths, sentences, subject

PROMPTS = 10_000
BOUND_MB = 300
POSITIONS = ("t_inst", "t_post_inst")


class Peak(threading.Thread):
    """The largest resident size of this process while it runs, sampled every 20 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes, self._process, self._ends = 0, psutil.Process(), threading.Event()

    def run(self) -> None:
        while not self._ends.is_set():
            self.bytes = max(self.bytes, self._process.memory_info().rss)
            time.sleep(0.02)

    def end(self) -> int:
        self._ends.set()
        self.join()
        return self.bytes


def main() -> None:
    given: argparse.Namespace = arguments(str(__doc__), repeats=1)
    model = subject(given)
    before = psutil.Process().memory_info().rss
    texts = sentences(model, lengths(short=PROMPTS, long=0))
    peak = Peak()
    peak.start()
    model.capture(texts, positions=POSITIONS, slots=[model.n_blocks // 2])
    grown = (peak.end() - before) / 2**20
    print(f"{PROMPTS} prompts: {grown:.0f} MB over the {before / 2**20:.0f} MB before (bound {BOUND_MB} MB)")
    given.out.mkdir(parents=True, exist_ok=True)
    found = {"prompts": PROMPTS, "before_mb": before / 2**20, "grown_mb": grown, "bound_mb": BOUND_MB}
    (given.out / "memory.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
