"""A stand-in of the Hugging Face hub on loopback: what huggingface_hub asks of it when models are pushed and
pulled, answered as the hub answers, with every byte that was sent to it kept."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import close_session

TOKEN = "hf_of_a_test"
FIRST = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}


@dataclass
class Repository:
    """Commits of one repository, each with all its files, and the branches that point at them."""

    private: bool
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes], message: str = "") -> str:
        digest = hashlib.sha1(repr((branch, message, len(self.commits), sorted(files.items()))).encode())
        self.commits[digest.hexdigest()] = files
        self.branches[branch] = digest.hexdigest()
        self.messages.append(message)
        return digest.hexdigest()

    def named(self, revision: str) -> str | None:
        if revision in self.commits:
            return revision
        return self.branches.get(revision)

    @property
    def files(self) -> dict[str, bytes]:
        """Of the main branch."""
        return self.commits[self.branches["main"]]


@dataclass
class Hub:
    """The stand-in: its repositories, what was sent to it, and what goes wrong on it."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    received: list[tuple[str, str, bytes]] = field(default_factory=list)
    large: dict[str, bytes] = field(default_factory=dict)
    breaks_off: set[str] = field(default_factory=set)
    """Files of which the second half never comes."""
    before_commit: Callable[[], None] | None = None
    """What somebody else does between the listing of a repository and the commit."""

    @property
    def api(self) -> HfApi:
        return HfApi(endpoint=self.url, token=TOKEN)

    @property
    def bytes_received(self) -> bytes:
        """All bodies, what is base64 in them once more as it was meant."""
        whole = [body for _, _, body in self.received]
        whole += [
            base64.b64decode(found)
            for body in whole
            for found in re.findall(rb'"([A-Za-z0-9+/]{40,}=*)"', body)
        ]
        return b"\n".join(whole)

    def paths(self, method: str) -> list[str]:
        return [path for asked, path, _ in self.received if asked == method]

    def holding(
        self, repo: str, files: dict[str, bytes], *, private: bool = True, gated: bool = False
    ) -> Repository:
        """A repository that is there already."""
        made = self.repositories[repo] = Repository(private, gated)
        made.commit("main", FIRST | files, "initial commit")
        return made


