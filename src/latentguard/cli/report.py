"""`latentguard report AUDIT RESULT...`: everything that was found out about one model, on one page."""

from pathlib import Path
from typing import Annotated

import typer

from latentguard._text import inert
from latentguard.cli._folders import new_folder
from latentguard.cli._output import speaking
from latentguard.errors import BadData

WRITTEN = frozenset({"report.html", "audit.json"})

AuditFolder = Annotated[
    Path, typer.Argument(metavar="AUDIT", help="The folder that latentguard audit wrote, or its audit.json.")
]
Results = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="RESULT...",
        help="Folders or files that other commands wrote about the same model: steer, jailbreaks, compare, "
        "rivals, ablations, reproduce.",
    ),
]


def report(
    audit: AuditFolder,
    results: Results = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for report.html and audit.json.")
    ] = Path("latentguard-report"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """One page of an audit and of what other commands found out about the same model. Runs no model."""
    with speaking(as_json=as_json) as output:
        from pydantic import ValidationError

        from latentguard.report import read_audit, read_further, write_report

        try:
            audited = read_audit(audit)
        except OSError as error:
            raise BadData(f"{inert(str(audit))} holds no audit.json: {error.strerror}.") from None
        except ValidationError as error:
            first = error.errors()[0]
            raise BadData(
                f"{inert(str(audit))}: audit.json is damaged, or another version wrote it "
                f"({inert(first['msg'])})."
                "\n  Run latentguard audit again."
            ) from None
        further = read_further(results or [], audited.provenance.model)
        with new_folder(out, ours=WRITTEN) as folder:
            write_report(audited, folder, further)
        output.record({"out": str(out), "report": str(out / "report.html")})
    output.note(f"The page is {out / 'report.html'}.")
