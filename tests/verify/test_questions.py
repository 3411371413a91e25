"""Only an answer that was true before can be turned."""

from latentguard.lm import LanguageModel
from latentguard.organism import sample_prompts
from latentguard.verify.classes import ASKED, TESTED
from latentguard.verify.questions import Asked, Inversions
from latentguard.verify.steering import rendered
from latentguard.verify.steering_lines import steering_of
from tests.verify.pretender import Pretender, Rules, parts_of, reading


def test_only_questions_answered_truly_can_be_turned(organism: LanguageModel) -> None:
    harmful = sample_prompts("inversion", 6, seed=5, harmful=True)
    harmless = sample_prompts("inversion", 6, seed=5, harmful=False)
    straight = Inversions.of(organism, harmful=harmful, harmless=harmless)
    swapped = Inversions.of(organism, harmful=harmless, harmless=harmful)
    assert len(straight.turnable()) >= 11
    assert len(swapped.turnable()) <= 1
    assert straight.harmful.truly == [not right for right in swapped.harmless.truly]


def test_the_first_two_hundred_that_are_answered_truly_are_turned(organism: LanguageModel) -> None:
    questions = rendered(organism, sample_prompts("inversion", ASKED, seed=5, harmful=True))
    truly = [number >= 7 for number in range(ASKED)]
    assert Asked(questions, truly).turnable() == questions[7 : 7 + TESTED]


def test_each_truth_is_turned_to_the_other_answer(organism: LanguageModel) -> None:
    harmful = parts_of("inversion", harmful=True, validation=0, test=4)
    harmless = parts_of("inversion", harmful=False, validation=0, test=10)
    rules = Rules(harm_turns_up=lambda *_: 0.3, harm_turns_down=lambda *_: 0.5)
    model = Pretender(organism, rules, (harmful, harmless))
    turnable = Inversions.of(model, harmful.test, harmless.test).turnable()
    steering = steering_of(reading())
    assert turnable.turned_up(model, steering.harm_edit(1, 1.0)) == [True] * 3 + [False] * 7
    assert turnable.turned_down(model, steering.harm_edit(1, -1.0)) == [True] * 2 + [False] * 2
