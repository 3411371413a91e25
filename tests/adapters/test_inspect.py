"""inspect-ai's own eval and mock model: scores are the guard's, and no model sees what is flagged."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from inspect_ai import Task, eval, score
from inspect_ai._util.registry import registry_create
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ContentImage,
    ContentReasoning,
    ContentText,
    ModelOutput,
    ModelUsage,
    get_model,
)

from latentguard.adapters import Checked
from latentguard.adapters.inspect import CELLS, REFUSAL, STORED, belief, guarded

ANSWER = "Here is how. First, take the flour."
NO = "I'm sorry, but I can't help with that."
IMAGE = ContentImage(image="data:image/png;base64,iVBORw0KGgo=")


class Heard:
    """inspect's mock model, which keeps what reached it; refuses where `refuses` says so."""

    def __init__(self, refuses=lambda text: False):
        self.heard = []
        self.refuses = refuses
        self.model = get_model("mockllm/model", custom_outputs=self._answer)

    def _answer(self, messages, tools, tool_choice, config):
        text = messages[-1].text
        self.heard.append(text)
        made = ModelOutput.from_content("mockllm/model", NO if self.refuses(text) else ANSWER)
        made.usage = ModelUsage()  # it counts tokens with a download otherwise
        return made


def evaluated(samples, heard, tmp_path, **options):
    (log,) = eval(
        Task(dataset=samples, **options),
        model=heard.model,
        log_dir=str(tmp_path),
        display="none",
        log_level="error",
        fail_on_error=False,
    )
    assert log.status == "success"
    return log


def texts_of(log):
    return {sample.id: sample for sample in log.samples}


@pytest.fixture(scope="module")
def samples(harmful, harmless):
    """Two flagged, two not."""
    return [Sample(id=str(n), input=text) for n, text in enumerate([*harmful[:2], *harmless[:2]])]


def test_flagged_samples_are_refused_and_no_model_is_called(guard, samples, tmp_path):
    heard = Heard()
    log = evaluated(samples, heard, tmp_path, solver=guarded(guard))
    found = texts_of(log)
    verdicts = guard.score([one.input for one in samples])
    for sample, verdict in zip(samples, verdicts, strict=True):
        done = found[sample.id]
        assert done.output.stop_reason == ("content_filter" if verdict.flagged else "stop")
        assert done.output.completion == (REFUSAL if verdict.flagged else ANSWER)
        assert done.messages[-1].text == done.output.completion
        assert done.store[STORED]["probability"] == pytest.approx(verdict.probability, abs=1e-5)
    assert sorted(heard.heard) == sorted(
        one.input for one, verdict in zip(samples, verdicts, strict=True) if not verdict.flagged
    )
    assert 0 < len(heard.heard) < len(samples)


def test_scores_are_the_guards_and_their_cells_the_models_behaviour(guard, samples, tmp_path):
    heard = Heard(refuses=lambda text: text in (samples[0].input, samples[2].input))
    log = evaluated(samples, heard, tmp_path, scorer=belief(guard))
    found = texts_of(log)
    for sample, verdict in zip(samples, guard.score([one.input for one in samples]), strict=True):
        told = found[sample.id].scores["belief"].metadata
        for name in ("harmfulness", "probability", "refusal"):
            assert told[name] == pytest.approx(getattr(verdict, name), abs=1e-5)
        assert (told["flagged"], told["predicted"]) == (verdict.flagged, verdict.cell)
    cells = [found[one.id].scores["belief"].metadata["cell"] for one in samples]
    assert cells == list(CELLS)
    assert {one.name: one.metrics["mean"].value for one in log.results.scores} == dict.fromkeys(CELLS, 0.25)


def test_a_log_on_disk_can_be_scored_and_grouped_later(guard, samples, tmp_path):
    made = evaluated(samples, Heard(), tmp_path)
    log = score(read_eval_log(made.location), belief(guard), action="overwrite", display="none")
    cells = [one.scores["belief"].metadata["cell"] for one in log.samples]
    assert sorted(cells) == ["accepted_harmful"] * 2 + ["accepted_harmless"] * 2


