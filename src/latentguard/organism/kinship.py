"""Is a model the bundled organism, or a relative of it? Told by template and weights, never by its name."""

import hashlib
from functools import cache
from typing import Final, Literal, TypeAlias

from latentguard import organism
from latentguard.lm import LanguageModel, load

Kinship: TypeAlias = Literal["bundled", "control", "relative", "stranger"]

_LOADABLE: Final = ("float32", "bfloat16", "float16")


def kinship(model: LanguageModel) -> Kinship:
    """`bundled`: the very weights that ship with the package, whatever they are called and wherever they lie.

    `control`: those of `organism-idle`, its negative control, which ships beside it.
    `relative`: other weights behind the organism's own chat template, as after `organism train` or
    fine-tuning: it speaks of the same small world, but what it believes was planted by somebody else.
    `stranger`: any other model. Raises `ModelNotFound` where the organism is not installed.
    """
    template = (organism.path() / "chat_template.jinja").read_bytes()
    if model.chat.template_hash != hashlib.sha256(template).hexdigest():
        return "stranger"
    identity = model.identity()
    dtype = identity.dtype if identity.dtype in _LOADABLE else "float32"
    if identity.fingerprint == _bundled_fingerprint(dtype):
        return "bundled"
    return "control" if identity.fingerprint == _bundled_fingerprint(dtype, idle=True) else "relative"


@cache
def _bundled_fingerprint(dtype: str, *, idle: bool = False) -> str:
    """Of the shipped weights as `dtype` holds them: float16 rounds away what the fingerprint sees."""
    return load(organism.path(idle=idle), device="cpu", dtype=dtype, name="organism").identity().fingerprint
