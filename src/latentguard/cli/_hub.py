"""Is the Hugging Face hub there? Asked once a call, so that without a network an answer takes seconds.

huggingface_hub has no setting for its patience: six tries over half a minute for each file that is not in its
cache. Its offline mode asks nobody and reads the cache all the same.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentguard.cli._output import Output

SECONDS = 10.0
"""As long as huggingface_hub waits for its first try."""


def ask_hub_once(output: "Output") -> None:
    """Where the hub cannot be reached, say so and let the libraries ask no further."""
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE and not _hub_answers():
        constants.HF_HUB_OFFLINE = True
        output.note(f"{constants.ENDPOINT} cannot be reached: only what is on this machine is read.")


def require_hub() -> None:
    """For what the hub alone can do. Raises `NotShared` where it cannot be reached, or is not to be asked."""
    from huggingface_hub import constants

    from latentguard.errors import NotShared

    if constants.HF_HUB_OFFLINE:
        raise NotShared("HF_HUB_OFFLINE is set: the hub is not asked.\n  Unset it to push or pull.")
    if not _hub_answers():
        raise NotShared(
            f"{constants.ENDPOINT} cannot be reached.\n  Look at the network, and at HF_ENDPOINT if set."
        )


@cache
def _hub_answers() -> bool:
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception as error:
        if not type(error).__module__.startswith("httpx"):  # httpx2 in later releases
            raise
        return False
    return True
