"""The one thread that runs the model: between two tokens of an answer it serves checks, and it survives."""

import asyncio
import gc
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from latentguard.guard import Guard
from latentguard.lm import Rendered
from latentguard.serve import Engine
from latentguard.serve.answering import Answering
from latentguard.serve.judged import Judged
from latentguard.serve.metrics import Metrics
from latentguard.serve.work import Chat, Checks, Piece, Worker
from latentguard.serve.work.talks import Talk
from tests.serve.conftest import on_a_loop, running
from tests.serve.test_chat import ask


class Recorded:
    """An engine that notes what it is asked to do, in order."""

    def __init__(self, engine: Engine, before: Callable[[str], None] = lambda _: None) -> None:
        self._engine, self._before, self.done = engine, before, []  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def judge(self, prompts: Sequence[Rendered]) -> list[Judged]:
        self.done.append(("judge", len(prompts)))
        self._before("judge")
        return self._engine.judge(prompts)

    def begin(self, chats: Sequence[Chat]) -> Answering:
        self._before("begin")
        answering = self._engine.begin(chats)
        step = answering.step

        def stepped() -> Any:
            self.done.append(("step", len(chats)))
            self._before("step")
            return step()

        answering.step = stepped  # type: ignore[method-assign]
        return answering


def test_a_check_waits_for_one_token_of_a_long_answer(guard: Guard, harmless: list[str]) -> None:
    made: list[Recorded] = []
    asked, checked = threading.Event(), threading.Event()

    def before(what: str) -> None:
        if what == "step" and sum(kind == "step" for kind, _ in made[0].done) == 5:
            asked.set()
            checked.wait(0.5)

    def engine(own: Engine) -> Recorded:
        made.append(Recorded(own, before))
        return made[0]

    with running(guard, engine=engine, max_new_tokens=64) as server:
        answer: list[Any] = []

        def chat() -> None:
            answer.append(server.client().chat.completions.create(**ask(harmless[0], max_tokens=64)))

        talking = threading.Thread(target=chat)
        talking.start()
        assert asked.wait(20)
        pending = threading.Thread(target=lambda: server.client().moderations.create(input="hello"))
        pending.start()
        while not server.state.worker or not server.state.worker.waiting:
            threading.Event().wait(0.005)
        checked.set()
        pending.join(20)
        talking.join(20)
    kinds = [kind for kind, _ in made[0].done]
    assert kinds.index("judge") == 5  # after five steps the next thing done is the check
    assert (
        answer[0].choices[0].message.content == guard.model.generate([harmless[0]], max_new_tokens=64)[0].text
    )


def test_chats_that_come_together_are_answered_in_one_batch_each_as_if_alone(
    guard: Guard, harmless: list[str]
) -> None:
    made: list[Recorded] = []
    begin = threading.Event()

    def before(what: str) -> None:
        if what == "judge":
            begin.wait(20)

    def engine(own: Engine) -> Recorded:
        made.append(Recorded(own, before))
        return made[0]

    with running(guard, engine=engine) as server:
        held = threading.Thread(target=lambda: server.client().moderations.create(input="hello"))
        held.start()
        while not made[0].done:
            threading.Event().wait(0.005)
        said: dict[str, str | None] = {}

        def chat(text: str) -> None:
            found = server.client().chat.completions.create(**ask(text))
            said[text] = found.choices[0].message.content

        talking = [threading.Thread(target=chat, args=(text,)) for text in harmless[:3]]
        for one in talking:
            one.start()
        while len(server.state.worker._chats) < 3:  # type: ignore[union-attr]
            threading.Event().wait(0.005)
        begin.set()
        for one in [held, *talking]:
            one.join(20)
    assert ("step", 3) in made[0].done
    assert ("step", 1) not in made[0].done
    for text in harmless[:3]:
        assert said[text] == guard.model.generate([text], max_new_tokens=24)[0].text


