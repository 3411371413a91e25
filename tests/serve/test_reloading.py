"""A guard read again while the server runs, and a second one in its shadow."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from latentguard.guard import Guard
from latentguard.serve import Engine
from latentguard.serve.reloading import reload
from tests.serve.conftest import Running, running
from tests.serve.test_chat import ask


def reloaded(server: Running) -> None:
    """In a thread of its own: a browser of other tests may have left an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, reload(server.state)).result(30)


def test_a_new_threshold_is_served_without_a_restart(
    guard: Guard, tmp_path: Path, harmful: list[str], harmless: list[str]
) -> None:
    folder = tmp_path / "guard"
    guard.save(folder)
    with running(guard, engine=lambda own: Engine(own.model, own.guard, folder)) as server:
        client = server.client("research-key")
        first = client.moderations.create(input=harmless[0])
        assert not first.results[0].flagged
        guard.calibrated(harmless, target_fpr=0.9).save(folder)
        reloaded(server)
        second = client.moderations.create(input=harmless)
        assert sum(one.flagged for one in second.results) > 0
        assert '"event": "reloaded"' in server.log.getvalue()
        named = [one.results[0].internals["guard_version"] for one in (first, second)]  # type: ignore[attr-defined]
        assert named[0] != named[1]
        before = second.results[0].internals["score"]  # type: ignore[attr-defined]
        assert before == pytest.approx(first.results[0].internals["score"], abs=1e-5)  # type: ignore[attr-defined]


def test_an_answer_that_has_begun_ends_under_the_guard_that_let_it_begin(
    guard: Guard, tmp_path: Path, harmless: list[str]
) -> None:
    folder = tmp_path / "guard"
    guard.save(folder)
    with running(guard, engine=lambda own: Engine(own.model, own.guard, folder)) as server:
        client = server.client("research-key")
        stream = iter(client.chat.completions.create(**ask(harmless[0], stream=True)))
        first = next(stream)
        strict = replace(guard.manifest.calibration, threshold=-9.0)
        calibrations = guard.manifest.calibrations | {"guard": strict}
        manifest = guard.manifest.model_copy(update={"calibrations": calibrations})
        replace(guard, manifest=manifest).save(folder)
        reloaded(server)
        later = client.chat.completions.create(**ask(harmless[0]))
        assert later.choices[0].finish_reason == "content_filter"
        named = [one.guard["internals"]["guard_version"] for one in (first, later)]  # type: ignore[attr-defined]
        assert named[0] != named[1]
        text = "".join(one.choices[0].delta.content or "" for one in stream if one.choices)
    assert text == guard.model.generate([harmless[0]], max_new_tokens=24)[0].text


def test_a_guard_that_cannot_be_read_changes_nothing(
    guard: Guard, tmp_path: Path, harmful: list[str]
) -> None:
    folder = tmp_path / "guard"
    guard.save(folder)
    with running(guard, engine=lambda own: Engine(own.model, own.guard, folder)) as server:
        (folder / "guard.safetensors").write_bytes(b"damaged")
        reloaded(server)
        assert '"event": "reload_failed"' in server.log.getvalue()
        assert server.client().moderations.create(input=harmful[0]).results[0].flagged


def test_a_shadow_counts_and_changes_nothing(guard: Guard, harmful: list[str], harmless: list[str]) -> None:
    strict = guard.calibrated(harmless, target_fpr=0.9)

    def engine(own: Engine) -> Engine:
        return Engine(own.model, own.guard, own.guard_folder, strict)

    with running(guard, engine=engine) as server:
        found = server.client().moderations.create(input=harmless)
        assert [one.flagged for one in found.results] == [one.flagged for one in guard.score(harmless)]
        more = server.state.metrics.shadow.labels("not_flagged", "flagged")._value.get()
        differ = [
            other.flagged and not own.flagged
            for own, other in zip(guard.score(harmless), strict.score(harmless), strict=True)
        ]
        assert more == sum(differ)
        assert more
        for text in harmless[:4]:  # and of what is answered
            found = server.client().chat.completions.create(**ask(text))
            assert found.choices[0].message.content == guard.model.generate([text], max_new_tokens=24)[0].text
        later = server.state.metrics.shadow.labels("not_flagged", "flagged")._value.get()
        assert any(differ[:4])
        assert later - more == sum(differ[:4])
        assert more > 0
