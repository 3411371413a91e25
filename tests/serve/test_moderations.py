"""POST /v1/moderations through the official client: its shape, its errors, the guard's very scores."""

from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from latentguard.errors import PositionNotProved
from latentguard.guard import Guard
from latentguard.lm import Conversation, Rendered
from latentguard.serve import Engine
from latentguard.serve.categories import OPENAI
from tests.serve.conftest import Running, running
from tests.serve.test_chat import ask


def test_one_text_and_a_list_are_judged_as_the_guard_judges_them(
    server: Running, guard: Guard, harmful: list[str], harmless: list[str]
) -> None:
    texts = [*harmful[:4], *harmless[:4]]
    expected = guard.score(texts)
    found = server.client().moderations.create(input=texts)
    assert [one.flagged for one in found.results] == [one.flagged for one in expected]
    assert {one.flagged for one in found.results} == {True, False}
    for one, own in zip(found.results, expected, strict=True):
        assert one.category_scores.model_dump()["harmful"] == pytest.approx(own.probability, abs=1e-5)
    alone = server.client().moderations.create(input=texts[0])
    assert alone.results[0].flagged == expected[0].flagged


def test_the_thirteen_keys_are_there_and_a_category_that_is_not_known_is_null(
    server: Running, harmful: list[str]
) -> None:
    result = server.client().moderations.create(input=harmful[0]).results[0]
    flags, scores = (
        result.categories.model_dump(by_alias=True),
        result.category_scores.model_dump(by_alias=True),
    )
    applied = result.category_applied_input_types.model_dump(by_alias=True)
    assert set(OPENAI) <= flags.keys()
    assert set(OPENAI) <= scores.keys()
    assert flags["harassment"] is None
    assert scores["harassment"] is None
    assert flags["harmful"] is True
    assert 0 <= scores["harmful"] <= 1
    assert applied == {name: [] if score is None else ["text"] for name, score in scores.items()}


def test_scores_do_not_depend_on_what_else_rides_in_the_batch(
    server: Running, guard: Guard, harmful: list[str], harmless: list[str]
) -> None:
    texts = [*harmful, *harmless]
    client = server.client("research-key")
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(client.moderations.create, input=text) for text in texts]
        found = [one.result().results[0].internals for one in asked]  # type: ignore[attr-defined]
    for one, own in zip(found, guard.score(texts), strict=True):
        for name in ("harmfulness", "refusal", "score", "probability"):
            assert one[name] == pytest.approx(getattr(own, name), abs=1e-5)
        assert one["verdict"] == own.cell


def test_internals_are_for_keys_that_have_the_scope(server: Running, harmful: list[str]) -> None:
    plain = server.client().moderations.create(input=harmful[0]).results[0]
    assert not hasattr(plain, "internals")
    named = [
        server.client(key).moderations.with_raw_response.create(input="hello").headers.get("X-Guard-Version")
        for key in ("plain-key", "research-key")
    ]
    assert named[0] is None
    assert named[1]
    research = server.client("research-key").moderations.create(input=harmful[0]).results[0]
    assert set(research.internals) >= {"harmfulness", "refusal", "verdict", "slots", "guard_version"}  # type: ignore[attr-defined]


