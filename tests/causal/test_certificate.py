"""The certificate of models whose truth is known, and what it costs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from latentguard.causal import Beside, Certificate, Effort, Trial, certify, default_trial, plan
from latentguard.data import QUESTIONS
from latentguard.lm import LanguageModel
from latentguard.lm.blocks import stream_of

EFFORT = Effort(blocks=(3, 6), scales=(1.0,), random=2, shuffled=2)


@contextmanager
def _counted(model: LanguageModel) -> Iterator[list[int]]:
    """Tokens of every block that ran, padding among them."""
    tokens: list[int] = []
    handles = [
        layer.register_forward_hook(
            lambda _, __, output: tokens.append(stream_of(output).shape[0] * stream_of(output).shape[1])
        )
        for layer in model.blocks.layers
    ]
    try:
        yield tokens
    finally:
        for handle in handles:
            handle.remove()


@pytest.fixture(scope="module")
def trial(organism: LanguageModel) -> Trial:
    return default_trial(organism, fitted=12, each=4)


@dataclass(frozen=True)
class Made:
    """One certificate, the folder that it was made in, and how many tokens ran."""

    certificate: Certificate
    folder: Path
    ran: int


@pytest.fixture(scope="module")
def made(organism: LanguageModel, trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("work")
    with _counted(organism) as tokens:
        found = certify(organism, trial, effort=EFFORT, folder=folder)
    return Made(found, folder, sum(tokens))


@pytest.fixture(scope="module")
def certificate(made: Made) -> Certificate:
    return made.certificate


def test_both_planted_beliefs_are_causal(certificate: Certificate):
    assert {one.belief: one.said for one in certificate.verdicts} == {
        "harmfulness": "causal",
        "refusal": "causal",
    }
    assert all(one.value == 1.0 for one in certificate.readable.values())


def test_harmfulness_and_refusal_come_apart_where_answers_are_inverted(certificate: Certificate):
    inversion, refusal = certificate.experiments
    assert {(one.sign, one.more, one.less) for one in inversion.apart} == {
        (sign, *pair)
        for sign in "+-"
        for pair in (("v_harm", "v_refuse"), ("v_harm without v_refuse", "v_refuse without v_harm"))
    }
    assert all(one.difference.low > 0.5 for one in inversion.apart)
    turned = {(one.arm, one.sign): one.turned.value for one in inversion.effects}
    assert turned["v_harm", "+"] == turned["v_harm without v_refuse", "+"] == 1.0
    assert turned["v_refuse", "+"] == turned["v_refuse", "-"] == 0.0
    direct = {(one.arm, one.sign): one for one in refusal.effects[:4]}
    assert direct["v_refuse", "+"].turned.value == direct["v_refuse", "+"].generated.value == 1.0


def test_every_effect_of_a_belief_has_its_controls_price_and_counts(certificate: Certificate):
    for found in certificate.experiments:
        assert (found.selected_on, found.reported_on) == (8, 8)
        own = [one for one in found.effects if one.random is not None]
        assert {one.arm for one in own} == {"v_harm", "v_refuse"}
        assert len(own) == 4
        for one in own:
            assert [one.random.directions, one.shuffled.directions, one.permuted.directions] == [2, 2, 2]
            assert one.price.texts == 4
            assert one.price.kl_of_random is not None
            for said in (one.before, one.after):
                assert said.affirmed + said.denied + said.unanswered == 4
                told = 4 if found.question else 0  # of replies to the requests themselves nothing is
                assert sum(count for _, count in said.words) == told
                assert [*said.words] == sorted(said.words, key=lambda word: -word[1])


def test_a_full_budget_sweeps_every_scale_on_both_halves_and_chooses_on_one(
    organism: LanguageModel, trial: Trial
):
    effort = replace(EFFORT, blocks=(2, 3), scales=(0.5, 1.0), full=True, random=2, shuffled=1)
    (found,) = certify(organism, trial, tasks=("inversion",), effort=effort).experiments
    assert len({(one.arm, one.scale, one.half) for one in found.curves}) == len(found.curves) == 4 * 4 * 2
    for one in found.effects:
        if "other prompts" in one.chosen:
            own = [
                curve
                for curve in found.curves
                if (curve.arm, curve.sign, curve.half) == (one.arm, one.sign, "selection")
            ]
            (there,) = [curve for curve in own if curve.scale == one.scale]
            assert there.turned[there.blocks.index(one.block)] == max(max(curve.turned) for curve in own)


def test_other_questions_positions_and_the_template_are_measured_on_request(
    organism: LanguageModel, trial: Trial
):
    effort = replace(EFFORT, blocks=(3,), random=2, shuffled=1)
    found = certify(
        organism, trial, tasks=(), effort=effort, wordings=QUESTIONS[:1], positions=True, template=True
    )
    assert [one.question for one in found.experiments] == [QUESTIONS[0].text]
    assert {one.position: one.turned.value for one in found.positions}["t_inst"] == 1.0
    assert (found.template.whole.value, found.template.cut.value) == (1.0, 0.0)
    assert found.verdicts[0].said == "causal", "the first question asked is the one that it goes by"


def test_what_cannot_be_measured_stands_with_its_reason(organism: LanguageModel, trial: Trial):
    """Harmful requests alone are asked about as harmless ones: nothing is answered “No”."""
    never = tuple(
        replace(one, prompt=replace(one.prompt, label="harmless")) for one in trial.report_items[:5]
    )
    items = tuple(one for one in trial.report_items if one.prompt.label == "harmful")
    turned = replace(trial, select_items=(*items, *never), report_items=(*items, *never))
    found = certify(organism, turned, tasks=("inversion",), effort=EFFORT, positions=True)
    assert not found.experiments[0].competence.competent
    assert found.positions == ()
    assert found.skipped["positions"].startswith("inconclusive: ")


def test_the_plan_grows_by_what_is_asked_beside(organism: LanguageModel, trial: Trial):
    def tokens(beside: Beside) -> float:
        return plan(organism, trial, tasks=("inversion",), effort=EFFORT, beside=beside).tokens

    alone = tokens(Beside())
    wanted = (Beside(wordings=1), Beside(positions=True), Beside(template=True))
    more = [tokens(one) - alone for one in wanted]
    assert min(more) > 0
    assert tokens(Beside(1, True, True)) - alone == pytest.approx(sum(more))


def test_whole_replies_are_judged_at_the_blocks_asked_for(organism: LanguageModel, trial: Trial):
    """v_refuse refuses from block 5 on, and not before: its decision is planted at slot 6."""
    effort = replace(EFFORT, blocks=(6,), random=2, shuffled=1, generate=(2, 6), scope="all")
    (found,) = certify(organism, trial, tasks=("refusal",), effort=effort).experiments
    turned = {(one.arm, one.sign, one.block): one.turned.value for one in found.replies}
    assert len(turned) == 8
    assert (turned["v_refuse", "+", 6], turned["v_refuse", "-", 6]) == (1.0, 1.0)
    assert (turned["v_refuse", "+", 2], turned["v_refuse", "-", 2]) == (0.0, 0.0)
    assert {one.scope for one in found.effects} == {"all"}


def test_it_is_json_and_comes_back_the_same(certificate: Certificate):
    text = json.dumps(certificate.model_dump(mode="json"), allow_nan=False)
    assert Certificate.model_validate_json(text) == certificate


def test_the_same_call_goes_on_from_its_folder_without_a_run_of_what_was_swept(
    organism: LanguageModel, trial: Trial, made: Made
):
    with _counted(organism) as again:
        found = certify(organism, trial, effort=EFFORT, folder=made.folder)
    assert found == made.certificate
    assert sum(again) < 0.6 * made.ran, "unedited answers, replies and the price alone"


def test_a_model_that_cannot_answer_is_not_swept_and_inconclusive(organism: LanguageModel, trial: Trial):
    found = certify(organism.reinitialised(0), trial, effort=EFFORT)
    assert [one.task for one in found.experiments] == ["inversion"], "it never refuses: no token tells one"
    assert found.basis == "labels"
    assert found.experiments[0].curves == found.experiments[0].effects == ()
    assert {one.said for one in found.verdicts} == {"inconclusive"}


def test_the_plan_is_within_a_third_of_the_tokens_that_run(organism: LanguageModel, trial: Trial, made: Made):
    planned = plan(organism, trial, tasks=("inversion", "refusal"), effort=EFFORT)
    ran = made.ran / organism.n_blocks
    assert ran / 1.33 < planned.tokens < ran * 1.33


def test_whole_answers_by_the_papers_rule_say_what_first_tokens_say(organism: LanguageModel, trial: Trial):
    effort = replace(EFFORT, blocks=(3,), whole_answers=True)
    (inversion,) = certify(organism, trial, tasks=("inversion",), effort=effort).experiments
    heard = {(one.arm, one.sign): (one.generated, one.turned) for one in inversion.effects if one.generated}
    assert set(heard) == {(arm, sign) for arm in ("v_harm", "v_refuse") for sign in ("+", "-")}
    for whole, first in heard.values():
        assert (whole.value, whole.n) == (first.value, first.n)
