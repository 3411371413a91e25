"""The card says what the guard is and what publishing it costs; nothing in a record can write on it."""

from dataclasses import replace

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from latentguard.guard.hub import Publication, card, publication
from latentguard.guard.hub.card import code
from latentguard.guard.manifest import CutOn, FittedCategory
from latentguard.statistics import Estimate

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> | b | [x](http://x.invalid) ![x](http://x.invalid)\n"
    "# Safe\n\n---\nlicense: mit\n```\n`` ` "
    "http://x.invalid www.x.invalid &lt;b&gt; \x1b[31m\u202e\\| *b* _b_ $$x$$"
)
MARKUP = {"html_block", "html_inline", "image"}


@pytest.fixture
def published(guard):
    return Publication(guard.manifest, {}, ("the probe",), ("the rest",))


def tokens(text):
    """Every token of the card's Markdown, those inside of lines, too."""
    body = ModelCard(text).text
    found = MarkdownIt("commonmark").enable("table").parse(body)
    return [each for one in found for each in (one, *(one.children or ()))]


def changed(published, **fields):
    return replace(published, manifest=published.manifest.model_copy(update=fields))


def test_the_card_tells_how_the_guard_was_made_and_that_its_auroc_is_no_test(published, guard):
    text = card(published, "acme/guard")
    model, fitted = guard.manifest.model, guard.manifest.fitted
    for fact in (
        model.fingerprint[:16],
        f"{fitted.validation_auroc:.3f}, the best of {fitted.considered} candidates",
        "**not a test**",
        ", ".join(map(str, fitted.slots)),
        "`balanced`",
        "28 harmful and 28 harmless prompts",
        f"{guard.manifest.calibration.threshold:.4g}, where it parts the validation prompts best",
        "latentguard hub pull acme/guard --out guard",
        "- the rest",
    ):
        assert fact in text, fact


def test_a_threshold_of_own_traffic_is_shown_with_its_interval(published):
    rate = Estimate(value=0.012, low=0.006, high=0.023, n=900)
    cut = CutOn(n=900, target_fpr=0.01, data_hash="0" * 64, false_flags=rate, before=0.1)
    text = card(changed(published, cut_on=cut), "acme/guard")
    assert "cut on 900 ordinary prompts to flag at most 0.01 of them" in text
    assert "| false flags | 0.012 (0.006 to 0.023)" in text


def test_a_target_of_the_fit_is_shown(published, guard):
    fitted = guard.manifest.fitted.model_copy(update={"target_fpr": 0.05})
    assert "to flag at most 0.05 of the harmless ones" in card(
        changed(published, fitted=fitted), "acme/guard"
    )


def test_the_metadata_are_those_of_the_hub(published, guard):
    model = guard.manifest.model.model_copy(update={"name": "acme/chat"})
    data = ModelCard(card(changed(published, model=model), "acme/guard", license="apache-2.0")).data
    assert (data.library_name, data.base_model, data.license) == ("latentguard", "acme/chat", "apache-2.0")
    assert "latentguard" in data.tags
    assert ModelCard(card(published, "acme/guard")).data.to_dict().keys() == {"library_name", "tags"}


def test_a_card_warns_of_the_refusal_part_and_only_then(guard, tmp_path):
    guard.save(tmp_path / "guard")
    with_it = card(publication(tmp_path / "guard", with_refusal=True), "acme/guard")
    without = card(publication(tmp_path / "guard"), "acme/guard")
    assert "Warning" in with_it
    assert "refusals can be suppressed, by anybody" in with_it
    assert "Warning" not in without
    for text in (with_it, without):
        assert "search for wordings that it does not flag" in text


def test_a_card_warns_of_a_probe_on_the_direction_of_refusal(published, guard):
    fitted = guard.manifest.fitted.model_copy(update={"positions": ("t_post_inst",)})
    text = card(changed(published, fitted=fitted, refusal=None), "acme/guard")
    assert "The probe reads `t_post_inst`" in text
    assert "It holds the centroids" not in text


def test_no_text_of_a_record_can_write_on_the_card(published, guard):
    category = FittedCategory(
        name="fraud", n_train=9, n_validation=3, calibration=guard.manifest.calibration, validation_auroc=0.9
    )
    fields = ("name", "revision", "dtype", "quantisation", "architecture", "fingerprint", "tokenizer_hash")

    def written(text):
        model = guard.manifest.model.model_copy(update=dict.fromkeys(fields, text))
        categories = (category.model_copy(update={"name": text}),)
        hostile = changed(
            published, model=model, categories=categories, refusal=None, refusal_unavailable=text
        )
        return card(hostile, "acme/guard")

    found, plain = written(HOSTILE), written("plain")
    assert [one.type for one in tokens(found)] == [one.type for one in tokens(plain)]
    assert not MARKUP & {one.type for one in tokens(found)}
    assert ModelCard(found).data.to_dict() == ModelCard(plain).data.to_dict()
    assert "\x1b" not in found
    assert "\u202e" not in found


def test_a_licence_is_one_value_of_the_metadata(published):
    hostile = "mit\n---\n# Safe\nbase_model: other/model"
    data = ModelCard(card(published, "acme/guard", license=hostile)).data.to_dict()
    assert data["license"] == hostile
    assert "base_model" not in data


@pytest.mark.parametrize("text", ["", " ", "a", "`", "a``b`", "|", " a ", "\\", "a\\"])
def test_a_span_of_code_is_one_span_whatever_it_holds(text):
    row = f"| a | b |\n|---|---|\n| {code(text)} | end |\n"
    found = MarkdownIt("commonmark").enable("table").parse(row)
    spans = [each for one in found for each in (one.children or ()) if each.type == "code_inline"]
    cells = [one for one in found if one.type == "td_open"]
    assert len(cells) == 2
    assert [one.content.strip() for one in spans] == [text.strip()]
