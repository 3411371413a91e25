"""A guard to the hub and back by huggingface_hub's own client; a stand-in keeps what it is sent."""

import hashlib
import json
from types import SimpleNamespace

import pytest

from latentguard.errors import ArtefactMismatch, NotShared
from latentguard.guard import Guard, artefact
from latentguard.guard.hub import publication, pull, push
from latentguard.guard.hub.pull import MOST_BYTES
from tests.guard.hub_stand_in import Hub, endpoint_is, running_hub
from tests.guard.toy import OBJECTS

REPO = "acme/guard"
FILES = {"README.md", artefact.RECORD, artefact.TENSORS}


@pytest.fixture
def hub(monkeypatch):
    with running_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def folder(guard, tmp_path):
    guard.save(tmp_path / "guard")
    return tmp_path / "guard"


@pytest.fixture
def sent(hub, folder):
    """A guard that lies in the repository, whole."""
    return push(publication(folder, with_refusal=True, with_words=True), REPO)


def test_what_is_pulled_scores_as_what_was_pushed(hub, sent, guard, model, unseen, tmp_path):
    found = pull(REPO, tmp_path / "theirs")
    assert list(Guard.load(tmp_path / "theirs", model).score(unseen)) == list(guard.score(unseen))
    assert found.commit == sent.commit == hub.repositories[REPO].branches["main"]
    assert {one.name for one in (tmp_path / "theirs").iterdir()} == FILES - {"README.md"}


def test_a_push_is_one_commit_with_all_files_into_a_private_repository(hub, sent):
    repository = hub.repositories[REPO]
    assert repository.files.keys() == FILES | {".gitattributes"}
    assert len(repository.commits) == 2  # that which made it, and the guard
    assert (repository.private, sent.private, sent.changed) == (True, True, True)
    assert sent.url == f"{hub.url}/{REPO}"


def test_nothing_of_refusal_and_no_word_reaches_the_hub_unasked(hub, folder, guard):
    ours = folder.joinpath(artefact.TENSORS).read_bytes()
    centroids = [guard.tensors[f"refusal.{side}"].numpy().tobytes() for side in ("positive", "negative")]
    assert all(one in ours for one in centroids)
    push(publication(folder), REPO)
    got = hub.bytes_received
    assert guard.tensors["harmfulness.positive"].numpy().tobytes() in got
    for secret in (*centroids, b"refusal.positive", b"refusal_belief"):
        assert secret not in got
    assert not [word for word in (*OBJECTS, "smash") if word.encode() in got]
    record = json.loads(hub.repositories[REPO].files[artefact.RECORD])
    assert record["refusal"] is None
    assert record["behaviour"] == {}
    assert b"Warning" not in hub.repositories[REPO].files["README.md"]


def test_with_refusal_the_centroids_are_there_and_the_card_warns(hub, sent, guard):
    assert guard.tensors["refusal.positive"].numpy().tobytes() in hub.bytes_received
    assert b"refusals can be suppressed" in hub.repositories[REPO].files["README.md"]


def test_the_same_guard_again_changes_nothing_and_another_is_a_new_commit(hub, sent, folder):
    again = push(publication(folder, with_refusal=True, with_words=True), REPO)
    assert (again.changed, again.commit) == (False, sent.commit)
    other = push(publication(folder), REPO)
    assert other.changed
    assert len(hub.repositories[REPO].commits) == 3


def test_an_earlier_commit_can_be_pulled(hub, sent, folder, tmp_path):
    push(publication(folder), REPO)
    assert pull(REPO, tmp_path / "now").manifest.refusal is None
    then = pull(REPO, tmp_path / "then", revision=sent.commit)
    assert then.manifest.refusal is not None
    assert then.commit == sent.commit


def test_a_branch_is_made_and_the_main_one_stays(hub, sent, folder, tmp_path):
    before = hub.repositories[REPO].files
    push(publication(folder), REPO, revision="trial/1", message="A trial")
    assert hub.repositories[REPO].files == before
    assert hub.repositories[REPO].messages[-1] == "A trial"
    assert pull(REPO, tmp_path / "trial", revision="trial/1").manifest.refusal is None


def test_a_public_repository_is_made_when_asked(hub, folder):
    assert not push(publication(folder), REPO, public=True).private
    assert not hub.repositories[REPO].private


