"""What can be set, once: the TOML file, the environment and the flags read their descriptions from here."""

import hashlib
import hmac
import ipaddress
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from latentguard.errors import BadSettings

Scope: TypeAlias = Literal["internals", "policy"]
Policy: TypeAlias = Literal["block", "annotate", "allow"]
STRICTNESS: tuple[Policy, ...] = ("allow", "annotate", "block")
"""From the loosest."""
ENVIRONMENT = "LATENTGUARD_SERVE_"


class Key(BaseModel):
    """One bearer key, as it is written or as its sha256."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, description="Whose it is; written to the log, the key never is.")
    key: SecretStr | None = Field(None, description="The key itself.")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Or its sha256, in hexadecimal.")
    scopes: tuple[Scope, ...] = Field(
        (), description="internals: beliefs and scores, an oracle for attackers. policy: may loosen it."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> "Key":
        if (self.key is None) == (self.sha256 is None):
            raise ValueError("give key or sha256, one of the two")
        if self.key is not None and not self.key.get_secret_value():
            raise ValueError("the key is empty")
        return self

    def opens(self, given: bytes) -> bool:
        """Whether `given` is the key; takes as long whether it is or not."""
        found = hashlib.sha256(given).hexdigest()
        own = self.sha256
        if self.key is not None:
            own = hashlib.sha256(self.key.get_secret_value().encode()).hexdigest()
        return hmac.compare_digest(found, own or "")


class Settings(BaseSettings):
    """A server's settings: a flag beats the environment, which beats the file, which beats these defaults."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT, extra="forbid", frozen=True)

    guard: Path = Field(description="Folder of the guard, as latentguard fit writes it.")
    model: str | None = Field(None, description="The model that the guard reads; the guard's own by default.")
    shadow: Path | None = Field(
        None, description="Folder of a second guard that judges every prompt too, and only counts."
    )
    sidecar: bool = Field(
        False,
        description="Load only the blocks that the guards read, beside an engine that answers the chats.",
    )
    host: str = Field("127.0.0.1", description="Address to listen at.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen at; 0 takes a free one.")
    keys: tuple[Key, ...] = Field(
        (), description="Bearer keys. Without any, only a loopback address is listened at."
    )
    anonymous_scopes: tuple[Scope, ...] = Field(
        (), description="What may be done without a key, where there are none."
    )
    aliases: tuple[str, ...] = Field(
        ("omni-moderation-latest", "text-moderation-latest"),
        description="Names of other models under which this guard answers.",
    )
    policy: Policy = Field(
        "block", description="block: a flagged prompt gets no answer. annotate: it says so. allow: neither."
    )
    refusal_text: str = Field(
        "I can't help with that.", description="What a blocked prompt gets for an answer."
    )
    on_unproved: Literal["flag", "refuse"] = Field(
        "refuse",
        description="A prompt whose position cannot be proved is flagged, or refused with the reason. A chat "
        "is always refused then: nothing of it could be read.",
    )
    batch_tokens: int | None = Field(
        None,
        ge=1,
        description="Tokens of what waits that a batch is chosen from; by default eight of the model's own.",
    )
    max_wait_ms: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Milliseconds that a batch which is not full waits for more, when others are about.",
    )
    queued_batches: float = Field(
        0.75,
        gt=0,
        description="How much may wait, in units of batch_tokens; beyond it a request gets 429 at once.",
    )
    max_prompts: int = Field(512, ge=1, description="Prompts in one request.")
    max_messages: int = Field(256, ge=1, description="Messages of one conversation.")
    max_prompt_tokens: int = Field(8192, ge=1, description="Tokens of one prompt, template and all.")
    max_body_bytes: int = Field(4 << 20, ge=1024, description="Bytes of one request's body.")
    max_requests: int = Field(256, ge=1, description="Requests that are served at the same time.")
    max_chats: int = Field(16, ge=1, description="Chats that are answered at the same time.")
    max_new_tokens: int = Field(512, ge=1, description="Tokens of one answer, at most.")
    head_timeout_s: float = Field(10, gt=0, description="Seconds in which a request's head must have come.")
    body_timeout_s: float = Field(30, gt=0, description="Seconds in which its body must have come.")
    write_timeout_s: float = Field(30, gt=0, description="Seconds that a client may take to read on.")
    request_timeout_s: float = Field(
        120, gt=0, description="Seconds in which a check must have been made, or an answer begun."
    )
    keep_alive_s: int = Field(30, ge=1, description="Seconds that an idle connection is kept.")
    open_metrics: bool = Field(
        False, description="Whether /metrics is told without a key, where there are keys."
    )
    drain_s: float = Field(300, gt=0, description="Seconds that accepted requests get after SIGTERM.")
    log_prompts: bool = Field(False, description="Write prompts to the log, too.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps ..., or spread: over all GPUs.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto is chosen by measurement and printed."
    )

    @model_validator(mode="after")
    def _keys_or_loopback(self) -> "Settings":
        if not self.keys and not loopback(self.host):
            raise ValueError(
                f"{self.host} is no loopback address and there is no key: anybody could use this server. "
                "Give keys, or listen at 127.0.0.1"
            )
        names = [one.name for one in self.keys]
        if len(set(names)) < len(names):
            raise ValueError("two keys have one name")
        if self.keys and self.anonymous_scopes:
            raise ValueError("anonymous_scopes mean nothing where there are keys")
        return self


def settings_of(file: Path | None, **flags: Any) -> Settings:
    """Settings of a TOML file, the environment and flags (None: not given). Raises `BadSettings`."""

    class Here(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file))

    if file is not None and not file.is_file():
        raise BadSettings(f"{file} is no file.\n  Name a TOML file, or leave --config away.")
    try:
        return Here(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise BadSettings("\n".join(_described(one) for one in error.errors())) from None
    except SettingsError as error:
        raise BadSettings(f"the environment: {error}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadSettings(f"{file} is no TOML: {error}.") from None


def loopback(host: str) -> bool:
    """Whether nothing but this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _described(error: ErrorDetails) -> str:
    place = ".".join(map(str, error["loc"]))
    said = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        said = f"no such setting. Settings are {', '.join(Settings.model_fields)}"
    return f"{place}: {said}." if place else f"{said}."
