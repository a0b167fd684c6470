"""What must hold for the repository as a whole."""

from __future__ import annotations

import ast
import re
import string
import subprocess
import sys
import tomllib

import pytest

import pacte
from pacte.kernel.i18n import LANGUAGES, catalogue
from tools.lint.source import Source
from tools.tree import ROOMS, ROOT, repository_files

REQUIREMENTS = [path.name for path in (ROOT / "requirements").glob("*.txt")]
SPEAKING_ROOMS = sorted(path.parent.name for path in ROOMS.glob("*/texts.toml"))


def pins(name: str) -> dict[str, set[str]]:
    """Package → pinned versions in a requirements file."""
    found: dict[str, set[str]] = {}
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    for package, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.M):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_are_pinned_by_hash_and_name_no_host(name: str) -> None:
    """Every package has one exact version with SHA-256 digests; no option, address or host is named."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    strange = [
        line
        for line in lines
        if not re.fullmatch(r"(?:[\w.-]+==[^\s;]+(?: ; .+)?|--hash=sha256:[0-9a-f]{64})(?: \\)?", line)
    ]
    assert strange == []
    assert "://" not in text
    assert len(re.findall("==", re.sub(r";.*", "", text))) <= len(re.findall("--hash=", text))


def test_the_base_installation_is_small() -> None:
    """Installing pacte brings in fewer than 60 packages."""
    assert len(pins("base.txt")) < 60


def test_tests_run_with_the_pins_that_are_shipped() -> None:
    """The packages that the tests use have the versions of the base and build files."""
    tested = pins("test.txt")
    assert {name: tested.get(name) for name in pins("base.txt")} == pins("base.txt")
    assert {name: tested.get(name) for name in pins("build.txt")} == pins("build.txt")


def test_every_declared_dependency_is_pinned() -> None:
    """What `pyproject.toml` asks for is in the requirements files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [re.split(r"[<>=!~\[; ]", each)[0] for each in project["project"]["dependencies"]]
    asked_for_tests = [re.split(r"[<>=!~\[; ]", each)[0] for each in project["dependency-groups"]["test"]]
    assert [name for name in asked if name.replace(".", "-") not in pins("base.txt")] == []
    assert [name for name in asked_for_tests if name.replace(".", "-") not in pins("test.txt")] == []


@pytest.mark.parametrize("room", SPEAKING_ROOMS)
def test_every_message_exists_in_every_language(room: str) -> None:
    """A room's messages have every language, the same parameters in each, and no line left untranslated by accident."""
    for key, words in catalogue(room).items():
        assert set(words) == set(LANGUAGES), key
        fields = {
            lang: {name for _, name, _, _ in string.Formatter().parse(text) if name} for lang, text in words.items()
        }
        assert len({frozenset(names) for names in fields.values()}) == 1, f"{room}: {key} has different parameters"


def test_every_message_that_code_asks_for_exists() -> None:
    """`text("room", "key", …)` names a message of that room, with the parameters that the message wants."""
    wrong = []
    for path in repository_files(".py"):
        source = Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        if source.shipped:
            wrong += [f"{source.path}:{line}: {what}" for line, what in unknown_messages(source)]
    assert wrong == []


def unknown_messages(source: Source) -> list[tuple[int, str]]:
    """Literal message names in a file that no catalogue has."""
    found = []
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=function, args=[ast.Constant(value=str(room)), ast.Constant(value=str(key)), *_]) if (
                source.dotted(function) in ("pacte.kernel.i18n.text", "pacte.kernel.text")
            ):
                if key not in catalogue(room):
                    found.append((node.lineno, f"{room}.{key}"))
    return found


def test_the_version_is_said_once() -> None:
    """The package, its metadata and the changelog agree on the version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == pacte.__version__
    assert f"[{pacte.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_verifier_stands_alone() -> None:
    """The verifier imports the standard library and `cryptography`, nothing else."""
    source = Source("src/pacte/verifier.py", (ROOMS / "verifier.py").read_text(encoding="utf-8"))
    roots = {name.split(".")[0] for name in source.imported.values()}
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}


def test_importing_pacte_is_light() -> None:
    """`import pacte` does not load the engines."""
    code = "import sys, pacte; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"duckdb", "numpy", "pyarrow", "pydantic", "sqlalchemy", "sqlglot"} & set(loaded) == set()
