"""Settings: which source beats which, and one clear message for what cannot be."""

from pathlib import Path
from typing import get_type_hints

import pytest

from latentguard.cli import serve
from latentguard.errors import BadSettings
from latentguard.serve import Settings, settings_of

FILE = """
guard = "from-the-file"
port = 1
policy = "annotate"
[[keys]]
name = "a"
key = "b"
scopes = ["internals"]
"""


def test_a_flag_beats_the_environment_which_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(FILE)
    assert (settings_of(file).port, settings_of(file).policy) == (1, "annotate")
    monkeypatch.setenv("LATENTGUARD_SERVE_PORT", "2")
    assert settings_of(file).port == 2
    assert settings_of(file, port=3, host=None).port == 3
    assert settings_of(file, port=3).keys[0].scopes == ("internals",)


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_flags_say_of_a_setting_what_the_setting_says() -> None:
    """The extra may not be installed where the flags are shown, so they cannot read it there."""
    hints = get_type_hints(serve.serve, include_extras=True)
    flags = {name: hints[name].__metadata__[0].help for name in hints if name in Settings.model_fields}
    assert len(flags) >= 9
    for name, said in flags.items():
        assert said.split(" [default: ")[0] == Settings.model_fields[name].description, name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("guard = 1", "guard"),
        ("guard = 'g'\nporrt = 3", "porrt: no such setting"),
        ("guard = 'g'\nport = 70000", "port"),
        ("guard = 'g'\npolicy = 'off'", "policy"),
        ("guard = 'g'\n[[keys]]\nname = 'a'", "keys.0: give key or sha256"),
        ("guard = 'g'\nkeys = [{name='a', key='x'}, {name='a', key='y'}]", "two keys have one name"),
        ("port = 1", "guard: Field required"),
        ("guard = ", "is no TOML"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "serve.toml"
    file.write_text(text)
    with pytest.raises(BadSettings) as raised:
        settings_of(file)
    assert says in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="is no file"):
        settings_of(tmp_path / "none.toml")
