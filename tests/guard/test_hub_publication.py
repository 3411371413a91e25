"""What leaves this machine when a guard is published: nothing that was not decided about."""

from dataclasses import replace

import pytest
import torch

from latentguard.data import contrast_set
from latentguard.errors import ArtefactMismatch, NotShared
from latentguard.guard import Estimate, FittedAnswers, Guard, Manifest, artefact
from latentguard.guard.hub import publication, without_prompts, without_refusal
from latentguard.guard.manifest import FittedCategory
from latentguard.guard.relatives import remembered_as
from latentguard.organism import audit_data
from tests.guard.toy import OBJECTS, toy_prompts

WORDS = ("smash", "paint", *OBJECTS)


@pytest.fixture
def folder(guard, tmp_path):
    guard.save(tmp_path / "guard")
    return tmp_path / "guard"


@pytest.fixture
def published_guard(folder, model, tmp_path):
    """The guard that somebody else would load, of what is published with these options."""

    def load(**options):
        (tmp_path / "theirs").mkdir()
        for name, data in publication(folder, **options).files.items():
            (tmp_path / "theirs" / name).write_bytes(data)
        return Guard.load(tmp_path / "theirs", model)

    return load


def saved(guard, tmp_path, tensors=None, **fields):
    """The folder of a guard with other fields in its record."""
    changed = replace(guard, manifest=guard.manifest.model_copy(update=fields))
    replace(changed, tensors=guard.tensors | (tensors or {})).save(tmp_path / "changed")
    return tmp_path / "changed"


def test_every_field_of_the_record_was_decided_about():
    """A new one must be looked at: is it published, left out, or part of the refusal part?"""
    kept = {"schema_version", "fitted", "untrained", "permutations", "categories", "cut_on", "tensors_sha256"}
    changed = {
        "model",
        "proof",
        "refusal",
        "refusal_unavailable",
        "behaviour",
        "calibrations",
        "answers",
        "text",
        "data",
    }
    assert set(Manifest.model_fields) == kept | changed


def test_a_tensor_that_nobody_decided_about_stays_here(guard, tmp_path):
    folder = saved(guard, tmp_path, {"reply.refusal": torch.ones(3)})
    assert b"reply.refusal" in (folder / artefact.TENSORS).read_bytes()
    assert b"reply.refusal" not in publication(folder, with_refusal=True).files[artefact.TENSORS]


def test_without_refusal_a_guard_flags_as_before_and_knows_nothing_of_refusal(guard, published_guard, unseen):
    theirs = published_guard()
    for found, before in zip(theirs.score(unseen), guard.score(unseen), strict=True):
        assert (found.flagged, found.score) == (before.flagged, pytest.approx(before.score, abs=1e-5))
        assert (found.refusal, found.predicted_refused, found.cell) == (None, None, None)
    assert theirs.manifest.refusal is None
    assert theirs.manifest.behaviour == {}
    assert "refusal_belief" not in theirs.manifest.calibrations
    assert not [name for name in theirs.tensors if "refus" in name]
    assert "left out when this guard was published" in theirs.notes[0]


def test_how_answers_are_read_goes_with_the_refusal_part(guard, tmp_path):
    slots, n = guard.manifest.fitted.slots, len(guard.manifest.fitted.slots)
    share = Estimate(value=0.0, low=0.0, high=0.1, n=30)
    fitted = FittedAnswers(
        method="lda",
        slots=slots,
        refusal_slots=slots,
        refusal_threshold=0.0,
        high=0.2,
        low=0.1,
        patience=2,
        target_fpr=0.05,
        tokens=24,
        train={},
        validation={},
        validation_auroc=0.9,
        false_cuts=share,
        caught=share,
        caught_after=None,
    )
    centroids = {
        f"answers.{belief}.{side}": torch.ones(n, guard.model.hidden_size)
        for belief in ("harmfulness", "refusal")
        for side in ("positive", "negative")
    } | {"answers.weights": torch.ones(n, guard.model.hidden_size), "answers.bias": torch.ones(n)}
    folder = saved(guard, tmp_path, centroids, answers=fitted)
    found = publication(folder)
    assert found.manifest.answers is None
    assert b"answers." not in found.files[artefact.TENSORS]
    assert any("answers are read" in one for one in found.left_out)
    whole = publication(folder, with_refusal=True)
    assert whole.manifest.answers == fitted
    assert whole.with_refusal  # the card warns
    assert b"answers.refusal.positive" in whole.files[artefact.TENSORS]


def test_dropping_the_refusal_part_changes_nothing_of_what_it_is_given(guard):
    before = guard.manifest.model_dump(), set(guard.tensors)
    without_refusal(guard.manifest, guard.tensors)
    without_prompts(guard.manifest)
    assert (guard.manifest.model_dump(), set(guard.tensors)) == before
    assert guard.manifest.refusal is not None


def test_a_guard_that_never_had_a_refusal_belief_keeps_its_own_reason(guard, tmp_path):
    folder = saved(guard, tmp_path, refusal=None, refusal_unavailable="nobody asked", behaviour={})
    found = publication(folder)
    assert found.manifest.refusal_unavailable == "nobody asked"
    assert not [one for one in found.left_out if "refusal" in one]


