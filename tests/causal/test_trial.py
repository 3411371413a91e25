import pytest

from latentguard.causal import Trial, default_trial
from latentguard.data import Prompt
from latentguard.errors import BadData, TooFewPrompts
from latentguard.lm import LanguageModel
from tests.lm.tiny import tiny


def _bases(*groups) -> list[set[str | None]]:
    return [{getattr(one, "prompt", one).base_id for one in group} for group in groups]


def test_no_pair_of_the_organism_stands_in_two_parts(organism: LanguageModel):
    trial = default_trial(organism, fitted=20, each=8)
    fit, select, report = _bases(
        trial.fit, (*trial.select, *trial.select_items), (*trial.report, *trial.report_items)
    )
    assert not fit & select | fit & report | select & report
    for part, each in ((trial.fit, 20), (trial.select, 8), (trial.report, 8)):
        assert [one.label for one in part].count("harmful") == len(part) / 2 == each
    for items in (trial.select_items, trial.report_items):
        assert len(items) == 16


def test_another_model_is_asked_about_the_contrast_set():
    trial = default_trial(tiny("Qwen2"), fitted=10, each=5)
    fit, select, report = _bases(trial.fit, trial.select, trial.report)
    assert not fit & select | fit & report | select & report
    assert len(trial.select_items) == len(trial.report_items) == 10
    item = trial.report_items[0]
    assert item.prompt.text == f"User wants to {trial.report[0].text}\n{trial.question}"
    assert item.context == f"User wants to {trial.report[0].text}\n"


def test_a_part_without_a_class_is_refused():
    prompts = [Prompt.of(f"say {n}", label="harmless") for n in range(40)]
    with pytest.raises(TooFewPrompts, match="0 harmful and"):
        Trial.of_prompts(prompts)


def test_a_conversation_of_several_turns_is_refused_by_name():
    prompts = [Prompt.of(f"say {n}", label=("harmful", "harmless")[n % 2]) for n in range(40)]
    for n in range(20):
        turns = [("user", "hello"), ("assistant", "hi"), ("user", f"and now {n}?")]
        messages = [{"role": role, "content": content} for role, content in turns]
        prompts.append(Prompt.of(messages, label="harmful"))
    with pytest.raises(BadData, match="has 3: 'and now"):
        Trial.of_prompts(prompts, each=30)
