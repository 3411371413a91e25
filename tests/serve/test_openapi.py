"""The server does what its own description says: requests made up from it, valid and not, in a short form.

`.ci/soak/server.py` sends thousands.
"""

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.serve.conftest import Running

FOLDER = Path(__file__).parent / "openapi"


def test_requests_made_up_from_the_description_find_nothing(server: Running, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)  # it keeps what it found beside its settings
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.address}/openapi.json"),
            *("--checks", "all", "--max-examples", "15", "--seed", "1", "--no-color"),
            *("-H", "Authorization: Bearer operator-key", "--request-timeout", "30"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert "passed" in run.stdout


def test_every_route_under_v1_names_its_errors_and_wants_a_key(server: Running) -> None:
    described = json.load(urllib.request.urlopen(f"{server.address}/openapi.json"))
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert "422" not in operation["responses"]
            if path.startswith("/v1/"):
                assert {"401", "503"} <= operation["responses"].keys(), path
    assert described["components"]["securitySchemes"]
    posts = [path for path, operations in described["paths"].items() if "post" in operations]
    assert all("security" in described["paths"][path]["post"] for path in posts)