def test_chats_that_began_apart_go_on_in_one_batch(guard: Guard, harmless: list[str]) -> None:
    """The second comes while the first is being answered: from then on a turn is one run for both."""
    made: list[Recorded] = []
    came = threading.Event()

    def before(what: str) -> None:
        if what == "step" and sum(kind == "step" for kind, _ in made[0].done) == 4:
            came.wait(20)

    def engine(own: Engine) -> Recorded:
        made.append(Recorded(own, before))
        return made[0]

    rows: list[int] = []
    hook = guard.model.blocks.layers[0].register_forward_pre_hook(
        lambda _, arguments, keywords: rows.append((arguments or tuple(keywords.values()))[0].shape[0]),
        with_kwargs=True,
    )
    said: dict[str, str | None] = {}
    try:
        with running(guard, engine=engine, max_new_tokens=64) as server:

            def chat(text: str) -> None:
                found = server.client().chat.completions.create(**ask(text, max_tokens=64))
                said[text] = found.choices[0].message.content

            first = threading.Thread(target=chat, args=(harmless[0],))
            first.start()
            while sum(kind == "step" for kind, _ in made[0].done) < 4:
                threading.Event().wait(0.005)
            second = threading.Thread(target=chat, args=(harmless[1],))
            second.start()
            while not server.state.worker._chats:  # type: ignore[union-attr]
                threading.Event().wait(0.005)
            rows.clear()
            came.set()
            first.join(20)
            second.join(20)
    finally:
        hook.remove()
    apart = rows.index(2)  # a run for both, behind a token of the first and the second's prompt
    assert apart <= 3
    assert set(rows[:apart]) == {1}
    for text in harmless[:2]:
        assert said[text] == guard.model.generate([text], max_new_tokens=64)[0].text


def test_a_client_that_leaves_frees_its_place(guard: Guard, harmless: list[str]) -> None:
    go_on = threading.Event()
    made: list[Recorded] = []

    def before(what: str) -> None:
        if len(made[0].done) > 1:  # the first step was made: its answer is on its way
            go_on.wait(20)

    def engine(own: Engine) -> Recorded:
        made.append(Recorded(own, before))
        return made[0]

    with running(guard, engine=engine, max_chats=1) as server:
        stream = server.client().chat.completions.create(**ask(harmless[0], max_tokens=400), stream=True)
        next(iter(stream))
        with pytest.raises(openai.RateLimitError) as raised:
            server.client().chat.completions.create(**ask(harmless[1]))
        assert int(raised.value.response.headers["Retry-After"]) >= 1
        stream.close()
        go_on.set()
        for _ in range(400):
            try:
                server.client().chat.completions.create(**ask(harmless[1]))
                break
            except openai.RateLimitError:
                threading.Event().wait(0.02)
        else:
            raise AssertionError("the place was not freed")


def test_a_chat_that_is_being_begun_has_its_place(guard: Guard, harmless: list[str]) -> None:
    """It waits no more, and nothing of it is in the making yet."""
    beginning, go_on = threading.Event(), threading.Event()

    def before(what: str) -> None:
        if what == "begin":
            beginning.set()
            go_on.wait(20)

    with (
        running(guard, engine=lambda own: Recorded(own, before), max_chats=1) as server,
        ThreadPoolExecutor(1) as thread,
    ):
        first = thread.submit(lambda: server.client().chat.completions.create(**ask(harmless[0])))
        assert beginning.wait(20)
        with pytest.raises(openai.RateLimitError):
            server.client().chat.completions.create(**ask(harmless[1]))
        go_on.set()
        assert first.result(20).choices


def test_what_breaks_a_batch_fails_its_own_request_alone(guard: Guard, harmless: list[str]) -> None:
    poison = guard.model.render(harmless[5]).ids

    class Breaks(Recorded):
        def judge(self, prompts: Sequence[Rendered]) -> list[Judged]:
            if any(one.ids == poison for one in prompts):
                raise RuntimeError("broken")
            return super().judge(prompts)

    with running(guard, engine=lambda own: Breaks(own)) as server:
        client = server.client()
        with pytest.raises(openai.InternalServerError) as raised:
            client.moderations.create(input=[harmless[4], harmless[5]])
        assert raised.value.response.json()["error"]["type"] == "server_error"
        assert len(client.moderations.create(input=harmless[:4]).results) == 4


def test_overload_is_refused_at_once_and_what_was_let_in_is_served(guard: Guard, harmless: list[str]) -> None:
    made: list[Recorded] = []
    begin = threading.Event()

    def engine(own: Engine) -> Recorded:
        made.append(Recorded(own, lambda _: begin.wait(20) and None))
        return made[0]

    with running(guard, engine=engine, batch_tokens=64, queued_batches=1) as server:
        results: list[object] = []

        def one() -> None:
            try:
                results.append(server.client().moderations.create(input=harmless[:2]))
            except openai.RateLimitError as error:
                results.append(error)

        threads = [threading.Thread(target=one) for _ in range(24)]
        for each in threads:
            each.start()
        while sum(isinstance(found, openai.RateLimitError) for found in results) < 12:
            threading.Event().wait(0.01)
        begin.set()
        for each in threads:
            each.join(20)
    refused = [found for found in results if isinstance(found, openai.RateLimitError)]
    assert 12 <= len(refused) < 24
    assert all(int(found.response.headers["Retry-After"]) >= 1 for found in refused)
    assert len(results) == 24