@contextmanager
def running_hub(monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    """The stand-in, as the hub of this process: `HF_ENDPOINT` and a token point at it."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    endpoint_is(hub.url, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # chunks that no HTTP server alone can take
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    close_session()
    try:
        yield hub
    finally:
        close_session()
        server.shutdown()
        server.server_close()
        thread.join()


def endpoint_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT does when huggingface_hub is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )


def _sha1(data: bytes) -> str:
    """As git names a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _oid(name: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if name.endswith(".safetensors") else _sha1(data)


class _Handler(BaseHTTPRequestHandler):
    """The routes of huggingface_hub 2.4, of which there are eight."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._route("GET")

    def do_HEAD(self) -> None:
        self._route("HEAD")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def _route(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.received.append((method, path, body))
        routes: list[tuple[str, str, Callable[..., None]]] = [
            ("HEAD", "/", self._alive),
            ("POST", "/api/validate-yaml", self._validate),
            ("POST", "/api/repos/create", self._create),
            ("GET", r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", self._info),
            ("POST", r"/api/models/([^/]+/[^/]+)/preupload/(.+)", self._preupload),
            ("POST", r"/api/models/([^/]+/[^/]+)/branch/(.+)", self._branch),
            ("POST", r"/api/models/([^/]+/[^/]+)/commit/(.+)", self._commit),
            ("POST", r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self._batch),
            ("PUT", r"/large/(\w+)", self._large),
            ("HEAD", r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._resolve),
            ("GET", r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._resolve),
        ]
        for of, pattern, answer in routes:
            if of == method and (found := re.fullmatch(pattern, path)):
                return answer(body, *found.groups())
        self._error(404, "EntryNotFound")

    def _alive(self, _: bytes) -> None:
        self._send(200, b"")

    def _validate(self, body: bytes) -> None:
        head = json.loads(body)["content"].split("---\n")[1]
        wrong = yaml.safe_load(head).get("license", "mit") not in ("mit", "apache-2.0")
        errors = [{"message": '"license" must be one of [apache-2.0, mit]'}] if wrong else []
        self._json({"errors": errors, "warnings": []}, status=400 if wrong else 200)

    def _create(self, body: bytes) -> None:
        asked = json.loads(body)
        if not self._authorized():
            return self._error(401, "", "Invalid username or password.")
        repo = f"{asked['organization']}/{asked['name']}"
        if repo in self.hub.repositories:
            return self._error(409, "", "You already created this model repo")
        self.hub.holding(repo, {}, private=asked["visibility"] == "private")
        self._json({"url": f"{self.hub.url}/{repo}", "id": repo})

    def _info(self, _: bytes, repo: str, revision: str | None) -> None:
        if (found := self._found(repo, revision or "main")) is None:
            return
        known, commit = found
        siblings = [
            {"rfilename": name, "size": len(data), "blobId": _sha1(data)}
            for name, data in known.commits[commit].items()
        ]
        self._json(
            {"id": repo, "sha": commit, "private": known.private, "gated": known.gated, "siblings": siblings}
        )

    def _preupload(self, body: bytes, repo: str, revision: str) -> None:
        if (found := self._found(repo, revision)) is None:
            return
        there = found[0].commits[found[1]]
        files = [
            {
                "path": (name := one["path"]),
                "uploadMode": "lfs" if name.endswith(".safetensors") else "regular",
                "shouldIgnore": False,
                "oid": _oid(name, there[name]) if name in there else None,
            }
            for one in json.loads(body)["files"]
        ]
        self._json({"files": files})

    def _branch(self, _: bytes, repo: str, branch: str) -> None:
        known = self.hub.repositories[repo]
        known.branches[branch] = known.branches["main"]
        self._json({})

    def _batch(self, body: bytes, _: str) -> None:
        objects = [
            {"oid": one["oid"], "size": one["size"]}
            | (
                {}
                if one["oid"] in self.hub.large
                else {"actions": {"upload": {"href": f"{self.hub.url}/large/{one['oid']}"}}}
            )
            for one in json.loads(body)["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _large(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self._error(400, "", "the content is not that of its oid")
        self.hub.large[oid] = body
        self._send(200, b"")

    def _commit(self, body: bytes, repo: str, branch: str) -> None:
        if self.hub.before_commit is not None:
            self.hub.before_commit()
        if (found := self._found(repo, branch)) is None:
            return
        known, parent = found
        head, *operations = [json.loads(line) for line in body.splitlines()]
        if head["value"].get("parentCommit", parent) != parent:
            return self._error(412, "", "The branch has moved")
        files = dict(known.commits[parent])
        for one in operations:
            value = one["value"]
            if one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                files[value["path"]] = self.hub.large[value["oid"]]
        commit = known.commit(branch, files, head["value"]["summary"])
        self._json({"commitUrl": f"{self.hub.url}/{repo}/commit/{commit}", "commitOid": commit})

    def _resolve(self, _: bytes, repo: str, revision: str, name: str) -> None:
        if (found := self._found(repo, revision)) is None:
            return
        known, commit = found
        data = known.commits[commit].get(name)
        if data is None:
            return self._error(404, "EntryNotFound")
        headers = {
            "ETag": f'"{_oid(name, data)}"',
            "X-Repo-Commit": commit,
            "X-Linked-Size": str(len(data)),
        }
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        end = len(data) // 2 if name in self.hub.breaks_off and self.command == "GET" else len(data)
        self.close_connection = end < len(data)
        self._send(206 if start else 200, data[start:end], headers, length=len(data) - start)

    def _found(self, repo: str, revision: str) -> tuple[Repository, str] | None:
        """The repository and the commit; None, and answered, where there is none for whoever asks."""
        known = self.hub.repositories.get(repo)
        if known is None or (known.private and not self._authorized()):
            self._error(404, "RepoNotFound", "Repository not found")
        elif known.gated:
            self._error(403, "GatedRepo", f"Access to model {repo} is restricted")
        elif (commit := known.named(revision)) is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return known, commit
        return None

    def _authorized(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _error(self, status: int, code: str, message: str = "") -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._json({"error": message}, status=status, headers=headers)

    def _json(self, value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _send(
        self, status: int, data: bytes, headers: dict[str, str] | None = None, *, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
