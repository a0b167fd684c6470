"""The type checker does the policing: reading personal data without a permit does not type-check."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from tools.tree import ROOT

GOOD = """
from collections.abc import Sequence

from pacte.app.ask import permit
from pacte.app.house import House
from pacte.app.uses import Use, declare
from pacte.gate.permit import Permit
from pacte.gate.release import Source
from pacte.gate.values import Decision
from pacte.kernel.instant import Instant
from pacte.kernel.redacted import Redacted
from pacte.uses.audience import audience
from pacte.vault import sealed


def permitted(house: House, source: Source, now: Instant) -> int:
    use = declare(house, "newsletter", channel="email")
    return int(audience(source, use.permits, now, ["customers.city"]).num_rows)


def one(house: House, source: Source, now: Instant) -> dict[str, Redacted[object]]:
    answer = permit(house, "key:C1", "newsletter", channel="email")
    if isinstance(answer, Decision):
        return {}
    found = sealed.get(source.conn, source.keys, answer, answer.subject, ["contact"], now)
    return {name: Redacted(value.reveal()) for name, value in found.items()}
"""

BAD = {
    "no permit at all": (
        "def f(source: Source, now: Instant) -> None:\n    audience(source, now=now)",
        'Missing positional argument "permits"',
    ),
    "nothing instead of a permit": (
        "def f(source: Source, now: Instant) -> None:\n    audience(source, None, now)",
        'expected "PermitSet"',
    ),
    "a decision instead of a permit": (
        "def f(source: Source, decision: Decision, now: Instant) -> None:\n    audience(source, decision, now)",
        'expected "PermitSet"',
    ),
    "one person's permit for a population": (
        "def f(source: Source, one: Permit, now: Instant) -> None:\n    audience(source, one, now)",
        'expected "PermitSet"',
    ),
    "a purpose's name instead of a permit": (
        'def f(source: Source, now: Instant) -> None:\n    audience(source, "newsletter", now)',
        'expected "PermitSet"',
    ),
    "an answer that may be a refusal": (
        "def f(house: House, source: Source, now: Instant) -> None:\n"
        '    answer = permit(house, "key:C1", "newsletter")\n'
        '    sealed.get(source.conn, source.keys, answer, answer.subject, ["contact"], now)',
        'expected "Permitted"',
    ),
    "a permit made by hand": (
        "def f(permits: Permit) -> Permit:\n    return Permit(permits.record, permits.role)",
        "Missing positional argument",
    ),
    "a permit that is changed": (
        'def f(permits: Permit) -> None:\n    permits.domain = "statistics"',
        'Property "domain" defined in "Permit" is read-only',
    ),
    "a time without a type": (
        'def f(source: Source, use: Use) -> None:\n    audience(source, use.permits, "2026-01-01")',
        'expected "Instant"',
    ),
}


def test_a_use_without_a_permit_does_not_type_check(tmp_path: Path) -> None:
    """Under `mypy --strict`, each way around the permit is an error at its line; the right way is none."""
    bodies = [textwrap.dedent(body).replace("def f(", f"def f{n}(") for n, (body, _) in enumerate(BAD.values())]
    head = GOOD.partition("def permitted")[0].strip()
    (tmp_path / "right.py").write_text(GOOD)
    (tmp_path / "wrong.py").write_text("\n\n".join([head, *bodies]) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context",
         "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache"),
         str(tmp_path / "right.py"), str(tmp_path / "wrong.py")],
        cwd=ROOT, capture_output=True, text=True, timeout=140,
    )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if ": error: " in line]
    text = (tmp_path / "wrong.py").read_text().splitlines()
    found: dict[int, str] = {}
    for line in said:
        path, number, message = re.match(r"(.*):(\d+): error: (.*)", line).groups()  # type: ignore[union-attr]
        assert path.endswith("wrong.py"), done.stdout
        function = next(row for row in reversed(text[: int(number)]) if row.startswith("def f"))
        which = int(function[5 : function.index("(")])
        found[which] = found.get(which, "") + message
    missed = {what for n, (what, (_, wanted)) in enumerate(BAD.items()) if wanted not in found.get(n, "")}
    assert missed == set(), done.stdout + done.stderr