def test_under_overload_a_body_is_not_waited_for_to_refuse_it(guard: Guard, harmless: list[str]) -> None:
    """And a stranger is told so, whatever the load."""
    begin = threading.Event()

    def engine(own: Engine) -> Recorded:
        return Recorded(own, lambda _: begin.wait(20) and None)

    def head(key: str) -> bytes:
        lines = ["POST /v1/moderations HTTP/1.1", "Host: x", f"Authorization: Bearer {key}"]
        return "\r\n".join([*lines, "Content-Length: 900", "", ""]).encode()

    texts = (harmless * 20)[:20]
    with running(guard, engine=engine, batch_tokens=64, queued_batches=1) as server:
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(lambda: server.client().moderations.create(input=texts))
            while not server.state.worker or not 0 < server.state.worker.waiting < len(texts):
                threading.Event().wait(0.005)
            try:
                for key, status in (("plain-key", b"429"), ("nobody's", b"401")):
                    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                        connection.sendall(head(key))
                        assert connection.recv(65536).split()[1] == status
            finally:
                begin.set()
            assert len(asked.result(20).results) == len(texts)
        assert server.state.metrics.requests.labels("/v1/moderations", "429")._value.get() == 1


class Kinds:
    """Runs prompts that are numbers; those of one kind, even or odd, run best together."""

    def __init__(self) -> None:
        self.ran: list[list[int]] = []
        self.broken = False

    def with_first(self, prompts: Sequence[Any]) -> Sequence[int]:
        if self.broken:
            raise RuntimeError("broken")
        return [number for number, one in enumerate(prompts) if one % 2 == prompts[0] % 2]

    def judge(self, prompts: Sequence[Any]) -> list[Any]:
        self.ran.append(list(prompts))
        return list(prompts)


def worker_of(runs: Kinds, *, batch_tokens: int) -> Worker:
    """One that has not begun."""
    return Worker(
        runs,  # type: ignore[arg-type]
        batch_tokens=batch_tokens,
        run_tokens=batch_tokens,
        queued_tokens=1000,
        wait=0,
        most_chats=3,
        observer=Metrics(),
    )


def worked_off(runs: Kinds, requests: Sequence[Sequence[int]]) -> list[list[int] | BaseException]:
    """What came back of each of these requests, which all wait when the worker begins, or what broke it."""
    worker = worker_of(runs, batch_tokens=1000)

    async def all_of_them() -> list[list[int] | BaseException]:
        asked: list[Checks] = []
        for numbers in requests:
            prompts: list[Any] = list(numbers)
            asked.append(Checks(prompts, [10] * len(prompts), asyncio.get_running_loop()))
            worker.check(asked[-1])
        worker.start()
        found: list[Any] = await asyncio.gather(*(one.done for one in asked), return_exceptions=True)
        await asyncio.to_thread(worker.stop)
        return found

    return on_a_loop(all_of_them())


def test_the_first_prompt_runs_with_what_runs_best_with_it() -> None:
    runs = Kinds()
    assert worked_off(runs, [[1, 2], [4], [3]]) == [[1, 2], [4], [3]]
    assert runs.ran == [[1, 3], [2, 4]]


def test_where_that_cannot_be_told_the_first_runs_alone() -> None:
    runs = Kinds()
    runs.broken = True
    assert worked_off(runs, [[1], [2], [3]]) == [[1], [2], [3]]
    assert runs.ran[0] == [1]


