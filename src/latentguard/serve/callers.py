"""Who asks: a bearer key, and what it may do."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from latentguard.serve.errors import ApiError
from latentguard.serve.settings import Scope, Settings, loopback


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds one key, or nobody in particular where there are no keys."""

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether the key has this scope."""
        return scope in self.scopes

    def must(self, scope: Scope, what: str) -> None:
        """Raises `ApiError` 403 where it has not."""
        if not self.may(scope):
            raise ApiError(403, f"{what} needs a key with the scope {scope!r}.", code="missing_scope")


def caller_of(request: Request, settings: Settings) -> Caller:
    """Raises `ApiError` 401, or 403 for a stranger's page where there are no keys. Every key is compared, and
    each comparison takes as long as any other."""
    if not settings.keys:
        _require_here(request)
        return Caller("anonymous", frozenset(settings.anonymous_scopes))
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not given:
        raise ApiError(
            401,
            "You gave no key. Send Authorization: Bearer KEY.",
            code="missing_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )
    raw = given.strip().encode("latin-1")  # the bytes that came
    found = [one for one in settings.keys if one.opens(raw)]
    if not found:
        raise ApiError(
            401, "This key is not known here.", code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"}
        )
    return Caller(found[0].name, frozenset(found[0].scopes))


def _require_here(request: Request) -> None:
    """Without keys, being on this machine is all that a caller has to show, and a browser on it runs pages of
    anybody: what they send names their own host, as `Origin`, or as `Host` where its name was made to lead
    here. Raises `ApiError`."""
    for header in ("host", "origin"):
        given = request.headers.get(header)
        if given is not None and not loopback(_name(given)):
            raise ApiError(
                403,
                f"This server has no keys, so it serves this machine alone, and {header.capitalize()} is "
                f"{given[:200]!r}. Ask it at 127.0.0.1, or give it keys.",
                code="not_local",
            )


def _name(place: str) -> str:
    """The host of `Host` or `Origin`; nothing where it names none."""
    try:
        name = (urlsplit(place if "//" in place else f"//{place}").hostname or "").removesuffix(".")
    except ValueError:
        return ""
    return "localhost" if name.endswith(".localhost") else name  # which leads nowhere else (RFC 6761)
