"""The files of deploy/: linted, of settings that exist, and asking for metrics that a server counts."""

import hashlib
import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.samples import Sample

from latentguard.guard import Verdict
from latentguard.serve import Settings, settings_of
from latentguard.serve.metrics import Metrics
from latentguard.serve.settings import ENVIRONMENT

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
PROGRAMS = Path(sys.executable).parent


def read(name: str) -> Any:
    """A file in YAML."""
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def instructions(kind: str) -> list[str]:
    """What follows `kind` in the Dockerfile, its lines joined."""
    joined = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split(" ", 1)[1] for line in joined.splitlines() if line.startswith(f"{kind} ")]


def image_environment() -> dict[str, str]:
    """What the image sets."""
    return dict(word.split("=", 1) for line in instructions("ENV") for word in shlex.split(line))


def interpolated(text: str, given: dict[str, str]) -> str:
    """Compose's `${NAME:?why}`."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: given[found[1]], text)


def test_the_dockerfile_is_linted() -> None:
    done = subprocess.run([PROGRAMS / "hadolint", DOCKERFILE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_is_one() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, DEPLOY / "compose.yaml"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_images_have_versions() -> None:
    images = [
        service["image"] for service in read("compose.yaml")["services"].values() if "build" not in service
    ]
    images += [line.split()[0] for line in instructions("FROM")]
    assert len(images) == 4
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images), images


def test_what_is_mounted_and_named_is_there() -> None:
    compose = read("compose.yaml")
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
            elif "$" not in source:
                assert source in compose["volumes"]
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
    build = compose["services"]["server"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DOCKERFILE
    assert set(build["args"]) == set(instructions("ARG"))
    copied = [
        line[1:]
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    assert all((DEPLOY.parent / name).exists() for name in copied)


def test_the_environment_of_the_server_is_valid_and_its_keys_open(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"CLIENTS_KEY_SHA256": "of-clients", "METRICS_KEY_SHA256": "of-prometheus"}
    hashes = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in keys.items()}
    own = read("compose.yaml")["services"]["server"]["environment"]
    environment = image_environment() | {name: interpolated(value, hashes) for name, value in own.items()}
    named = {name.removeprefix(ENVIRONMENT).lower() for name in environment if name.startswith(ENVIRONMENT)}
    assert {"guard", "host", "port", "keys"} <= named <= set(Settings.model_fields)
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT):
            monkeypatch.setenv(name, value)
    settings = settings_of(None)
    assert (settings.host, settings.port) == ("0.0.0.0", int(instructions("EXPOSE")[0]))
    assert [[one.name for one in settings.keys if one.opens(key.encode())] for key in keys.values()] == [
        ["clients"],
        ["prometheus"],
    ]
    assert not any(one.scopes for one in settings.keys)
    mounted = [one for one in read("compose.yaml")["services"]["server"]["volumes"] if isinstance(one, dict)]
    assert [one["target"] for one in mounted] == [str(settings.guard.parent)]
    volumes = {image_environment()[f"{ENVIRONMENT}GUARD"], "/cache"}
    assert volumes == set(json.loads(instructions("VOLUME")[0]))


def test_the_commands_of_the_page_make_what_the_compose_file_asks_for(tmp_path: Path) -> None:
    page = (DEPLOY.parent / "docs/serving.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    commands, last = block.strip().rsplit("\n", 1)
    assert last == "docker compose -f deploy/compose.yaml up --build"
    (tmp_path / "deploy").mkdir()
    done = subprocess.run(
        ["sh", "-euc", commands], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )
    made = dict(line.split("=", 1) for line in (tmp_path / "deploy/.env").read_text().splitlines())
    asked = re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    assert set(made) == set(asked)
    keys = {"CLIENTS": done.stdout.strip(), "METRICS": (tmp_path / "deploy/metrics.key").read_text()}
    assert len(set(keys.values()) | {made["GRAFANA_PASSWORD"]}) == 3
    for name, key in keys.items():
        assert made[f"{name}_KEY_SHA256"] == hashlib.sha256(key.encode()).hexdigest()
    secret = read("compose.yaml")["secrets"]["metrics_key"]["file"]
    assert (tmp_path / "deploy" / secret).is_file()
    ignored = (DEPLOY.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/deploy/.env", "/deploy/metrics.key"} <= set(ignored)


def test_the_server_gets_time_to_drain_and_is_the_process_that_signals_reach() -> None:
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["latentguard", "serve"]  # no shell in between
    grace = read("compose.yaml")["services"]["server"]["stop_grace_period"]
    most = [Settings.model_fields[name].default for name in ("drain_s", "write_timeout_s")]
    assert int(grace.removesuffix("s")) > sum(most)


@pytest.fixture
def answering() -> Iterator[tuple[int, list[int], list[str]]]:
    """A port; the status that is answered there; the paths that were asked for."""
    status, paths = [200], []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1], status, paths
        server.shutdown()
        thread.join()


def test_healthy_is_what_is_ready(answering: tuple[int, list[int], list[str]]) -> None:
    port, status, paths = answering
    program, *arguments = json.loads(instructions("HEALTHCHECK")[0].split(" CMD ")[1])
    assert program == "python"

    def check(port: int) -> int:
        environment = {f"{ENVIRONMENT}PORT": str(port)}
        return subprocess.run(
            [sys.executable, *arguments], env=environment, timeout=30, stderr=subprocess.DEVNULL, check=False
        ).returncode

    assert check(port) == 0
    status[0] = 503
    assert check(port) == 1
    assert paths == ["/readyz"] * 2
    assert check(1) == 1


def test_prometheus_asks_the_server_with_the_key_that_it_is_handed() -> None:
    (job,) = read("prometheus.yml")["scrape_configs"]
    services = read("compose.yaml")["services"]
    (secret,) = services["prometheus"]["secrets"]
    assert job["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
    port = image_environment()[f"{ENVIRONMENT}PORT"]
    assert job["static_configs"] == [{"targets": [f"server:{port}"]}]
    assert job.get("metrics_path", "/metrics") == "/metrics"
    assert "./prometheus.yml:/etc/prometheus/prometheus.yml:ro" in services["prometheus"]["volumes"]
    (source,) = read("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in dashboard()["panels"]} == {source["uid"]}
    (provider,) = read("grafana/provisioning/dashboards/latentguard.yaml")["providers"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]


def dashboard() -> dict[str, Any]:
    """The one that Grafana shows."""
    return json.loads((DEPLOY / "grafana/dashboards/latentguard.json").read_text(encoding="utf-8"))


def counted() -> list[Sample]:
    """What a server counts that has answered, flagged and refused, beside a shadow that sees it otherwise."""
    metrics = Metrics()
    metrics.requests.labels("/v1/moderations", "200").inc()
    metrics.latency.labels("/v1/moderations").observe(0.1)
    metrics.batch([0.1, 0.2], 0.1)
    metrics.answers.labels("whole").inc()
    flagged = Verdict(
        harmfulness=0.5,
        score=0.5,
        probability=0.9,
        flagged=True,
        refusal=None,
        predicted_refused=None,
        cell=None,
        category_scores={"fraud": 0.9},
    )
    passed = replace(flagged, flagged=False)
    for one, other in ((flagged, passed), (passed, flagged)):
        metrics.verdict(one)
        metrics.shadowed(one, other)
    return [sample for family in metrics.registry.collect() for sample in family.samples]


def parts(query: promql_parser.Expr, kind: type) -> list[Any]:
    """What a query holds of one kind."""
    found: list[Any] = []

    def visit(one: Any) -> None:
        one = one.vector_selector if isinstance(one, promql_parser.MatrixSelector) else one
        if isinstance(one, kind):
            found.append(one)

    promql_parser.walk(query, visit)
    return found


def taken(selector: promql_parser.VectorSelector) -> list[Sample]:
    """What a selector takes of all that is counted."""

    def fits(value: str, matcher: promql_parser.Matcher) -> bool:
        if matcher.op == promql_parser.MatchOp.Re:
            return re.fullmatch(matcher.value, value) is not None
        assert matcher.op == promql_parser.MatchOp.Equal
        return value == matcher.value

    return [
        sample
        for sample in counted()
        if sample.name == selector.name
        and all(fits(sample.labels.get(one.name, ""), one) for one in selector.matchers.matchers)
    ]


QUERIES = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in dashboard()["panels"]
    for target in panel["targets"]
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_of_the_dashboard_asks_for_what_is_counted(query: str) -> None:
    parsed = promql_parser.parse(query.replace("$__rate_interval", "1m"))
    selectors = parts(parsed, promql_parser.VectorSelector)
    assert selectors
    for selector in selectors:
        assert taken(selector), selector
    for grouped in parts(parsed, promql_parser.AggregateExpr):
        labels = set(grouped.modifier.labels) if grouped.modifier else set()
        for selector in parts(grouped.expr, promql_parser.VectorSelector):
            assert all(labels <= set(sample.labels) for sample in taken(selector)), selector
