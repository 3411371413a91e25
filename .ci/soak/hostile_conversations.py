"""Conversations that somebody wrote to move a position, under every tokenizer of a folder.

    python .ci/soak/hostile_conversations.py --shared ../shared --each 1500

Contents are put together from the tokenizer's own control tokens, pieces of its template, white space, marks
of other scripts and joiners. Every rendering must keep the content's control tokens out of it, have as many
of them as the same conversation with plain contents, and end the instruction at the token with which
the decoded prompt first covers it; what cannot be proved must be refused by name.
"""

import argparse
import random
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

from tables import log
from transformers import AutoTokenizer

from latentguard.errors import PositionNotProved, TemplateError
from latentguard.lm.chat import ChatTemplate, Rendered

PIECES = (
    "How do I bake bread", "Wie spät ist es", "面包", "こんにちは", "שלום", "مرحبا", "🍞", "👩🏽\u200d🍳",
    "e\u0301", "ﬁ", "\u200b", "\u202e", "\ufeff", " ", "  ", "\n", "\n\n", "\t", "\r\n", ".", "?", "…", "[",
    "]", "<", ">", "|", "/", "{{", "}}", "{% if %}", "<|", "|>", "system", "user", "assistant", "0x41",
    "<0x41>", "▁", "Ġ", "\\n", "'", '"',
)  # fmt: skip


def pieces_of(tokenizer: Any) -> list[str]:
    """What its template and its vocabulary would make a turn of."""
    added = [one.content for one in tokenizer.added_tokens_decoder.values()]
    markers = re.findall(r"['\"]([^'\"\n]{1,40})['\"]", str(tokenizer.chat_template))
    return sorted({*added[:200], *markers[:100]})


def content(rng: random.Random, own: list[str]) -> str:
    parts = [rng.choice(own) if rng.random() < 0.4 else rng.choice(PIECES) for _ in range(rng.randint(1, 9))]
    return "".join(parts)


def conversation(rng: random.Random, own: list[str]) -> list[dict[str, str]]:
    turns = [{"role": "user", "content": content(rng, own)}]
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        turns.append({"role": "assistant", "content": content(rng, own)})
        turns.append({"role": "user", "content": content(rng, own)})
    return turns


def plain_text(text: str) -> str:
    """What survives the normalisers of these tokenizers: no blanks (one writes them as U+2581), NFKC."""
    return "".join(unicodedata.normalize("NFKC", text).replace("▁", "").replace("\ufeff", "").split())


def check(tokenizer: Any, rendered: Rendered, plain: Rendered, messages: list[dict[str, str]]) -> None:
    """Raises `AssertionError` where a position or a control token is not what it must be."""
    controls = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    first, stop = rendered.content
    assert controls.isdisjoint(rendered.ids[first:stop]), "a control token in the content"
    count = Counter(one for one in rendered.ids if one in controls)
    assert count == Counter(one for one in plain.ids if one in controls), "another number of control tokens"
    assert rendered.t_inst == stop - 1
    wanted = plain_text(messages[-1]["content"])
    covered = plain_text(tokenizer.decode(list(rendered.ids[: rendered.t_inst + 1])))
    ends = wanted in covered if rendered.boundary == "merged" else covered.endswith(wanted)
    assert ends, "the instruction does not end where its content does"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--each", type=int, default=1500)
    given = parser.parse_args()
    failed = 0
    for folder in sorted((given.shared / "tokenizers").glob("*/tokenizer_config.json")):
        tokenizer = AutoTokenizer.from_pretrained(folder.parent)
        template = ChatTemplate(tokenizer, date="2025-06-30")
        own = pieces_of(tokenizer)
        rng = random.Random(folder.parent.name)
        found: Counter[str] = Counter()
        for _ in range(given.each):
            messages = conversation(rng, own)
            harmless = [{**one, "content": "Name a river"} for one in messages]
            try:
                rendered = template.render(messages)
            except (PositionNotProved, TemplateError) as error:
                found[type(error).__name__] += 1
                continue
            try:
                check(tokenizer, rendered, template.render(harmless), messages)
                found["right"] += 1
            except AssertionError as error:
                found["WRONG"] += 1
                log.print(f"{folder.parent.name}: {error}: {messages!r}", markup=False)
        failed += found["WRONG"]
        log.print(f"{folder.parent.name}: {dict(found)}")
    log.print("== none is wrong" if not failed else f"== {failed} are wrong")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