def test_a_public_repository_gets_nothing_that_was_not_called_public(hub, folder):
    hub.holding(REPO, {}, private=False)
    with pytest.raises(NotShared, match="is public"):
        push(publication(folder), REPO)
    assert not [path for path in hub.paths("POST") if "commit" in path]
    assert push(publication(folder), REPO, public=True).changed


@pytest.mark.parametrize(
    "files", [{"model.safetensors": b"theirs"}, {"README.md": b"# Mine"}, {"a/b.py": b""}]
)
def test_a_repository_of_other_things_is_left_alone(hub, folder, files):
    before = hub.holding(REPO, files).files
    with pytest.raises(NotShared, match=f"holds '{next(iter(files))}'"):
        push(publication(folder), REPO)
    assert hub.repositories[REPO].files == before
    assert hub.paths("POST") == hub.paths("PUT") == []


def test_other_things_on_a_branch_are_left_alone(hub, sent, folder):
    hub.repositories[REPO].commit("theirs", {"notes.txt": b"mine"})
    with pytest.raises(NotShared, match=r"holds 'notes\.txt'"):
        push(publication(folder), REPO, revision="theirs")


def test_what_somebody_else_commits_meanwhile_is_not_overwritten(hub, sent, folder):
    repository = hub.repositories[REPO]
    hub.before_commit = lambda: repository.commit("main", repository.files | {"new.txt": b"theirs"})
    with pytest.raises(NotShared, match="changed by somebody else"):
        push(publication(folder), REPO)
    assert repository.files["new.txt"] == b"theirs"


def test_a_licence_that_the_hub_does_not_know_is_said_in_its_words(hub, folder):
    with pytest.raises(NotShared, match=r"license.*apache-2"):
        push(publication(folder), REPO, license="nonsense")
    assert artefact.RECORD not in hub.repositories[REPO].files


