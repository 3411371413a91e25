"""`latentguard hub push|pull`: a fitted guard to the Hugging Face hub, with a card, and from it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentguard.cli import _options
from latentguard.cli._folders import new_folder
from latentguard.cli._hub import require_hub
from latentguard.cli._output import Output, shown, speaking, table
from latentguard.cli.fit import WRITTEN

if TYPE_CHECKING:
    from latentguard.guard.hub import Publication, Pulled, Pushed

hub_commands = typer.Typer(help="Guards on the Hugging Face hub, with a card.")

Repo = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository on the hub.")]


@hub_commands.callback()
def hub() -> None:
    """Guards on the Hugging Face hub, with a card."""


@hub_commands.command()
def push(
    guard: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a fitted guard.")],
    repo: Repo,
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody see it; a new repository is private otherwise.")
    ] = False,
    with_refusal: Annotated[
        bool,
        typer.Option(
            "--with-refusal",
            help="Publish the refusal part, too: by it the model's refusals can be suppressed.",
        ),
    ] = False,
    with_words: Annotated[
        bool,
        typer.Option(
            "--with-words",
            help="Publish words and short hashes of the prompts it was fitted on, too; without, those of "
            "this package's own prompts alone.",
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="OWNER/NAME",
            help="Where the guard's model is on the hub, if it was fitted on a folder.",
        ),
    ] = None,
    license: Annotated[
        str | None, typer.Option("--license", help="Licence in the card, as the hub names it: apache-2.0.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option("--revision", help="Branch to commit to; it is made if it is new.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Message of the commit.")] = None,
    as_json: _options.Json = False,
) -> None:
    """Publish a fitted guard with a card, in one commit, in private unless you say --public.

    The repository is made if it is new, and left alone if it holds anything but a guard. What would let
    others suppress the model's refusals, or read words of your prompts, stays here unless you ask for it.
    """
    with speaking(as_json=as_json) as output:
        output.bars("reading the guard", 0, 0)
        from latentguard.guard.hub import check_name, publication
        from latentguard.guard.hub import push as pushed_to

        check_name(repo)
        published = publication(guard, with_refusal=with_refusal, with_words=with_words, model=model)
        output.bars("reading the guard", 1, 1)
        require_hub()
        done = pushed_to(published, repo, public=public, license=license, revision=revision, message=message)
        output.record(asdict(done) | {"holds": list(published.holds), "left_out": list(published.left_out)})
        _show_pushed(done, published, output, public=public)


@hub_commands.command()
def pull(
    repo: Repo,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the guard. [default: the repository's name]"),
    ] = None,
    revision: Annotated[
        str | None, typer.Option("--revision", help="Branch, tag or commit to fetch.")
    ] = None,
    as_json: _options.Json = False,
) -> None:
    """Fetch a guard into a folder, after it was read and verified; nothing else of the repository is read."""
    with speaking(as_json=as_json) as output:
        output.bars("fetching the guard", 0, 0)
        require_hub()
        from latentguard.guard.hub import check_name
        from latentguard.guard.hub import pull as pulled_from

        check_name(repo)
        place = out or Path(repo.split("/")[-1])
        with new_folder(place, ours=WRITTEN) as folder:
            found = pulled_from(repo, folder, revision=revision, progress=output.bars)
        output.record(
            {"out": str(place), "repo": repo, "url": found.url, "commit": found.commit}
            | {"model": found.manifest.model.model_dump(mode="json")}
        )
        _show_pulled(found, place, output)


def _show_pushed(done: "Pushed", published: "Publication", output: Output, *, public: bool) -> None:
    rows = table("published", "")
    rows.add_row("repository", shown(f"{done.url} ({'private' if done.private else 'public'})"))
    rows.add_row("commit", shown(done.commit if done.changed else f"{done.commit}: nothing has changed"))
    rows.add_row("model", shown(published.manifest.model.name))
    for what in published.holds:
        rows.add_row("holds", shown(what))
    for what in published.left_out:
        rows.add_row("left out", shown(what))
    output.show(rows)
    if public and done.private:
        output.note("The repository was private before, and stays so: its visibility is set on the hub.")


def _show_pulled(found: "Pulled", place: Path, output: Output) -> None:
    manifest = found.manifest
    fitted, model = manifest.fitted, manifest.model
    facts = {
        "model": model.name + (f", revision {model.revision}" if model.revision else ""),
        "its weights": model.fingerprint[:16],
        "method": f"{fitted.method} at {' and '.join(fitted.positions)}",
        "threshold": f"{manifest.calibration.threshold:.4f}",
        "refusal belief": "yes" if manifest.refusal is not None else "none",
        "answers": "not read" if manifest.answers is None else "read, and cut over a threshold",
        "commit": found.commit,
        "card": found.url,
        "saved in": str(place),
    }
    rows = table("guard", "")
    for name, value in facts.items():
        rows.add_row(name, shown(value))
    output.show(rows)
