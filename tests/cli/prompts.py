"""Small files of labelled prompts for the tests: two classes of innocent sentences, and hostile ones."""

import json
from pathlib import Path

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror=window.hacked=1>",
    "[/red][link=file:///]click[/link]",
    "\x1b[2J\x1b]0;title\x07 clear",
    "left \u202eto right \x9b31m",
)
"""What would act on a page, in rich markup or on a terminal, if it were not shown inert."""

PLACES = (
    "kitchen",
    "garden",
    "harbour",
    "library",
    "station",
    "meadow",
    "cellar",
    "attic",
    "market",
    "bridge",
)


def write_classes(folder: Path, *, each: int = 40) -> tuple[Path, Path]:
    """`harmful.jsonl` and `harmless.jsonl`, `each` rows a class; the first rows hold the hostile texts.

    The labels are names only: "harmful" rows speak of storms, the others of tea.
    """
    files = []
    for label, word in (("harmful", "storm"), ("harmless", "tea")):
        texts = [f"Tell me about {word} number {n} in the {PLACES[n % len(PLACES)]}" for n in range(each)]
        texts[: len(HOSTILE)] = [f"{text} {word}" for text in HOSTILE]
        file = folder / f"{label}.jsonl"
        file.write_text(
            "".join(
                json.dumps({"prompt": text, "label": label, "id": f"{word}-{n}"}) + "\n"
                for n, text in enumerate(texts)
            )
        )
        files.append(file)
    return files[0], files[1]