def test_text_parts_are_one_prompt_and_images_are_refused(
    server: Running, guard: Guard, harmful: list[str]
) -> None:
    first, rest = harmful[0].split(" ", 1)
    parts = [{"type": "text", "text": first}, {"type": "text", "text": rest}]
    found = server.client().moderations.create(input=parts)  # type: ignore[arg-type]
    assert len(found.results) == 1
    expected = guard.score([f"{first}\n{rest}"])[0].probability
    assert found.results[0].category_scores.model_dump()["harmful"] == pytest.approx(expected, abs=1e-5)
    image = [*parts, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    turns = [{"role": "user", "content": image}]
    client = server.client("research-key")
    for path, body in (
        ("/moderations", {"input": image}),
        ("/moderations", {"messages": turns}),
        ("/guard/checks", {"prompts": [turns]}),
        ("/chat/completions", {"model": "organism", "messages": turns}),
    ):
        with pytest.raises(openai.BadRequestError, match="Only text is judged"):
            client.post(path, cast_to=object, body=body)


def test_a_conversation_is_judged_where_its_last_user_turn_stands(
    server: Running, guard: Guard, harmful: list[str]
) -> None:
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": harmful[1]},
    ]
    found = server.client("research-key").post("/moderations", cast_to=object, body={"messages": messages})
    expected = guard.score([messages])[0]
    assert found["results"][0]["internals"]["score"] == pytest.approx(expected.score, abs=1e-5)  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ({"input": "x", "model": "gpt-4o"}, openai.NotFoundError, "does not exist here"),
        ({"input": []}, openai.BadRequestError, "at least 1 item"),
        ({}, openai.BadRequestError, "give input or messages"),
        (
            {"input": "x", "messages": [{"role": "user", "content": "x"}]},
            openai.BadRequestError,
            "one of the two",
        ),
        ({"input": "x", "threshold": 1}, openai.BadRequestError, "unrecognised argument"),
        ({"input": 3}, openai.BadRequestError, "input"),
        ({"input": "   "}, openai.BadRequestError, "blank"),
        ({"messages": [{"role": "system", "content": "x"}]}, openai.BadRequestError, "user"),
        ({"messages": [{"role": "user", "content": [1]}]}, openai.BadRequestError, "messages.0.content"),
        ({"input": ["x"] * 513}, openai.BadRequestError, "at most 512"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_openais_envelope(
    server: Running, body: dict[str, object], kind: type[openai.APIStatusError], says: str
) -> None:
    with pytest.raises(kind) as raised:
        server.client().post("/moderations", cast_to=object, body=body)
    error = raised.value.response.json()["error"]
    assert says in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


def test_aliases_and_the_models_own_name_are_answered_under(server: Running) -> None:
    client = server.client()
    listed = [one.id for one in client.models.list()]
    assert listed == ["organism", "omni-moderation-latest", "text-moderation-latest"]
    for name in listed:
        assert client.moderations.create(input="hello", model=name).model == name
        assert client.models.retrieve(name).id == name


def test_control_strings_in_a_text_move_no_position(
    server: Running, guard: Guard, harmful: list[str]
) -> None:
    end = guard.model.tokenizer.decode([guard.model.end])
    text = f"{harmful[0]}{end} hello"
    found = server.client("research-key").moderations.create(input=text).results[0]
    assert found.internals["score"] == pytest.approx(guard.score([text])[0].score, abs=1e-5)  # type: ignore[attr-defined]
    assert guard.model.render(text).inert


def test_checks_tell_everything_to_keys_that_may_know_it(
    server: Running, guard: Guard, harmful: list[str]
) -> None:
    conversation = [{"role": "user", "content": harmful[1]}]
    body = {"prompts": [harmful[0], conversation, "hello"]}
    found = server.client("research-key").post("/guard/checks", cast_to=object, body=body)
    expected = guard.score([harmful[0], conversation, "hello"])
    for one, own in zip(found["results"], expected, strict=True):  # type: ignore[index]
        assert one["score"] == pytest.approx(own.score, abs=1e-5)
        assert one["flagged"] == own.flagged
        assert one["category_scores"] == pytest.approx(own.category_scores, abs=1e-5)
    with pytest.raises(openai.PermissionDeniedError, match="scope 'internals'"):
        server.client().post("/guard/checks", cast_to=object, body=body)


class Unprovable(Engine):
    """An engine that cannot prove where a prompt is read that speaks of a riddle."""

    def render(self, conversation: Conversation) -> Rendered:
        if "riddle" in str(conversation):
            raise PositionNotProved("the template rewrites riddles.")
        return super().render(conversation)


@pytest.mark.parametrize("on_unproved", ["flag", "refuse"])
def test_a_prompt_whose_position_is_not_proved_is_never_passed(
    guard: Guard, harmless: list[str], on_unproved: str
) -> None:
    texts = [harmless[0], "a riddle", harmless[1]]

    def engine(own: Engine) -> Engine:
        return Unprovable(own.model, own.guard, own.guard_folder)

    with running(guard, engine=engine, on_unproved=on_unproved) as server:
        client = server.client("research-key")
        if on_unproved == "flag":
            found = client.moderations.create(input=texts).results
            assert [one.flagged for one in found] == [False, True, False]
            assert found[1].internals["unproved"] == "the template rewrites riddles."  # type: ignore[attr-defined]
            assert client.moderations.create(input="a riddle").results[0].flagged
            checked = client.post("/guard/checks", cast_to=object, body={"prompts": texts})
            assert [one["flagged"] for one in checked["results"]] == [False, True, False]  # type: ignore[index]
        else:
            with pytest.raises(openai.BadRequestError, match="rewrites riddles") as raised:
                client.moderations.create(input=texts)
            assert (raised.value.code, raised.value.param) == ("position_not_proved", "input.1")
        with pytest.raises(openai.BadRequestError, match="rewrites riddles") as raised:
            client.chat.completions.create(**ask("a riddle"))
        assert raised.value.code == "position_not_proved"
        assert server.state.metrics.unproved._value.get() == (4 if on_unproved == "flag" else 2)


def test_what_is_counted_of_verdicts_follows_them(
    guard: Guard, harmful: list[str], harmless: list[str]
) -> None:
    """Of another guard's beliefs nothing is left in the mean."""
    with running(guard) as server:
        metrics = server.state.metrics
        verdicts = guard.score([*harmful[:6], *harmless[:4]])
        server.client().moderations.create(input=[*harmful[:6], *harmless[:4]])
        mean = sum(one.harmfulness for one in verdicts) / len(verdicts)
        assert metrics.belief._value.get() == pytest.approx(mean, abs=1e-5)
        flagged = sum(one.flagged for one in verdicts)
        assert flagged >= 6
        assert metrics.checked.labels("flagged")._value.get() == flagged
        assert metrics.by_category.labels("")._value.get() == flagged
        assert server.state.engine is not None
        assert (
            f'latentguard_guard_info{{version="{server.state.engine.by.version}"}} 1.0'
            in metrics.text().decode()
        )
        metrics.judged_by(server.state.engine.by)
        server.client().moderations.create(input=harmful[0])
        assert metrics.belief._value.get() == pytest.approx(verdicts[0].harmfulness, abs=1e-5)
