"""The tables of the paper beside one model, in docs/real-models.md: from what `latentguard reproduce` wrote.

latentguard reproduce harmfulness MODEL --data ../shared/data --out DIR
python .ci/soak/reproduction_table.py DIR/reproduction.json
"""

import sys
from pathlib import Path

from tables import shown, table

from latentguard.verify.reproduction import VARIANTS, Reproduction, Row


def row_of(row: Row) -> tuple[str, ...]:
    digits = 3 if "belief" in row.what else 2
    return (
        f"{row.what} ({row.note})" if row.note else row.what,
        "; ".join(f"{model} {value}" for model, value in row.paper.items()),
        *(shown(row.measured.get(one), digits) for one in VARIANTS),
        str(max(one.n for one in row.measured.values())),
    )


def main() -> None:
    found = Reproduction.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    parts: list[str] = []
    for experiment in dict.fromkeys(row.experiment for row in found.rows):
        rows = [row for row in found.rows if row.experiment == experiment and row.skipped is None]
        if rows:
            head = (experiment, "paper", *(one.replace("_", " ") for one in VARIANTS), "n")
            parts.append(table(head, [row_of(one) for one in rows]))
    skipped = [f"{row.experiment}, {row.what}: {row.skipped}" for row in found.rows if row.skipped]
    parts.append("Not measured: " + ". ".join(skipped) + ".\n" if skipped else "")
    moved = "; ".join(f"{row.what} {change:+.2f}" for row, change in found.moved_by_endings())
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in found.behaviour.items())
    print(
        f"`{found.command}`; {found.model.quantisation}, in {found.model.dtype}; fitting prompts: {counts}; "
        f"{found.data}. What balanced endings change most: {moved}.\n\n" + "\n".join(parts)
    )


if __name__ == "__main__":
    main()
