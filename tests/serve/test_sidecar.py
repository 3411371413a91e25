"""A sidecar judges from the part of the model that its guard reads, and answers nothing."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import latentguard
from latentguard.guard import Guard, blocks_read
from latentguard.lm import LanguageModel, PartialModel
from latentguard.organism import audit_data
from latentguard.serve import Engine
from tests.serve.conftest import Running, running
from tests.serve.test_reloading import reloaded


def fitted(organism: LanguageModel, slots: list[int]) -> Guard:
    harmful, harmless = audit_data()
    return Guard.fit(
        organism,
        harmful[:40],
        harmless[:40],
        slots=slots,
        behaviour="skip",
        untrained_copies=0,
        permutations=0,
    )


@pytest.fixture(scope="module")
def shallow(organism: LanguageModel) -> Guard:
    """Reads slots 2 and 3."""
    return fitted(organism, [2, 3])


@pytest.fixture(scope="module")
def folder(shallow: Guard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sidecar") / "guard"
    shallow.save(place)
    return place


@pytest.fixture(scope="module")
def sidecar(folder: Path) -> Iterator[Running]:
    beside = Guard.load(folder, latentguard.load("organism", blocks=3, dtype="float32"))

    def engine(own: Engine) -> Engine:
        return Engine(own.model, own.guard, folder)

    with running(beside, engine=engine, sidecar=True) as one:
        yield one


def test_scores_are_those_of_the_whole_model(
    sidecar: Running, shallow: Guard, harmful: list[str], harmless: list[str]
) -> None:
    assert blocks_read(shallow.manifest) == 3 < shallow.model.n_blocks
    texts = [*harmful[:8], *harmless[:8]]
    expected = shallow.score(texts)
    found = sidecar.client("research-key").moderations.create(input=texts)
    assert [one.flagged for one in found.results] == [one.flagged for one in expected]
    for one, own in zip(found.results, expected, strict=True):
        read = one.internals  # type: ignore[attr-defined]
        assert read["score"] == pytest.approx(own.score, abs=1e-5)
        assert read["harmfulness"] == pytest.approx(own.harmfulness, abs=1e-5)


def test_any_conversation_is_checked(sidecar: Running, shallow: Guard, harmful: list[str]) -> None:
    chat = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": harmful[0]},
    ]
    found: Any = sidecar.client("research-key").post(
        "/guard/checks", body={"prompts": [chat]}, cast_to=object
    )
    (own,) = shallow.score([chat])
    assert found["results"][0]["score"] == pytest.approx(own.score, abs=1e-5)


def test_what_every_prompt_begins_with_may_be_held(
    sidecar: Running, shallow: Guard, harmful: list[str]
) -> None:
    """The organism's own beginning is too short to be worth it, so two tokens of it are."""
    engine = sidecar.state.engine
    assert engine is not None
    assert isinstance(engine.model, PartialModel)
    assert engine.guard.model.hold_beginning("Sing.", 2)
    found = sidecar.client("research-key").moderations.create(input=harmful[0]).results[0]
    (own,) = shallow.score(harmful[:1])
    assert found.internals["score"] == pytest.approx(own.score, abs=1e-5)  # type: ignore[attr-defined]


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_is_told_that_it_is_not_served_here(sidecar: Running, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        sidecar.client().chat.completions.create(
            model="organism", messages=[{"role": "user", "content": "hi"}], stream=stream
        )
    assert refused.value.code == "not_served_here"
    with pytest.raises(openai.AuthenticationError):
        sidecar.client("no-key").chat.completions.create(model="organism", messages=[])


def test_only_what_is_served_is_described(sidecar: Running) -> None:
    described = json.load(urllib.request.urlopen(f"{sidecar.address}/openapi.json"))
    assert "/v1/chat/completions" not in described["paths"]
    assert "/v1/moderations" in described["paths"]
    assert next(one.id for one in sidecar.client().models.list()) == "organism"


def test_a_guard_that_reads_deeper_is_not_taken_while_it_runs(
    sidecar: Running, organism: LanguageModel, folder: Path, shallow: Guard, harmful: list[str]
) -> None:
    fitted(organism, [4]).save(folder)
    try:
        reloaded(sidecar)
        assert '"event": "reload_failed"' in sidecar.log.getvalue()
        assert "reads slot 4" in sidecar.log.getvalue()
        assert sidecar.client().moderations.create(input=harmful[0]).results[0].flagged
    finally:
        shallow.save(folder)
    reloaded(sidecar)
    sidecar.client().moderations.create(input=harmful[0])
    assert '"event": "reloaded"' in sidecar.log.getvalue()
