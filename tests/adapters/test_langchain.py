"""LangChain's own agent with a model that is only heard: what is flagged never reaches it."""

import asyncio
import threading

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from latentguard.adapters import Checked, InProcess
from latentguard.adapters.langchain import REFUSAL, GuardMiddleware
from latentguard.errors import ModelNotFound
from tests.adapters.conftest import IMAGE, Watched


class Heard(GenericFakeChatModel):
    """Answers what it is told to, and keeps what reached it."""

    heard: list = []  # noqa: RUF012 pydantic copies it

    def _generate(self, messages, *args, **kwargs):
        self.heard.append(messages)
        return super()._generate(messages, *args, **kwargs)

    def bind_tools(self, tools, **kwargs):
        return self


def model(*answers):
    return Heard(messages=iter(answers or [AIMessage("Of course.")] * 20))


def asked(agent, messages, *, in_loop):
    given = {"messages": messages}
    return asyncio.run(agent.ainvoke(given)) if in_loop else agent.invoke(given)


@pytest.mark.parametrize("in_loop", [False, True])
def test_a_flagged_prompt_is_refused_and_never_reaches_the_model(guard, harmful, harmless, in_loop):
    heard = model()
    agent = create_agent(heard, middleware=[GuardMiddleware(guard)])
    verdicts = guard.score([*harmful[:2], *harmless[:2]])
    assert [one.flagged for one in verdicts] == [True, True, False, False]
    for text, verdict in zip([*harmful[:2], *harmless[:2]], verdicts, strict=True):
        last = asked(agent, [HumanMessage(text)], in_loop=in_loop)["messages"][-1]
        if verdict.flagged:
            assert last.content == REFUSAL
            assert last.response_metadata["finish_reason"] == "content_filter"
            told = last.response_metadata["latentguard"]
            assert told["probability"] == pytest.approx(verdict.probability, abs=1e-5)
            assert not {"harmfulness", "refusal", "score"} & set(told)
        else:
            assert last.content == "Of course."
    assert [one[-1].content for one in heard.heard] == harmless[:2]


def test_the_conversation_is_judged_as_the_model_gets_it(guard, harmful, harmless):
    seen = []

    class Seen:
        name = "seen"

        def check(self, conversations):
            seen.extend(conversations)
            return [Checked.of(one) for one in guard.score(conversations)]

    agent = create_agent(model(), system_prompt="Be brief.", middleware=[GuardMiddleware(Seen())])
    agent.invoke({"messages": [HumanMessage(harmful[0]), AIMessage("No."), HumanMessage(harmless[0])]})
    assert seen == [
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": harmful[0]},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": harmless[0]},
        ]
    ]


def test_a_loop_of_tools_is_judged_once_and_a_history_that_was_not_is_judged(guard, harmful, harmless):
    @tool
    def count(text: str) -> int:
        """How long a text is."""
        return len(text)

    batches = []
    checker = InProcess(Watched(guard, batches.append))
    call = {"name": "count", "args": {"text": "bread"}, "id": "1"}
    calls = AIMessage("", tool_calls=[call])
    heard = model(calls, AIMessage("Five."))
    agent = create_agent(heard, tools=[count], middleware=[GuardMiddleware(checker)])
    messages = agent.invoke({"messages": [HumanMessage(harmless[0])]})["messages"]
    assert [one.type for one in messages] == ["human", "ai", "tool", "ai"]
    assert messages[-1].content == "Five."
    assert len(heard.heard) == 2
    assert len(batches) == 1

    forged = [HumanMessage(harmful[0]), calls, ToolMessage("5", tool_call_id="1")]
    assert agent.invoke({"messages": forged})["messages"][-1].content == REFUSAL
    assert len(heard.heard) == 2


@pytest.mark.parametrize("in_loop", [False, True])
def test_what_cannot_be_judged_never_reaches_the_model(guard, in_loop):
    heard = model()
    agent = create_agent(heard, middleware=[GuardMiddleware(guard)])
    image = HumanMessage([{"type": "text", "text": "What is this?"}, IMAGE])
    for messages in ([image], [SystemMessage("There is no user.")], [HumanMessage("word " * 100_000)]):
        last = asked(agent, messages, in_loop=in_loop)["messages"][-1]
        assert last.content == REFUSAL
        assert last.response_metadata["latentguard"]["unjudged"]
    assert heard.heard == []


def test_a_guard_that_fails_stops_the_agent(harmless):
    heard = model()
    agent = create_agent(heard, middleware=[GuardMiddleware("http://127.0.0.1:9")])
    with pytest.raises(ModelNotFound, match="did not answer"):
        agent.invoke({"messages": [HumanMessage(harmless[0])]})
    assert heard.heard == []


def test_a_served_guard_blocks_as_the_guard_here(server, harmful, harmless):
    heard = model()
    agent = create_agent(heard, middleware=[GuardMiddleware(server.address, api_key="plain-key")])
    answers = [
        agent.invoke({"messages": [HumanMessage(one)]})["messages"][-1].content
        for one in (harmful[0], harmless[0])
    ]
    assert answers == [REFUSAL, "Of course."]
    assert len(heard.heard) == 1


def test_the_event_loop_goes_on_while_the_guard_judges(harmless):
    judging, loop_ran = threading.Event(), threading.Event()

    class Waits:
        name = "waits"

        def check(self, conversations):
            judging.set()
            return [Checked(flagged=not loop_ran.wait(5), probability=0.0) for _ in conversations]

    async def both():
        agent = create_agent(model(), middleware=[GuardMiddleware(Waits())])
        answer = asyncio.create_task(agent.ainvoke({"messages": [HumanMessage(harmless[0])]}))
        while not judging.is_set():
            await asyncio.sleep(0)
        loop_ran.set()
        return await answer

    assert asyncio.run(both())["messages"][-1].content == "Of course."
