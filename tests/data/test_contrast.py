"""The contrast set keeps its promise: the class of a request hangs on its intent and on nothing cheaper."""

import unicodedata
from collections import Counter, defaultdict
from difflib import SequenceMatcher
from statistics import median

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from latentguard.data.contrast import (
    CATEGORIES,
    FRAMES,
    SPLITS,
    ContrastRow,
    contrast_rows,
    contrast_set,
)
from latentguard.data.endings import final_punctuation, without_ending
from latentguard.data.prompts import Prompt
from latentguard.errors import BadData

ROWS = contrast_rows()
SET = contrast_set()


def pairs() -> dict[str, list[ContrastRow]]:
    found: dict[str, list[ContrastRow]] = defaultdict(list)
    for row in ROWS:
        found[row.pair].append(row)
    return found


def words(text: str) -> list[str]:
    """Words of a text; its letters where the script writes few or no spaces."""
    few_spaces = any(
        unicodedata.name(letter, "").startswith(("CJK", "HIRAGANA", "HANGUL")) for letter in text
    )
    return list(text) if few_spaces else text.casefold().split()


def shared_part(first: str, second: str) -> float:
    blocks = SequenceMatcher(None, words(first), words(second), autojunk=False).get_matching_blocks()
    return 2 * sum(block.size for block in blocks) / (len(words(first)) + len(words(second)))


def is_harmful(prompts: list[Prompt]) -> list[bool]:
    return [prompt.label == "harmful" for prompt in prompts]


def test_there_are_enough_pairs_in_every_category_frame_and_language():
    rows_of_harm = [row for row in ROWS if row.label == "harmful"]
    assert len(rows_of_harm) >= 512
    assert min(Counter(row.category for row in rows_of_harm)[name] for name in CATEGORIES) >= 60
    assert min(Counter(row.frame for row in rows_of_harm)[name] for name in FRAMES) >= 10
    assert len({row.lang for row in ROWS}) >= 12


def test_every_pair_is_one_harmful_and_one_harmless_request_alike_in_all_else():
    for harmful, harmless in pairs().values():
        assert (harmful.label, harmless.label) == ("harmful", "harmless")
        for field in ("category", "frame", "lang", "split"):
            assert getattr(harmful, field) == getattr(harmless, field), harmful.pair


def test_every_pair_ends_in_one_mark():
    for harmful, harmless in pairs().values():
        assert final_punctuation(harmful.prompt) == final_punctuation(harmless.prompt), harmful.pair


def test_pairs_share_their_frame():
    shares = {pair: shared_part(first.prompt, second.prompt) for pair, (first, second) in pairs().items()}
    assert min(shares.values()) >= 0.29, min(shares, key=shares.__getitem__)
    assert median(shares.values()) >= 0.78


def test_classes_are_equally_long():
    lengths = [len(row.prompt) for row in ROWS]
    auroc = roc_auc_score([row.label == "harmful" for row in ROWS], lengths)
    assert abs(auroc - 0.5) <= 0.05


def test_ids_and_texts_are_unique():
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert len({without_ending(row.prompt).casefold() for row in ROWS}) == len(ROWS)


def test_splits_hold_whole_pairs_in_their_shares():
    held = [{prompt.base_id for prompt in part} for part in (SET.train, SET.validation, SET.test)]
    assert sum(map(len, held)) == len(set().union(*held)) == len(pairs())
    for part, share in zip(held, (0.6, 0.2, 0.2), strict=True):
        assert abs(len(part) / len(pairs()) - share) <= 0.02


@pytest.mark.parametrize("part", SPLITS)
def test_each_split_holds_every_category_and_frame(part: str):
    rows = [row for row in ROWS if row.split == part and row.label == "harmful"]
    by_category = Counter(row.category for row in rows)
    assert set(by_category) == set(CATEGORIES)
    assert max(by_category.values()) <= 1.4 * min(by_category.values())
    assert {row.frame for row in rows} == set(FRAMES)


def test_no_prompt_has_a_near_copy_in_another_split():
    train = [frozenset(words(prompt.text)) for prompt in SET.train]
    for prompt in (*SET.validation, *SET.test):
        own = frozenset(words(prompt.text))
        assert max(len(own & other) / len(own | other) for other in train) <= 0.65, prompt.id


@pytest.mark.parametrize(("analyzer", "ngrams"), [("word", (1, 1)), ("word", (1, 2)), ("char_wb", (3, 5))])
def test_words_alone_do_not_tell_the_class(analyzer: str, ngrams: tuple[int, int]):
    vectoriser = TfidfVectorizer(analyzer=analyzer, ngram_range=ngrams, sublinear_tf=True)
    features = vectoriser.fit_transform([prompt.text for prompt in SET.train])
    model = LogisticRegression(C=10.0, max_iter=1000).fit(features, is_harmful(SET.train))
    for part in (SET.validation, SET.test):
        scores = model.decision_function(vectoriser.transform([prompt.text for prompt in part]))
        assert roc_auc_score(is_harmful(part), scores) <= 0.70


def test_words_of_harm_stand_in_both_classes():
    for stem in ("kill", "bomb", "hack", "poison", "suicide", "cocaine", "rape", "steal", "nazi", "virus"):
        classes = {row.label for row in ROWS if stem in row.prompt.casefold()}
        assert classes == {"harmful", "harmless"}, stem


def test_a_prompt_of_the_set_keeps_its_pair_as_its_base():
    prompt = SET.train[0]
    assert prompt.id == f"{prompt.base_id}-{prompt.label}"
    assert prompt.source == "latentguard/contrast"
    assert prompt.lang == "en"


def test_a_row_of_an_unknown_category_is_named():
    with pytest.raises(BadData, match=r"'x-harmful'.*unknown category.*\n.*'arson'"):
        ContrastRow("x-harmful", "x", "?", "harmful", "arson", "question", "en", "train")
