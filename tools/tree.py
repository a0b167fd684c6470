"""Which files belong to the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ROOT / "src" / "pacte"

_OUTSIDE = {".git", ".venv", "build", "dist", "__pycache__", "node_modules", "demo-house"}


def repository_files(suffix: str = "") -> list[Path]:
    """Every file that is or would be committed, in order; without git, every file not left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not _left_out(path)]
    return sorted(path for path in set(found) if path.is_file() and path.name.endswith(suffix))


def _left_out(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part in _OUTSIDE or part.endswith((".egg-info", "_cache")) or part == ".hypothesis" for part in parts)
