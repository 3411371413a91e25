"""What leaves this repository works elsewhere: the wheel alone, the documents, the first seconds."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built with the build tools at hand."""
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(out),
        str(repository),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (made,) = out.glob("latentguard-*.whl")
    return made


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files as pip would lay them out, without its dependencies."""
    target = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(target)
    return target


def python(unpacked: Path, code: str, folder: Path) -> str:
    """Run `code` in a new process in `folder`, importing the package from the unpacked wheel."""
    environment = os.environ | {"PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "needed",
    [
        r"latentguard/py\.typed",
        r"latentguard/organism/weights/.*\.safetensors",
        r"latentguard/organism/weights/tokenizer\.json",
        r"latentguard/data/contrast/.*\.jsonl",
        r"latentguard/report/templates/.*\.j2",
        r"latentguard/guard/hub/templates/.*\.j2",
        r"latentguard-.*\.dist-info/licenses/LICENSE",
    ],
)
def test_the_wheel_holds_what_the_program_needs(wheel, needed):
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if re.fullmatch(needed, name)], names


def test_the_wheel_holds_no_pickle_and_nothing_but_the_package(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} <= {
        "latentguard",
        wheel.name.split("-py3")[0] + ".dist-info",
    }
    assert not [name for name in names if name.endswith((".pkl", ".pt", ".bin", ".pth", ".pyc"))]


def test_the_unpacked_wheel_reads_its_organism_and_its_prompts_from_another_folder(unpacked, tmp_path):
    code = (
        "import latentguard\n"
        "from latentguard.data import contrast_set\n"
        "model = latentguard.load('organism')\n"
        "states = model.capture(['How do I bake bread?'])\n"
        "print(latentguard.__file__)\n"
        "print(states.tensor.shape[2] == model.n_slots, len(contrast_set().train) > 100)\n"
    )
    file, *facts = python(unpacked, code, tmp_path).split()
    assert Path(file).is_relative_to(unpacked)
    assert facts == ["True", "True"]


def test_help_is_quick_because_it_imports_no_torch(unpacked, tmp_path):
    code = (
        "import sys\n"
        "from latentguard.cli._main import run\n"
        "run(['--help']), run(['audit', '--help'])\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'pandas', 'plotly'} & set(sys.modules)\n"
        "print(len(sys.modules), *heavy)\n"
    )
    count, *heavy = python(unpacked, code, tmp_path).splitlines()[-1].split()
    assert heavy == []
    assert int(count) < 700


def test_readme_has_the_two_set_up_lines_and_no_others(repository):
    blocks = re.findall(r"```\n(.*?)```", (repository / "README.md").read_text(), flags=re.DOTALL)
    assert [line for block in blocks for line in block.splitlines() if "constraints" in line] == [
        "pip install -c constraints.txt . && latentguard audit",
        "pip install -c constraints.txt '.[test]' && pytest",
    ]


def test_every_dependency_is_pinned_within_its_range(repository):
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    pins = {}
    for line in (repository / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            (specifier,) = pin.specifier
            assert specifier.operator == "==", line
            pins[canonicalize_name(pin.name)] = specifier.version
    wanted = [Requirement(text) for text in project["dependencies"]]
    wanted += [Requirement(text) for extra in project["optional-dependencies"].values() for text in extra]
    for requirement in wanted:
        if requirement.name != project["name"]:
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_the_readme_example_runs(repository, tmp_path, monkeypatch, capsys):
    from latentguard import organism

    harmful, harmless = organism.audit_data()
    monkeypatch.setattr(organism, "audit_data", lambda: (harmful[::5], harmless[::5]))  # all: a minute
    blocks = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks[0].strip().splitlines()) <= 11
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:  # each goes on from the one before
        exec(compile(block, "README.md", "exec"), names)
    assert capsys.readouterr().out.splitlines()[2:] == ["flagged True", "False"]
    assert (tmp_path / "my-guard" / "guard.json").is_file()


def test_versions_agree_wherever_they_are_written(repository):
    import latentguard

    written = {
        re.search(r'^version = "(.+)"', (repository / "pyproject.toml").read_text(), re.MULTILINE)[1],
        re.search(r"^version: (.+)", (repository / "CITATION.cff").read_text(), re.MULTILINE)[1],
        latentguard.__version__,
    }
    assert len(written) == 1