def test_conversations_are_judged_with_their_turns(guard, harmful, harmless, tmp_path):
    thought = ContentReasoning(reasoning="hm")
    messages = [
        ChatMessageSystem(content="Be brief."),
        ChatMessageUser(content=harmful[0]),
        ChatMessageAssistant(content=[thought, ContentText(text="No.")]),
        ChatMessageUser(content=[ContentText(text=harmless[0])]),
    ]
    plain = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": harmful[0]},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": harmless[0]},
    ]
    log = evaluated([Sample(input=messages)], Heard(), tmp_path, solver=guarded(guard), scorer=belief(guard))
    (verdict,) = guard.score([plain])
    (sample,) = log.samples
    assert sample.scores["belief"].metadata["harmfulness"] == pytest.approx(verdict.harmfulness, abs=1e-5)
    assert sample.store[STORED]["harmfulness"] == pytest.approx(verdict.harmfulness, abs=1e-5)


def test_what_cannot_be_judged_never_reaches_the_model_and_is_unscored(guard, harmless, tmp_path):
    heard = Heard()
    given = [
        Sample(id="image", input=[ChatMessageUser(content=[ContentText(text="What is this?"), IMAGE])]),
        Sample(id="no user", input=[ChatMessageSystem(content="There is no user.")]),
        Sample(id="plain", input=harmless[0]),
    ]
    log = evaluated(given, heard, tmp_path, solver=guarded(guard), scorer=belief(guard))
    found = texts_of(log)
    assert heard.heard == [harmless[0]]
    for name in ("image", "no user"):
        assert found[name].output.stop_reason == "content_filter"
        assert found[name].store[STORED]["unjudged"]
        assert found[name].scores["belief"].reason == "scoring_failed"
        assert found[name].scores["belief"].explanation
    assert {(one.scored_samples, one.unscored_samples) for one in log.results.scores} == {(1, 2)}


def test_other_samples_go_on_while_the_guard_judges_one(harmless, tmp_path):
    other_was_answered = threading.Event()

    class Waits:
        name = "waits"

        def check(self, conversations):
            first = conversations[0][0]["content"] == harmless[0]
            return [Checked(flagged=first and not other_was_answered.wait(5), probability=0.0)]

    heard = Heard(refuses=lambda text: other_was_answered.set())
    log = evaluated([Sample(input=one) for one in harmless[:2]], heard, tmp_path, solver=guarded(Waits()))
    assert [one.output.stop_reason for one in log.samples] == ["stop", "stop"]


def test_inspects_own_command_finds_the_solver_by_name(guard, harmful, tmp_path):
    guard.save(tmp_path / "guard")
    (tmp_path / "one_task.py").write_text(
        "from inspect_ai import Task, task\n"
        "from inspect_ai.dataset import Sample\n"
        "@task\n"
        f"def one_task():\n    return Task(dataset=[Sample(input={harmful[0]!r})])\n"
    )
    inspect = str(Path(sys.executable).with_name("inspect"))
    command = ["eval", "one_task.py", "--model", "mockllm/model", "--solver", "latentguard/guarded"]
    options = ["-S", f"guard={tmp_path / 'guard'}", "--display", "none", "--log-dir", "logs"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([inspect, *command, *options], cwd=tmp_path, env=environment, check=True, timeout=120)
    (made,) = (tmp_path / "logs").glob("*.eval")
    log = read_eval_log(str(made))
    assert log.samples[0].output.stop_reason == "content_filter"
    (metadata,) = (
        one.scores["belief"].metadata
        for one in score(log, scorer_by_name(tmp_path / "guard"), display="none").samples
    )
    assert metadata["cell"] == "refused_harmful"


def scorer_by_name(folder):
    """As `inspect score --scorer latentguard/belief` makes it."""
    return registry_create("scorer", "latentguard/belief", guard=str(folder))
