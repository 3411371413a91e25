"""An option may be given many files at once, and never swallows what is not one."""

import pytest

from latentguard.cli._many_files import one_option_each


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--data", "a.jsonl", "b.csv"], ["--data", "a.jsonl", "--data", "b.csv"]),
        (["--data=a.jsonl", "b.csv"], ["--data=a.jsonl", "--data", "b.csv"]),
        (["--harmful", "a.txt", "model.gguf"], ["--harmful", "a.txt", "model.gguf"]),
        (["--harmful", "org/set", "org/model"], ["--harmful", "org/set", "org/model"]),
        (["m", "--harmful", "a.txt", "--seed", "3"], ["m", "--harmful", "a.txt", "--seed", "3"]),
        (["--out", "x.jsonl", "y.jsonl"], ["--out", "x.jsonl", "y.jsonl"]),
        (["--data", "a.jsonl", "--", "b.jsonl"], ["--data", "a.jsonl", "--", "b.jsonl"]),
        (
            ["--data", "a.JSONL", "b.JSONL", "c", "d.txt"],
            ["--data", "a.JSONL", "--data", "b.JSONL", "c", "d.txt"],
        ),
    ],
)
def test_further_files_belong_to_their_option_and_nothing_else_does(given, expected):
    assert one_option_each(given) == expected
