"""A guard from the hub: two files of one commit, read and verified before a folder is written."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from huggingface_hub import HfApi
from huggingface_hub.hf_api import ModelInfo
from torch import Tensor

from latentguard._progress import Progress, silent
from latentguard.errors import ArtefactMismatch, NotShared
from latentguard.guard import artefact
from latentguard.guard.hub.repository import asking, check_name
from latentguard.guard.manifest import Manifest

MOST_BYTES: Final = {artefact.RECORD: 64 * 2**20, artefact.TENSORS: 2**30}
"""No guard is larger; what is, is not fetched."""


@dataclass(frozen=True, slots=True, eq=False)
class Pulled:
    """A guard that was fetched, and where it came from."""

    repo: str
    url: str
    commit: str
    manifest: Manifest


def pull(
    repo: str,
    folder: str | Path,
    *,
    revision: str | None = None,
    api: HfApi | None = None,
    progress: Progress = silent,
) -> Pulled:
    """Fetch the guard in `repo` (OWNER/NAME) into `folder`, whole or not at all.

    `revision` is a branch, a tag or a commit; all files are of the commit that it names when this is called.
    `api` is a client with its own endpoint and token. Of the repository guard.json and guard.safetensors are
    read and nothing else. Raises `NotShared` where the hub says no or the repository holds no guard,
    and `ArtefactMismatch` where what it holds is damaged, or `folder` holds other things than a guard.
    """
    check_name(repo)
    client = api or HfApi(library_name="latentguard")
    with asking(client, repo, revision):
        found = client.model_info(repo, revision=revision, files_metadata=True)
    _check_holds_guard(repo, found)
    commit = found.sha or ""
    with tempfile.TemporaryDirectory() as place:
        for number, name in enumerate(MOST_BYTES):
            progress("fetching the guard", number, len(MOST_BYTES))
            with asking(client, repo, revision):
                client.hf_hub_download(repo, name, revision=commit, local_dir=place)
        progress("fetching the guard", len(MOST_BYTES), len(MOST_BYTES))
        manifest, tensors = _verified(Path(place), repo, commit)
    artefact.write(Path(folder), manifest, tensors)
    return Pulled(repo, f"{client.endpoint}/{repo}", commit, manifest)


def _check_holds_guard(repo: str, found: ModelInfo) -> None:
    sizes = {one.rfilename: one.size for one in found.siblings or ()}
    for name, most in MOST_BYTES.items():
        if name not in sizes:
            raise NotShared(
                f"{repo} holds no guard: {name} is not among its {len(sizes)} files.\n"
                "  `latentguard hub push` writes such a repository."
            )
        if (sizes[name] or 0) > most:
            raise NotShared(
                f"{name} of {repo} is {sizes[name]:,} bytes, and no guard is; it was not fetched."
            )


def _verified(place: Path, repo: str, commit: str) -> tuple[Manifest, dict[str, Tensor]]:
    try:
        return artefact.read(place)
    except ArtefactMismatch as error:
        what = str(error).splitlines()[0].replace(f"{place}/", "")
        raise ArtefactMismatch(
            f"{what}\n  It is that of {repo} at commit {commit}. Nothing was written.\n"
            "  Tell whoever pushed it, or pull an earlier commit with --revision."
        ) from None
