"""Every claim of the paper has a row: measured on what is planted, or skipped with its reason."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from latentguard import organism as planted
from latentguard.causal import Effort
from latentguard.errors import BadData
from latentguard.verify import reproduction
from latentguard.verify.reproduction import Reproduction, material, reproduce
from latentguard.verify.reproduction.claims import CLAIMS

KEY = ("harmfulness", "refused_harmful")
SMALL = material.Sizes(fitted=12, pooled=8, attacked=6, each=5, a_category=0)


@pytest.fixture(scope="module")
def found(organism, tmp_path_factory) -> Reproduction:
    """A small reproduction, stopped once by a kill in its last part, and gone on with."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(material.SIZES, "quick", SMALL)
        given = reproduction.of_organism(organism, budget="quick")
    effort = Effort(blocks=(2, 3, 6), scales=(1.0,), random=3, shuffled=2)
    with pytest.raises(KeyboardInterrupt):
        reproduce(organism, given, effort=effort, folder=folder, progress=_killed_at("reported half, -"))
    return reproduce(organism, given, effort=effort, folder=folder)


def _killed_at(stage: str):
    def progress(name: str, done: int, total: int) -> None:
        if name == stage and done:
            raise KeyboardInterrupt

    return progress


def test_every_claim_has_one_row(found):
    assert sorted(row.claim for row in found.rows) == sorted(CLAIMS)


def test_what_is_planted_is_measured_where_the_instrument_reads_t_inst(found):
    value = {row.claim: {name: one.value for name, one in row.measured.items()} for row in found.rows}
    for variant in ("as_written", "balanced"):
        for claim in ("accepted_harmful", "refused_harmless", "adv-suffix", "persuasion", "template"):
            assert value[f"guard.{claim}"][variant] >= 0.95, (claim, variant)
        assert abs(value["cosine"][variant]) < 0.1
        assert value["jailbreak.template"][variant] < 0 < value["refusal.refused_harmful"][variant]
    assert value["inversion.+v_harm"]["balanced"] >= 0.80
    assert value["inversion.+v_refuse"]["balanced"] <= 0.25
    assert value["steer.v_refuse"]["balanced"] >= 0.80
    assert value["position.t_inst"]["balanced"] >= 0.80 > value["position.t_post_inst"]["balanced"]


def test_every_cell_has_its_curve_by_slot_in_every_variant(found, organism):
    harmful = {one.variant: one for one in found.curves if (one.belief, one.cell) == KEY}
    assert set(harmful) == {"authors", "as_written", "balanced"}
    for one in found.curves:
        assert len(one.mean) == len(one.low) == len(one.high) == organism.n_slots
        assert all(
            low <= middle <= high for low, middle, high in zip(one.low, one.mean, one.high, strict=True)
        )
    row = next(row for row in found.rows if row.claim == "harmfulness.refused_harmful")
    for variant, one in harmful.items():
        over_slots = sum(one.mean[1:]) / organism.n_blocks
        assert over_slots == pytest.approx(row.measured[variant].value, abs=1e-6)


def test_two_tokens_before_the_end_of_the_instruction_nothing_is_planted(found):
    row = next(row for row in found.rows if row.claim == "guard.accepted_harmful")
    assert row.measured["authors"].value <= 0.8
    assert row.paper == {"planted": ">= 0.95"}


def test_a_skipped_row_has_a_reason_and_no_number(found):
    for row in found.rows:
        assert (row.skipped is None) == bool(row.measured), row.claim
        assert row.skipped != ""


def test_what_endings_change_is_ranked(found):
    changes = [abs(change) for _, change in found.moved_by_endings(most=50)]
    assert changes == sorted(changes, reverse=True)
    assert len(changes) > 5


def test_a_reproduction_survives_json(found):
    assert Reproduction.model_validate_json(found.model_dump_json()) == found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shared sets' schema, with invented rows: AdvBench, Alpaca, two attacks and one pool set."""

    def write(name: str, rows: list[dict[str, object]]) -> None:
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))

    harmful = planted.sample_prompts("harmful", 120, seed=1)
    harmless = planted.sample_prompts("harmless", 100, seed=1)
    write(
        "advbench", [{"id": f"a{n}", "prompt": one.text, "label": "harmful"} for n, one in enumerate(harmful)]
    )
    write("alpaca_sample", [{"prompt": one.text, "label": "harmless"} for one in harmless])
    write(
        "gcg_suffixes",
        [
            {"prompt": f"{one.text} ## x", "label": "harmful", "attack": "adv-suffix", "base_id": f"a{n}"}
            for n, one in enumerate(harmful[:30])
        ],
    )
    write("harmbench", [{"prompt": one.text, "label": "harmful"} for one in harmful[100:]])
    return tmp_path


def test_roles_are_filled_from_the_files_at_hand_and_share_nothing(folder):
    found = reproduction.of_folder(folder, budget="quick")
    assert set(found.missing) == {"persuasion", "template", "categories"}
    assert "gptfuzz_templates.jsonl is not at hand" in found.missing["template"]
    assert {one.id for one in found.bases} == {one.base_id for one in found.attacked}
    fitted = {one.text for one in (*found.trial.fit, *found.trial.select, *found.trial.report)}
    assert fitted.isdisjoint(one.text for one in (*found.bases, *found.pool))
    assert len(found.trial.fit) == 2 * material.SIZES["quick"].fitted


def test_questions_about_one_category_share_nothing_with_any_categorys_direction(folder, monkeypatch):
    """Questions stand under two categories, and twice in their own."""
    texts = [one.text for one in planted.sample_prompts("harmful", 120, seed=5)]
    rows = [
        {
            "id": f"c{n}",
            "prompt": text,
            "label": "harmful",
            "category": ("Hate / a", "Malware / b", "Hate / c")[n % 3],
        }
        for n, text in enumerate(texts)
    ]
    hate = [row for row in rows if row["category"].startswith("Hate")]
    rows += [row | {"id": f"{row['id']}-again"} for row in hate[:20]]
    rows += [row | {"id": f"{row['id']}-elsewhere", "category": "Malware / b"} for row in hate[20:]]
    (folder / "catqa.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setitem(material.SIZES, "full", replace(SMALL, a_category=30))
    found = reproduction.of_folder(folder, budget="full")
    assert {one.category for one in found.categories} == {"Hate", "Malware"}
    asked = {one.text for one in found.category_items}
    assert {one.category for one in found.category_items} == {"Hate"}
    assert asked.isdisjoint(one.text for one in found.categories)
    of_hate = [one.text for one in found.categories if one.category == "Hate"]
    assert len(of_hate) == len(set(of_hate)) == 30
    assert "categories" not in found.missing


def test_the_same_seed_draws_the_same_prompts(folder):
    first, second, other = (reproduction.of_folder(folder, budget="quick", seed=seed) for seed in (0, 0, 1))
    assert first == second != other


@pytest.mark.parametrize("gone", ["advbench", "alpaca_sample"])
def test_without_the_sets_that_directions_are_fitted_on_nothing_is_begun(folder, gone):
    (folder / f"{gone}.jsonl").unlink()
    with pytest.raises(BadData, match=f"holds no {gone}.jsonl"):
        reproduction.of_folder(folder, budget="quick")