def test_a_request_that_was_let_in_is_answered_while_draining(guard: Guard, harmless: list[str]) -> None:
    made: list[Recorded] = []
    begin = threading.Event()

    def engine(own: Engine) -> Recorded:
        made.append(Recorded(own, lambda _: begin.wait(20) and None))
        return made[0]

    with running(guard, engine=engine) as server:
        answers: list[Any] = []

        def one() -> None:
            answers.append(server.client("research-key").moderations.create(input=harmless[0]))

        asking = threading.Thread(target=one)
        asking.start()
        while not made[0].done:
            threading.Event().wait(0.005)
        server.state.phase = "draining"
        with pytest.raises(openai.InternalServerError) as raised:
            server.client().moderations.create(input="hello")
        assert raised.value.response.json()["error"]["code"] == "draining"
        begin.set()
        asking.join(20)
    assert answers[0].results[0].internals["verdict"]


def test_a_stream_is_being_served_until_its_last_piece(guard: Guard, harmless: list[str]) -> None:
    with running(guard) as server:
        stream = server.client().chat.completions.create(**ask(harmless[0], max_tokens=60), stream=True)
        pieces = iter(stream)
        next(pieces)
        assert server.state.requests == 1
        assert list(pieces)
        for _ in range(200):
            if server.state.requests == 0:
                break
            threading.Event().wait(0.02)
        assert server.state.requests == 0


def test_a_bug_in_one_part_of_a_turn_ends_no_other(guard: Guard, harmless: list[str]) -> None:
    with running(guard) as server:
        worker = server.state.worker
        assert worker is not None

        def breaks() -> None:
            raise RuntimeError("a bug")

        worker.between_batches(breaks)
        assert server.client().moderations.create(input=harmless[0]).results
        assert worker.alive
        assert server.state.metrics.bugs.labels("RuntimeError")._value.get() == 1