def test_without_a_token_nothing_is_made(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(NotShared, match="Log in"):
        push(publication(folder), REPO)
    assert hub.repositories == {}


def test_a_client_of_ones_own_is_used(hub, folder, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    endpoint_is("http://127.0.0.1:9", monkeypatch)
    push(publication(folder), REPO, api=hub.api)
    assert pull(REPO, tmp_path / "theirs", api=hub.api).url == f"{hub.url}/{REPO}"


@pytest.mark.parametrize(
    "name", ["guard", "a/b/c", "../guard", "acme/..", "acme/a--b", "acme/x.git", "", "-a/b", "a/b\n"]
)
def test_a_name_that_is_no_repository_is_refused_before_the_hub_is_asked(hub, folder, tmp_path, name):
    with pytest.raises(NotShared, match="OWNER/NAME"):
        push(publication(folder), name)
    with pytest.raises(NotShared, match="OWNER/NAME"):
        pull(name, tmp_path / "theirs")
    assert hub.received == []


# What comes from the hub


def swapped(data):
    """The same length, another byte."""
    return data[:-1] + bytes([data[-1] ^ 1])


def nothing_beside(folder):
    """What lies in the folder of a test, but for the guard that was pushed."""
    return sorted(one.name for one in folder.iterdir() if one.name != "guard")


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        (artefact.TENSORS, swapped, "sha256"),
        (artefact.TENSORS, lambda data: b"", "sha256"),
        (artefact.RECORD, lambda data: data[: len(data) // 2], "guard.json is missing or damaged"),
        (artefact.RECORD, lambda data: data.replace(b'"fitted"', b'"spoilt"'), "spoilt|fitted"),
        (artefact.RECORD, lambda data: b"\xff\xfe", "UTF-8"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused_and_nothing_is_left(
    hub, sent, tmp_path, name, damage, says
):
    files = hub.repositories[REPO].files
    files[name] = damage(files[name])
    with pytest.raises(ArtefactMismatch, match=says) as caught:
        pull(REPO, tmp_path / "theirs")
    assert f"{REPO} at commit {sent.commit}" in str(caught.value)
    assert "/tmp" not in str(caught.value)
    assert nothing_beside(tmp_path) == []


def test_tensors_that_are_no_safetensors_are_refused_whatever_their_hash(hub, sent, tmp_path):
    files = hub.repositories[REPO].files
    files[artefact.TENSORS] = b"\x80\x04cos\nsystem\n."  # how a pickle begins
    record = json.loads(files[artefact.RECORD])
    record["tensors_sha256"] = hashlib.sha256(files[artefact.TENSORS]).hexdigest()
    files[artefact.RECORD] = json.dumps(record).encode()
    with pytest.raises(ArtefactMismatch, match="no safetensors file"):
        pull(REPO, tmp_path / "theirs")
    assert nothing_beside(tmp_path) == []


@pytest.mark.parametrize("name", [artefact.RECORD, artefact.TENSORS])
def test_a_download_that_breaks_off_leaves_nothing(hub, sent, tmp_path, monkeypatch, name):
    monkeypatch.setattr("huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda _: None))
    hub.breaks_off.add(name)
    with pytest.raises(NotShared, match="cannot be reached, or broke off"):
        pull(REPO, tmp_path / "theirs")
    assert nothing_beside(tmp_path) == []


def test_an_older_guard_survives_a_pull_that_fails(hub, sent, folder):
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    files = hub.repositories[REPO].files
    files[artefact.TENSORS] = swapped(files[artefact.TENSORS])
    with pytest.raises(ArtefactMismatch):
        pull(REPO, folder)
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before


def test_a_folder_of_other_things_is_left_alone(hub, sent, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "notes.txt").write_text("mine")
    with pytest.raises(ArtefactMismatch, match="other things"):
        pull(REPO, tmp_path / "theirs")
    assert [one.name for one in (tmp_path / "theirs").iterdir()] == ["notes.txt"]


def test_nothing_but_a_guards_two_files_is_read(hub, sent, tmp_path):
    hub.repositories[REPO].files.update({"setup.py": b"raise", "model.pkl": b"\x80"})
    hub.received.clear()
    pull(REPO, tmp_path / "theirs")
    read = {path.rsplit("/", 1)[-1] for path in hub.paths("GET") if "/resolve/" in path}
    assert read == {artefact.RECORD, artefact.TENSORS}
    assert nothing_beside(tmp_path) == ["theirs"]


def test_all_files_are_of_one_commit_whatever_is_pushed_meanwhile(hub, sent, tmp_path):
    hub.received.clear()
    pull(REPO, tmp_path / "theirs")
    assert {path.split("/resolve/")[1].split("/")[0] for path in hub.paths("GET") if "/resolve/" in path} == {
        sent.commit
    }


def test_what_is_too_large_for_a_guard_is_not_fetched(hub, sent, tmp_path, monkeypatch):
    size = len(hub.repositories[REPO].files[artefact.TENSORS])
    monkeypatch.setitem(MOST_BYTES, artefact.TENSORS, size - 1)
    hub.received.clear()
    with pytest.raises(NotShared, match="bytes, and no guard is"):
        pull(REPO, tmp_path / "theirs")
    assert not [path for path in hub.paths("GET") if "/resolve/" in path]


def missing(hub):
    hub.repositories.clear()


def gated(hub):
    hub.repositories[REPO].gated = True


def no_guard(hub):
    hub.holding(REPO, {"config.json": b"{}"})


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (missing, {}, "no repository acme/guard.*\n.*Log in"),
        (gated, {}, "is gated.*\n.*Ask for access at"),
        (no_guard, {}, "holds no guard: guard.json is not among its 2 files"),
        (lambda hub: None, {"revision": "v9"}, "has no revision 'v9'"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_message(hub, sent, tmp_path, change, options, says):
    change(hub)
    with pytest.raises(NotShared, match=says):
        pull(REPO, tmp_path / "theirs", **options)
    assert nothing_beside(tmp_path) == []


def test_a_private_repository_of_others_is_as_one_that_is_not_there(hub, sent, tmp_path, monkeypatch):
    assert hub.repositories[REPO].private
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    with pytest.raises(NotShared, match="private and you may not see it"):
        pull(REPO, tmp_path / "theirs")


def test_a_hub_that_is_not_there_is_said(tmp_path, monkeypatch, hub):
    gone = Hub(url="http://127.0.0.1:9")
    with pytest.raises(NotShared, match=r"127\.0\.0\.1:9 cannot be reached"):
        pull(REPO, tmp_path / "theirs", api=gone.api)


def test_an_offline_machine_asks_nobody(hub, sent, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.received.clear()
    with pytest.raises(NotShared, match="HF_HUB_OFFLINE"):
        pull(REPO, tmp_path / "theirs")
    assert hub.received == []
