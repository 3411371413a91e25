"""On the organism, whose wrappings are planted to lower the decision and leave the belief."""

import pytest

from latentguard import beliefs
from latentguard import organism as planted
from latentguard.beliefs import fit_reading, jailbreaks, observe
from latentguard.data import Prompt
from latentguard.errors import BadData
from latentguard.organism.wording import PERSUASIONS, ROLE_PLAYS, capitalised


@pytest.fixture(scope="module")
def reading(organism):
    prompts = [
        prompt for kind in ("harmful", "harmless") for prompt in planted.sample_prompts(kind, 30, seed=1)
    ]
    return fit_reading(organism, observe(organism, prompts, max_new_tokens=8))


@pytest.fixture(scope="module")
def bases() -> list[Prompt]:
    return planted.sample_prompts("harmful", 12, seed=8) + planted.sample_prompts("harmless", 3, seed=8)


def _wrapped(base: Prompt, attack: str, text: str) -> Prompt:
    return Prompt.of(text, label=base.label, attack=attack, base_id=base.id, id=f"{base.id}-{attack}")


@pytest.fixture(scope="module")
def attacked(bases) -> list[Prompt]:
    made = [_wrapped(one, "persuasion", f"{PERSUASIONS[0]} {capitalised(one.text)}") for one in bases]
    made += [_wrapped(one, "role_play", f"{ROLE_PLAYS[0]} {one.text}") for one in bases[:12]]
    made += [_wrapped(one, "another topic", "how do I water the garden") for one in bases[:12]]
    return made + [_wrapped(one, "nothing", one.text) for one in bases[:12]]


def test_planted_wrappings_lower_refusal_only_and_a_change_of_topic_both(organism, reading, bases, attacked):
    found = jailbreaks(organism, reading, attacked, bases)
    rows = {row.attack: row for row in found.rows}
    for name in ("persuasion", "role_play"):
        assert rows[name].succeeded.value >= 0.9
        assert rows[name].lowers in ("refusal only", "both")
        assert rows[name].reverses == "refusal only"
        assert rows[name].still_believed.value >= 0.9
        assert rows[name].refusal.after < 0 < rows[name].refusal.before
    assert rows["another topic"].lowers == rows["another topic"].reverses == "both"
    assert rows["another topic"].still_believed.value == 0.0
    assert rows["nothing"].lowers == rows["nothing"].reverses == "too few succeed"
    assert rows["nothing"].succeeded.value == 0.0
    assert rows["nothing"].harmfulness is None


def test_only_attacks_on_refused_requests_that_are_then_accepted_count(organism, reading, bases, attacked):
    found = jailbreaks(organism, reading, attacked, bases)
    row = next(row for row in found.rows if row.attack == "persuasion")
    assert (row.n, row.accepted_anyway, row.succeeded.n) == (15, 3, 12)
    assert row.harmfulness.shift.n == sum(found.success[:15])
    assert found.harmfulness.shape == found.refusal.shape == (len(attacked), 2)
    assert found.bases[12] == bases[12]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (Prompt.of("x", attack="a"), "needs 'attack' and 'base_id'"),
        (Prompt.of("x", base_id="b"), "needs 'attack' and 'base_id'"),
        (Prompt.of("x", attack="a", base_id="nowhere"), "no request has the id 'nowhere'"),
    ],
)
def test_an_attack_without_its_request_is_refused(organism, reading, bases, prompt, said):
    with pytest.raises(BadData, match=said):
        beliefs.jailbreaks(organism, reading, [prompt], bases)
