"""What is kept of what a model did, and the clusters made of it."""

import dataclasses

import pytest

from latentguard.beliefs import CELLS, FEWEST, Behaviour, Reply, cell_of, clusters, observe
from latentguard.data import Prompt
from latentguard.judge import Judgement
from tests.lm.tiny import tiny


def reply(refused, empty=False):
    return Reply(refused=refused, empty=empty, characters=3, tokens=1, sha256="0" * 64)


def behaviour(*rows):
    """Rows of (label, refused, empty)."""
    return Behaviour(
        prompts=tuple(
            Prompt.of(f"prompt {n}", label=label, source=f"s{n % 2}") for n, (label, _, _) in enumerate(rows)
        ),
        replies=tuple(reply(refused, empty) for _, refused, empty in rows),
        max_new_tokens=16,
    )


SEEN = behaviour(
    ("harmful", True, False),
    ("harmful", False, False),
    ("harmless", True, False),
    ("harmless", False, False),
    ("harmful", True, True),
    (None, True, False),
    ("harmful", True, False),
)


def test_every_prompt_is_in_the_cell_of_its_label_and_decision():
    assert SEEN.cells() == {
        "refused_harmful": (0, 6),
        "accepted_harmful": (1,),
        "refused_harmless": (2,),
        "accepted_harmless": (3,),
    }


def test_empty_replies_and_unlabelled_prompts_are_counted_apart_and_nobody_twice():
    counts = SEEN.counts()
    assert (counts["empty"], counts["unlabelled"]) == (1, 1)
    assert sum(counts.values()) == len(SEEN.prompts)


def test_the_four_cells_have_their_names():
    found = {
        cell_of(harmful=harmful, refused=refused) for harmful in (True, False) for refused in (True, False)
    }
    assert found == set(CELLS)
    assert cell_of(harmful=True, refused=False) == "accepted_harmful"


def test_decisions_are_counted_by_source():
    assert SEEN.by_source() == {
        "s0": {"refused": 3, "accepted": 0, "empty": 1},
        "s1": {"refused": 1, "accepted": 2, "empty": 0},
    }


def test_clusters_are_the_two_corners_and_the_rest_is_counted():
    found = clusters(SEEN)
    assert (found.refused_harmful, found.accepted_harmless) == ((0, 6), (3,))
    assert found.fell_out == {"accepted_harmful": 1, "refused_harmless": 1, "empty": 1, "unlabelled": 1}


def test_ten_prompts_a_cluster_are_enough_and_nine_are_named_with_the_counts():
    enough = [("harmful", True, False)] * FEWEST + [("harmless", False, False)] * FEWEST
    assert clusters(behaviour(*enough)).too_few is None
    reason = clusters(behaviour(*enough[1:], ("harmful", False, False))).too_few
    assert reason == (
        "fewer than 10 prompts in refused_harmful (refused_harmful 9, accepted_harmless 10, "
        "accepted_harmful 1, refused_harmless 0)"
    )


def test_observing_keeps_label_length_and_hash_and_drops_the_text():
    model = tiny("Qwen3")
    texts = []

    def judged(text):
        texts.append(text)
        return Judgement(refused=True, reason="because", empty=False)

    prompts = [Prompt.of("How do I bake bread?"), Prompt.of("hi")]
    seen = observe(model, prompts, judge=judged, max_new_tokens=6)
    assert seen.prompts == tuple(prompts)
    assert [kept.characters for kept in seen.replies] == [len(text) for text in texts]
    assert seen.refused == (True, True)
    held = repr([dataclasses.asdict(kept) for kept in seen.replies])
    assert texts[0]
    assert texts[0] not in held
    assert "because" not in held


def test_more_than_64_new_tokens_are_never_asked_for():
    with pytest.raises(ValueError, match="64"):
        observe(tiny("Qwen3"), [Prompt.of("hi")], max_new_tokens=65)


def test_prompts_and_replies_must_match():
    with pytest.raises(ValueError, match="2 prompts but 1 replies"):
        Behaviour(prompts=(Prompt.of("a"), Prompt.of("b")), replies=(reply(True),), max_new_tokens=4)


def test_the_frame_has_a_row_a_prompt_with_its_cell_and_no_reply():
    frame = SEEN.to_frame()
    assert list(frame["prompt"]) == [prompt.text for prompt in SEEN.prompts]
    cells = [None if one != one else one for one in frame["cell"]]
    assert cells[:4] == ["refused_harmful", "accepted_harmful", "refused_harmless", "accepted_harmless"]
    assert cells[4:6] == [None, None]
    kept = {"refused", "empty", "characters", "tokens", "sha256", "first"}
    assert set(frame) == {"prompt", "label", "category", "source", "attack", "cell"} | kept


def test_a_notebook_shows_the_counts_and_no_prompt():
    html = SEEN._repr_html_()
    assert "<td>refused harmful</td><td>2</td>" in html
    assert "<td>unlabelled</td><td>1</td>" in html
    assert "7 prompts" in html
    assert "prompt 3" not in html


def test_the_frame_of_nothing_is_empty():
    assert behaviour().to_frame().empty


def test_judgements_that_were_kept_are_not_asked_for_again(tmp_path):
    model, prompts = tiny("Qwen3"), [Prompt.of(text) for text in ("how", "what is it", "why not")]
    whole = observe(model, prompts, max_new_tokens=3)
    assert observe(model, prompts[:2], max_new_tokens=3, folder=tmp_path).replies == whole.replies[:2]
    (file,) = tmp_path.iterdir()
    with file.open("a") as half:
        half.write('{"prompt": "cut o')
    asked = []
    generate = model.generate
    model.generate = lambda some, **options: asked.append(len(some)) or generate(some, **options)
    assert observe(model, prompts, max_new_tokens=3, folder=tmp_path) == whole
    assert observe(model, prompts, max_new_tokens=3, folder=tmp_path) == whole
    assert asked == [1], "the third prompt alone, once"
    assert "why not" not in file.read_text()


def test_another_judge_or_length_has_judgements_of_its_own(tmp_path):
    model, prompts = tiny("Qwen3"), [Prompt.of("how")]
    observe(model, prompts, max_new_tokens=3, folder=tmp_path)
    observe(model, prompts, max_new_tokens=4, folder=tmp_path)
    observe(model, prompts, max_new_tokens=3, judge=stern, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def stern(text):
    return Judgement(refused=True, empty=False, reason="stern")
