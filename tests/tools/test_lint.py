"""Each of our own lint rules, with code that it must accept and code that it must refuse."""

from __future__ import annotations

import textwrap

import pytest

from tools.lint.run import lint_repository, lint_text

WORKER = "a" + "gent"  # pieces, so that this file passes the rule that it tests
SITTING = "ses" + "sion"
HOME = "/ro" + "ot/"

VALID = {
    "permit in the gate": ("src/pacte/gate/x.py", "permit = Permit(1)"),
    "a permit as a type": ("src/pacte/vault/x.py", "def _get(permit: Permit) -> None: ...\nisinstance(a, Permit)"),
    "the permit class itself": ("src/pacte/vault/x.py", "class _Permitted(Protocol): ..."),
    "own table": ("src/pacte/ledger/x.py", "text('SELECT idx FROM ledger_entry')"),
    "table words in prose": ("src/pacte/app/x.py", "def _f():\n    '''Reads from ledger_entry.'''"),
    "a count's name": ("src/pacte/app/x.py", "counts['vault_rows'] = 1\nargs = ['gate_one']"),
    "a step between two formats": ("src/pacte/app/migrations/versions/x.py", "text('DROP TABLE gate_stop')"),
    "tests tamper": ("tests/app/x.py", "text('DELETE FROM ledger_entry')"),
    "the clock at the front door": ("src/pacte/app/x.py", "from pacte.kernel.instant import now\nnow()"),
    "now as an argument": ("src/pacte/gate/x.py", "def _f(now):\n    return now"),
    "a stopwatch": ("src/pacte/gate/x.py", "import time\ntime.perf_counter()"),
    "private names": ("src/pacte/gate/x.py", "def _f(): ...\nclass _C:\n    def m(self): ..."),
    "setters": ("src/pacte/gate/x.py", "class _C: ...\n@_c.setter\ndef value(x): ..."),
    "words of those who sign in": ("src/pacte/web/x.py", f"# a {SITTING} of an {WORKER}"),
    "words of the web": ("docs/x.md", f"the user-{WORKER} header, the login {SITTING}, an authorised {WORKER}"),
    "a fixture's scope": ("tests/x.py", f'@pytest.fixture(scope="{SITTING}")\ndef _x(): ...'),
    "relative paths": ("docs/x.md", "see ./work/notes, docs/home/index and src/tmp/file"),
    "exempted on the line": (
        "src/pacte/gate/x.py",
        "import time\ntime.time()  # pacte: allow clock because the drift is measured",
    ),
    "exempted above the line": (
        "src/pacte/gate/x.py",
        "import time\n# pacte: allow clock because the drift is measured\ntime.time()",
    ),
}

INVALID = {
    "a permit outside": ("src/pacte/uses/x.py", "permit = Permit(1)", "permit-outside-gate"),
    "a permit by module": (
        "tests/uses/x.py",
        "from pacte.gate import permit\npermit.PermitSet()",
        "permit-outside-gate",
    ),
    "a permit under another name": (
        "bench/x.py",
        "from pacte.gate.permit import Permit as P\nP()",
        "permit-outside-gate",
    ),
    "a permit without its constructor": ("src/pacte/uses/x.py", "object.__new__(Permit)", "permit-outside-gate"),
    "a permit's own __new__": ("src/pacte/uses/x.py", "Permit.__new__(Permit)", "permit-outside-gate"),
    "a subclass of a permit": ("src/pacte/uses/x.py", "class _Mine(Permit): ...", "permit-outside-gate"),
    "another's table": ("src/pacte/app/x.py", "text('select * from consent_choice')", "guarded-table"),
    "another's table in a format": ("src/pacte/app/x.py", "text(f'UPDATE vault_sealed SET x={y}')", "guarded-table"),
    "another's table, attached": ("src/pacte/app/x.py", "q('INSERT INTO main.\"lake_subject\"')", "guarded-table"),
    "a dataset's own table": ("src/pacte/app/x.py", "q('SELECT * FROM lake.\"orders\" AS held')", "guarded-table"),
    "another's table by name": ("src/pacte/app/x.py", "metadata.tables['gate_stop']", "guarded-table"),
    "another's table, imported": ("src/pacte/app/x.py", "from pacte.vault.sealed import vault_sealed", "guarded-table"),
    "another's tables, imported": ("src/pacte/app/x.py", "from pacte.vault.tables import sealed", "guarded-table"),
    "the clock, deep": ("src/pacte/gate/x.py", "from pacte.kernel.instant import now\nnow()", "clock"),
    "the clock by module": ("src/pacte/gate/x.py", "from pacte.kernel import instant\ninstant.now()", "clock"),
    "the clock, handed on": ("src/pacte/keys/x.py", "import time\n_read(clock=time.time_ns)", "clock"),
    "the clock under another name": ("src/pacte/keys/x.py", "import datetime as dt\ndt.datetime.now(dt.UTC)", "clock"),
    "a function unexplained": ("src/pacte/gate/x.py", "def f(): ...", "docstring"),
    "a method unexplained": ("src/pacte/gate/x.py", "class C:\n    '''A thing.'''\n    def m(self): ...", "docstring"),
    "a class unexplained": ("src/pacte/gate/x.py", "class C: ...", "docstring"),
    "a machine's path": ("docs/x.md", f"open {HOME}notes", "words"),
    "who typed it": ("docs/x.md", f"written by an {WORKER}", "words"),
    "when it was typed": ("docs/x.md", f"in the last {SITTING}", "words"),
    "when it was typed, on the web": ("src/pacte/app/x.py", f"# found in the last {SITTING}", "words"),
    "a registry's host": ("requirements/x.txt", "--index-url https://py" + "pi.org/simple", "words"),
    "a name that says nothing": ("src/pacte/gate/utils.py", "", "words"),
    "no Python at all": ("src/pacte/gate/x.py", "def (", "syntax"),
    "an exemption without a reason": ("src/pacte/gate/x.py", "x = 1  # pacte: allow clock", "exemption"),
    "an exemption from nothing": (
        "src/pacte/gate/x.py",
        "x = 1  # pacte: allow clock because the drift is measured",
        "exemption",
    ),
    "an exemption from an unknown rule": (
        "src/pacte/gate/x.py",
        "x = 1  # pacte: allow clocks because the drift is measured",
        "exemption",
    ),
}


def found(path: str, code: str) -> set[str]:
    """The rules that object to `code` at `path`; a module's first sentence is supplied."""
    text = f'"""A module."""\n\n{textwrap.dedent(code)}\n' if path.endswith(".py") else code
    return {finding.rule for finding in lint_text(path, text)}


@pytest.mark.parametrize("case", VALID)
def test_a_rule_leaves_good_code_alone(case: str) -> None:
    """Code that keeps the rules is not objected to."""
    path, code = VALID[case]
    assert found(path, code) == set()


@pytest.mark.parametrize("case", INVALID)
def test_a_rule_finds_its_mistake(case: str) -> None:
    """Code that breaks one rule is objected to by that rule and by no other."""
    path, code, rule = INVALID[case]
    assert found(path, code) == {rule}


def test_the_repository_keeps_its_own_rules() -> None:
    """Nothing in the repository breaks one of our rules."""
    assert [str(finding) for finding in lint_repository()] == []
