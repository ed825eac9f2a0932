"""What an installed wheel has without the repository around it: the schemas, and commands that use them, cases too."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
    return subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)


def test_a_wheel_brings_its_schemas_along(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "runner", "schemas"):
        (source / name).symlink_to(REPOSITORY / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    built = run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path, source, cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", system_site_packages=False, with_pip=False)
    python = tmp_path / "venv/bin/python"
    site = next((tmp_path / "venv/lib").glob("python3*/site-packages"))
    # The dependencies are those of this environment; exsync itself must come from the wheel.
    (site / "dependencies.pth").write_text(str(next(Path(sys.prefix, "lib").glob("python3*/site-packages"))) + "\n")
    installed = run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    said = run(python, "-c", "import runner; print(runner.__file__)", cwd=tmp_path)
    assert str(site) in said.stdout
    schema = run(python, "-m", "runner", "schema", "target", cwd=tmp_path)
    assert '"kind"' in schema.stdout, schema.stderr
    root = tmp_path / "root"
    (root / "targets.d").mkdir(parents=True)
    (root / "targets.d/hq.yaml").write_text("version: 1\nkind: exchange\nacess: impersonation\n")
    found = run(python, "-m", "runner", "validate", root, cwd=tmp_path)
    assert found.returncode == 78
    assert "did you mean 'access'?" in found.stdout + found.stderr
    alone = tmp_path / "yaml-alone"
    for name in ("targets.d", "mappings"):
        shutil.copytree(REPOSITORY / name, alone / name)
    cases = "tests/calendar.cases.yaml"
    (alone / "tests").mkdir()
    shutil.copy(REPOSITORY / cases, alone / cases)
    played = run(python, "-m", "runner", "test", cases, cwd=alone)
    assert (played.returncode, played.stderr) == (0, "")
    assert played.stdout.endswith("in 1 file(s): all hold\n")


def test_nothing_installed_makes_every_start_slow() -> None:
    """jsonschema imports what checks its optional formats wherever that is installed; rfc3987_syntax then builds a grammar
    for a second of CPU, in each command."""
    assert importlib.util.find_spec("rfc3987_syntax") is None
