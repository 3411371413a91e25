"""A guard to the hub: its files and its card in one commit, into a repository that holds nothing else."""

from dataclasses import dataclass

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import ModelInfo

from latentguard._text import inert
from latentguard.errors import NotShared
from latentguard.guard import artefact
from latentguard.guard.hub.card import card
from latentguard.guard.hub.publication import Publication
from latentguard.guard.hub.repository import asking, check_name

CARD = "README.md"
MESSAGE = "Push a Latent Guard"
_OURS = frozenset({CARD, artefact.RECORD, artefact.TENSORS, ".gitattributes"})


@dataclass(frozen=True, slots=True)
class Pushed:
    """Where a guard was put."""

    repo: str
    url: str
    commit: str
    private: bool
    changed: bool
    """False where the repository held the same guard already: nothing was committed."""


def push(
    published: Publication,
    repo: str,
    *,
    public: bool = False,
    license: str | None = None,
    revision: str | None = None,
    message: str | None = None,
    api: HfApi | None = None,
) -> Pushed:
    """Commit a guard and its card to `repo` (OWNER/NAME), which is made, private or `public`, if it is new.

    `revision` is a branch, made from the main one if it is new; `api` a client with its own endpoint and
    token. Raises `NotShared`, before anything of the guard is sent, where the repository holds other files,
    or is public and `public` was not said; and where the hub says no.
    """
    check_name(repo)
    client = api or HfApi(library_name="latentguard")
    files = published.files | {CARD: card(published, repo, license=license).encode()}
    with asking(client, repo, revision):
        found = _made_ready(client, repo, revision, public=public)
        done = client.create_commit(
            repo,
            [CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()],
            commit_message=message or MESSAGE,
            revision=revision,
            parent_commit=found.sha,
        )
    return Pushed(
        repo=repo,
        url=f"{client.endpoint}/{repo}",
        commit=done.oid,
        private=bool(found.private),
        changed=done.oid != found.sha,
    )


def _made_ready(client: HfApi, repo: str, revision: str | None, *, public: bool) -> ModelInfo:
    """The repository as it stands before the commit, with the branch that was asked for."""
    try:
        found = client.model_info(repo)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        client.create_repo(repo, private=not public)
        found = client.model_info(repo)
    _check_is_guards(repo, found)
    if not found.private and not public:
        raise NotShared(
            f"{repo} is public, and a guard is pushed in private unless you say otherwise.\n"
            "  Nothing was sent. Say --public, or name another repository."
        )
    if revision is None:
        return found
    try:
        found = client.model_info(repo, revision=revision)
    except RevisionNotFoundError:
        client.create_branch(repo, branch=revision)
        found = client.model_info(repo, revision=revision)
    _check_is_guards(repo, found)
    return found


def _check_is_guards(repo: str, found: ModelInfo) -> None:
    """Raises `NotShared` where a repository holds anything that a push has not put there."""
    names = {one.rfilename for one in found.siblings or ()}
    foreign = sorted(names - _OURS) or sorted(names & {CARD} if artefact.RECORD not in names else ())
    if foreign:
        raise NotShared(
            f"{repo} holds {inert(foreign[0], limit=200)!r}, and a guard's repository holds nothing but a "
            "guard.\n  Nothing was sent. Name another repository."
        )
