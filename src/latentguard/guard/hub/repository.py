"""A repository on the hub: its name, and whatever goes wrong with it as one error with the way out."""

import re
from collections.abc import Generator
from contextlib import contextmanager

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from latentguard._text import inert
from latentguard.errors import NotShared

LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN."
_NAME = re.compile(r"[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?/[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?", re.ASCII)


def check_name(repo: str) -> None:
    """Raises `NotShared` for anything but OWNER/NAME: a bare name is a stranger's on the hub."""
    if _NAME.fullmatch(repo) is None or ".." in repo or "--" in repo or repo.endswith(".git"):
        raise NotShared(
            f"{inert(repo, limit=200)!r} is no repository of the hub.\n"
            "  Write OWNER/NAME, in letters, digits, '-', '_' and '.'."
        )


@contextmanager
def asking(client: HfApi, repo: str, revision: str | None = None) -> Generator[None]:
    """Whatever the hub's client raises inside, of this repository, becomes a `NotShared`.

    Only calls of the client belong inside: what it raises has no family of its own.
    """
    hub = client.endpoint
    try:
        yield
    except NotShared:
        raise
    except HfHubHTTPError as error:
        raise NotShared(_answer(error, f"{hub}/{repo}", repo, revision)) from error
    except (OfflineModeIsEnabled, EntryNotFoundError) as error:
        raise NotShared(_unreachable(hub, error)) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise NotShared(f"the hub's client gave up on {repo}.\n  {_said(error)}") from error
    except Exception as error:
        if not type(error).__module__.startswith("httpx"):  # httpx2 in later releases
            raise
        raise NotShared(_unreachable(hub, error)) from error


def _answer(error: HfHubHTTPError, url: str, repo: str, revision: str | None) -> str:
    """What the hub said, with the way out."""
    said = _one_line(str(error))
    if isinstance(error, GatedRepoError):
        return f"{repo} is gated: its owner decides who may read it.\n  Ask for access at {url}. {LOG_IN}"
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{repo} has no revision {inert(revision or 'main', limit=200)!r}.\n"
            "  Name a branch, a tag or a commit of it."
        )
    if isinstance(error, DisabledRepoError):
        return f"{repo} was disabled by the hub."
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"there is no repository {repo}, or it is private and you may not see it.\n"
            f"  Look at the spelling. {LOG_IN}"
        )
    status = error.response.status_code
    if status in (401, 403):
        return f"the hub does not let you do this with {repo} ({status}).\n  {said}\n  {LOG_IN}"
    if status == 412:
        return f"{repo} was changed by somebody else meanwhile; nothing was committed.\n  Push again."
    return f"the hub answered {status} about {repo}.\n  {said}"


def _unreachable(hub: str, error: Exception) -> str:
    return f"{hub} cannot be reached, or broke off.\n  {_said(error)}\n  Try again."


def _said(error: Exception) -> str:
    """What went wrong, where the client wraps it in words of its own."""
    cause = error.__cause__ or error
    return _one_line(str(cause)) or type(cause).__name__


def _one_line(text: str) -> str:
    return inert(" ".join(text.split()), limit=300)