def test_with_refusal_it_is_the_whole_guard(guard, published_guard, unseen):
    theirs = published_guard(with_refusal=True)
    assert list(theirs.score(unseen)) == list(guard.score(unseen))
    assert theirs.manifest.refusal == guard.manifest.refusal


@pytest.mark.parametrize("positions", [("t_post_inst",), ("t_inst", "t_post_inst")])
def test_a_probe_that_lies_on_the_direction_of_refusal_is_not_published_unasked(guard, tmp_path, positions):
    cells = len(positions) * len(guard.manifest.fitted.slots)
    probes = {
        name: tensor[:1].repeat(cells, *[1] * (tensor.dim() - 1))
        for name, tensor in guard.tensors.items()
        if name.startswith(("probe", "permuted"))
    }
    fitted = guard.manifest.fitted.model_copy(update={"positions": positions})
    folder = saved(guard, tmp_path, probes, fitted=fitted, refusal=None)
    with pytest.raises(NotShared, match="reads t_post_inst"):
        publication(folder)
    assert publication(folder, with_refusal=True).with_refusal


def test_no_word_and_no_hash_of_a_prompt_is_published_unasked(guard, folder, fitting):
    found = publication(folder)
    record = found.files[artefact.RECORD].decode()
    marks = frozenset().union(*map(remembered_as, fitting))
    ours = (folder / artefact.RECORD).read_text()
    assert [word for word in WORDS if word in ours] == list(WORDS)
    assert not [word for word in WORDS if word in record]
    assert all(mark in ours for mark in marks)
    assert not [mark for mark in marks if mark in record]
    assert any("words" in one for one in found.left_out)


def test_words_and_hashes_are_published_when_asked(guard, folder):
    found = publication(folder, with_words=True)
    assert found.manifest.text == guard.manifest.text
    assert found.manifest.data == guard.manifest.data
    assert not any("words" in one for one in found.left_out)


@pytest.mark.parametrize(
    ("prompts", "kept"),
    [
        (lambda: contrast_set().validation[:50], True),
        (lambda: audit_data(seed=0)[1], True),
        (lambda: [*contrast_set().train[:50], *toy_prompts([1])], False),
    ],
)
def test_words_of_this_packages_own_prompts_are_public_anyway(guard, tmp_path, prompts, kept):
    seen = tuple(sorted(frozenset().union(*map(remembered_as, prompts()))))
    folder = saved(guard, tmp_path, data=guard.manifest.data.model_copy(update={"seen": seen}))
    assert bool(publication(folder).manifest.text.terms) == kept


def test_an_evaluation_says_what_was_left_out_and_measures_the_rest_as_before(guard, published_guard, unseen):
    whole = guard.evaluate(unseen, resamples=20)
    found = published_guard(with_refusal=True).evaluate(unseen, resamples=20)
    words = found.baseline("tfidf")
    assert words.auroc.value is None
    assert "published" in words.unavailable
    assert found.guard == whole.guard
    assert found.baseline("length") == whole.baseline("length")
    assert found.baseline("untrained") == whole.baseline("untrained")
    assert "does not tell which prompts" in found.statement
    assert "does not tell" not in whole.statement


def test_the_name_of_a_folder_stays_here(guard, folder):
    found = publication(folder)
    assert guard.model.name.encode() not in found.files[artefact.RECORD]
    assert found.manifest.model.fingerprint == guard.manifest.model.fingerprint
    assert found.manifest.proof.positions is None
    assert found.base_model is None


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("acme/chat-1b", "acme/chat-1b"),
        ("acme/chat-GGUF:chat-q8.gguf", "acme/chat-GGUF"),
        ("organism", None),
    ],
)
def test_the_name_of_a_public_model_is_published(guard, tmp_path, name, base):
    model = guard.manifest.model.model_copy(update={"name": name, "revision": "5" * 40})
    found = publication(saved(guard, tmp_path, model=model))
    assert found.manifest.model == model
    assert found.manifest.proof == guard.manifest.proof
    assert found.base_model == base


def test_an_adapter_in_a_folder_is_not_named(guard, tmp_path):
    model = guard.manifest.model.model_copy(update={"name": "acme/chat + our-secret-tuning"})
    assert b"secret" not in publication(saved(guard, tmp_path, model=model)).files[artefact.RECORD]


def test_a_model_can_be_given_its_public_name(guard, folder):
    found = publication(folder, model="acme/chat-1b")
    assert (found.manifest.model.name, found.base_model) == ("acme/chat-1b", "acme/chat-1b")
    with pytest.raises(NotShared, match="no id of a model"):
        publication(folder, model="not a name")


def test_the_names_of_categories_are_announced(guard, tmp_path):
    category = FittedCategory(
        name="fraud", n_train=10, n_validation=3, calibration=guard.manifest.calibration, validation_auroc=0.9
    )
    probe = {f"category_0.{part}": guard.tensors[f"probe.{part}"].clone() for part in ("weights", "bias")}
    found = publication(saved(guard, tmp_path, probe, categories=(category,)))
    assert "the names of its categories of harm" in found.holds


def test_a_damaged_guard_is_no_publication(folder):
    (folder / artefact.TENSORS).write_bytes(b"no tensors")
    with pytest.raises(ArtefactMismatch, match="sha256"):
        publication(folder)