def test_requests_beyond_the_limit_are_refused_until_one_is_over(guard: Guard) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        begun.set()
        go_on.wait(20)

    with (
        running(guard, engine=lambda own: Recorded(own, hold), max_requests=1) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(lambda: server.client().moderations.create(input="hello"))
        assert begun.wait(20)
        with pytest.raises(openai.RateLimitError):
            server.client().moderations.create(input="hello")
        go_on.set()
        assert first.result(20).results
        while server.state.requests:
            threading.Event().wait(0.005)
        assert server.client().moderations.create(input="hello").results


@pytest.mark.parametrize("where", ["judge", "begin", "render"])
def test_what_takes_too_long_is_given_up(guard: Guard, where: str) -> None:
    """In the queue, before an answer begins, and while a prompt is being rendered."""
    go_on = threading.Event()

    class Slow(Recorded):
        def render(self, conversation: Any) -> Rendered:
            if where == "render" and conversation == "hello":
                go_on.wait(20)
            return self._engine.render(conversation)

    def before(what: str) -> None:
        if what == where:
            go_on.wait(20)

    with running(guard, engine=lambda own: Slow(own, before), request_timeout_s=1) as server:
        client = server.client()
        body = ask("hello") if where == "begin" else {"input": "hello"}
        with pytest.raises(openai.InternalServerError) as raised:
            client.post(
                f"/{'chat/completions' if where == 'begin' else 'moderations'}", cast_to=object, body=body
            )
        assert raised.value.status_code == 504
        assert raised.value.code == "timeout"
        go_on.set()
        assert client.moderations.create(input="hello there").results
        while server.state.requests:  # its place is free when its answer has gone
            threading.Event().wait(0.005)


def test_answers_that_cannot_be_put_together_go_on_as_they_were(guard: Guard, harmless: list[str]) -> None:
    tried: list[int] = []

    class Full(Recorded):
        def begin(self, chats: Sequence[Chat]) -> Answering:
            answering = super().begin(chats)

            def join(other: object) -> int | None:
                tried.append(1)
                raise MemoryError("no room for both")

            answering.join = join  # type: ignore[method-assign]
            return answering

    with (
        running(guard, engine=lambda own: Full(own), max_new_tokens=64) as server,
        ThreadPoolExecutor(3) as pool,
    ):

        def said(text: str) -> str | None:
            found = server.client().chat.completions.create(**ask(text, max_tokens=64))
            return found.choices[0].message.content

        answers = list(pool.map(said, harmless[:3]))
        assert server.state.metrics.bugs.labels("MemoryError")._value.get() == len(tried)
    assert len(tried) <= 3  # and is not tried at every token
    for text, answer in zip(harmless[:3], answers, strict=True):
        assert answer == guard.model.generate([text], max_new_tokens=64)[0].text


def test_what_breaks_a_large_batch_is_found_in_few_runs() -> None:
    class Poisoned(Kinds):
        def with_first(self, prompts: Sequence[Any]) -> Sequence[int]:
            return range(len(prompts))

        def judge(self, prompts: Sequence[Any]) -> list[Any]:
            judged = super().judge(prompts)
            if 37 in prompts:
                raise RuntimeError("broken")
            return judged

    runs = Poisoned()
    found = worked_off(runs, [[number] for number in range(64)])
    assert [number for number, one in enumerate(found) if isinstance(one, Exception)] == [37]
    assert [one for one in found if isinstance(one, list)] == [[n] for n in range(64) if n != 37]
    assert len(runs.ran) == 13  # all of it, and two halves, six times


class Apart(Kinds):
    """Runs whose answers cannot go on in one batch; what takes how long is a matter of its own clock."""

    def __init__(self, a_batch: float) -> None:
        super().__init__()
        self.done, self.now, self._a_batch = "", 0.0, a_batch

    def judge(self, prompts: Sequence[Any]) -> list[Any]:
        self.done += "b"
        self.now += self._a_batch
        return list(prompts)

    def begin(self, chats: Sequence[Any]) -> "Steps":
        assert len(chats) == 1
        return Steps(self)


class Steps:
    """One answer of twelve tokens."""

    def __init__(self, runs: Apart) -> None:
        self._runs, self._left = runs, 12
        self.verdicts: dict[int, Judged] = {}

    @property
    def finished(self) -> bool:
        return not self._left

    def join(self, other: object) -> None:
        return None

    def forget(self, number: int) -> None:
        pass

    def step(self) -> list[tuple[int, Piece]]:
        self._runs.done += "s"
        self._runs.now += 1
        self._left -= 1
        return [(0, Piece("x", None if self._left else "length"))]


@pytest.mark.parametrize(("a_batch", "turn"), [(1, "bs"), (0.5, "bs"), (3, "bsss"), (5, "bsssss")])
def test_a_check_waits_for_one_step_of_answers_that_go_on_apart_or_as_long_as_the_last_batch(
    monkeypatch: pytest.MonkeyPatch, a_batch: float, turn: str
) -> None:
    """However many they are; and so batches take half of the time at most."""
    runs = Apart(a_batch)
    monkeypatch.setattr("latentguard.serve.work.worker.monotonic", lambda: runs.now)
    worker = worker_of(runs, batch_tokens=10)

    async def all_of_them() -> None:
        loop = asyncio.get_running_loop()
        prompts: list[Any] = [0]
        checks = [Checks(prompts, [10], loop) for _ in range(40)]
        for one in checks:
            worker.check(one)
        ended: list[asyncio.Event] = []
        for _ in range(3):
            ended.append(asyncio.Event())

            def tell(piece: Piece, over: asyncio.Event = ended[-1]) -> None:
                if piece.finish is not None:
                    loop.call_soon_threadsafe(over.set)

            worker.chat(SimpleNamespace(cancelled=False, tokens=10, tell=tell))  # type: ignore[arg-type]
        worker.start()
        await asyncio.gather(*(one.done for one in checks), *(one.wait() for one in ended))
        await asyncio.to_thread(worker.stop)

    on_a_loop(all_of_them())
    assert runs.done.count("s") == 36
    assert runs.done.startswith(turn * 5)


def test_nothing_is_kept_of_what_has_been_answered(
    guard: Guard, harmless: list[str], harmful: list[str]
) -> None:
    """`.ci/soak/server.py memory` looks at the whole process over 20,000 requests."""
    kinds = (Checks, Chat, Rendered, Judged, Answering, Talk, RequestResponseCycle)

    def kept() -> Counter[str]:
        gc.collect()
        return Counter(type(one).__name__ for one in gc.get_objects() if type(one) in kinds)

    with running(guard) as server, server.client() as client:

        def ask_for_all() -> None:
            for text in (*harmless[:5], *harmful[:5]):
                client.moderations.create(input=[text, "hello"])
                client.chat.completions.create(**ask(text))
                list(client.chat.completions.create(**ask(text), stream=True))
            with pytest.raises(openai.BadRequestError):
                client.moderations.create(input=" ")
            while server.state.requests:
                threading.Event().wait(0.005)

        ask_for_all()
        first = kept()
        for _ in range(3):
            ask_for_all()
        assert kept() <= first + Counter(
            dict.fromkeys(first, 2)
        )  # of what has just been answered, some is left
    assert first["RequestResponseCycle"] >= 1
