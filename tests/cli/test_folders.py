"""A folder of results appears whole or not at all, and never in place of somebody else's files."""

import signal

import pytest

from latentguard.cli._errors import OutputRefused
from latentguard.cli._folders import new_folder

OURS = frozenset({"audit.json"})


def write(target, text="new"):
    with new_folder(target, ours=OURS) as folder:
        (folder / "audit.json").write_text(text)


def write_foreign(folder):
    folder.mkdir()
    (folder / "notes").write_text("mine")


def test_a_result_appears_under_its_name_with_nothing_beside_it(tmp_path):
    write(tmp_path / "deep" / "er" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert (tmp_path / "deep" / "er" / "out" / "audit.json").read_text() == "new"


def test_nothing_is_left_behind_when_the_work_fails(tmp_path):
    with pytest.raises(TypeError):
        write(tmp_path / "deep" / "out", text=b"half")
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_result_is_replaced_whole_and_survives_a_failure(tmp_path):
    write(tmp_path / "out", "old")
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "out", ours=OURS):
        raise KeyboardInterrupt
    assert (tmp_path / "out" / "audit.json").read_text() == "old"
    write(tmp_path / "out")
    assert (tmp_path / "out" / "audit.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_that_is_not_ours_is_named_and_everything_stays(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputRefused, match=r"thesis\.tex"):
        write(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_a_file_put_there_during_the_work_stops_the_replacement(tmp_path):
    with pytest.raises(OutputRefused, match="notes"), new_folder(tmp_path / "out", ours=OURS):
        write_foreign(tmp_path / "out")
    assert (tmp_path / "out" / "notes").read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_target_that_is_no_folder_is_refused(tmp_path, kind):
    if kind == "file":
        (tmp_path / "out").write_text("mine")
    else:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputRefused, match="not a folder"):
        write(tmp_path / "out")


@pytest.mark.parametrize("inside", [".", "guard"])
def test_a_folder_that_holds_the_one_you_are_in_is_refused(tmp_path, monkeypatch, inside):
    (tmp_path / "guard").mkdir()
    monkeypatch.chdir(tmp_path / inside)
    with pytest.raises(OutputRefused, match="you are in"), new_folder(tmp_path, ours=OURS | {"guard"}):
        pytest.fail("the work began")
    assert [one.name for one in tmp_path.iterdir()] == ["guard"]


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputRefused, match="cannot be written"):
        write(tmp_path / "file" / "out")


def test_a_name_that_is_too_long_is_refused(tmp_path):
    for target in (tmp_path / ("x" * 300), tmp_path / ("x" * 300) / "out"):
        with pytest.raises(OutputRefused, match="cannot be written"):
            write(target)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_when_the_process_is_terminated(tmp_path):
    from latentguard.cli._main import terminated

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        with pytest.raises(SystemExit) as ended, new_folder(tmp_path / "out", ours=OURS):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 143
    assert list(tmp_path.iterdir()) == []
