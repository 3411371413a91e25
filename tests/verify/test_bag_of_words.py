"""The baselines find what words, marks and lengths do tell; on the organism's task that is little."""

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from latentguard.data import Prompt
from latentguard.organism import sample_prompts, training_prompts
from latentguard.verify.bag_of_words import accuracy, task_lines


def labelled(harmful: str, harmless: str, count: int) -> list[Prompt]:
    return [Prompt.of(harmful, label="harmful"), Prompt.of(harmless, label="harmless")] * count


def test_a_telling_word_is_found() -> None:
    prompts = labelled("the red door", "the blue door", 10)
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    assert accuracy(model, prompts, prompts).value == 1.0


def test_words_marks_and_length_do_not_solve_the_task() -> None:
    test = sample_prompts("harmful", 200, seed=3) + sample_prompts("harmless", 200, seed=3)
    lines = list(task_lines(training_prompts(4000, seed=0), test))
    assert len(lines) == 3
    assert all(each.passed for each in lines)


def test_a_mark_that_tells_fails_its_line() -> None:
    prompts = labelled("open the door?", "open the door.", 10)
    bag, mark, length = task_lines(prompts, prompts)
    assert (mark.measured, mark.passed) == (1.0, False)
    assert bag.measured == length.measured == 0.5


def test_a_length_that_tells_fails_its_line() -> None:
    prompts = labelled("open the door", "open the the the door", 10)
    _, mark, length = task_lines(prompts, prompts)
    assert (length.measured, length.passed) == (1.0, False)
    assert mark.measured == 0.5
