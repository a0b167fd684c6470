"""A generated notice as a `notices:` entry of the policy file, so that choices point to the digest of its exact words.

The file keeps its comments and its order: only lines are added, and what comes out must be a policy again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pacte.consent.notice.layers import layers
from pacte.consent.notice.plain import plain
from pacte.consent.notice.values import Layers
from pacte.kernel.errors import BadInput
from pacte.kernel.instant import Instant, to_datetime
from pacte.policy.compile import Compiled
from pacte.policy.model import PolicyFile

INDENT = "  "


@dataclass(frozen=True, slots=True)
class Drafted:
    """A notice that is ready to stand in the policy under `name`: its layers and its exact words."""

    name: str
    layers: Layers
    text: str

    def entry(self) -> str:
        """The lines of the entry, as they stand under `notices:`."""
        made = self.layers
        told = [f"{INDENT * 3}{purpose}: [{', '.join(names)}]" for purpose, names in made.tells.items()]
        said = [f"{INDENT * 3}{purpose}: [{', '.join(words)}]" for purpose, words in made.says.items()]
        words = [f"{INDENT * 3}{line}" if line else "" for line in self.text.splitlines()]
        lines = [
            f"{INDENT}{self.name}:",
            f"{INDENT * 2}locale: {made.lang}",
            f'{INDENT * 2}version: "{made.version}"',
            f"{INDENT * 2}effective: {_moment(made.effective)}",
            f"{INDENT * 2}tells:",
            *told,
            *([f"{INDENT * 2}says:", *said] if said else []),
            f"{INDENT * 2}text: |",
            *words,
        ]
        return "\n".join(lines) + "\n"


def draft(compiled: Compiled, lang: str, effective: Instant, version: str = "") -> Drafted:
    """The notice of a policy in one language, as its next version unless `version` says another.

    Raises `BadInput` for a version that the policy has in that language already: its words stay what they were.
    """
    version = version or next_version(compiled.document)
    taken = compiled.document.notices
    if any((one.locale.partition("-")[0], one.version) == (lang, version) for one in taken.values()):
        raise BadInput(
            f"the policy has version `{version}` in `{lang}` already, and its words stay; name another version"
        )
    made = layers(compiled, lang, version, effective)
    return Drafted(_name(version, lang, taken), made, plain(made))


def next_version(policy: PolicyFile) -> str:
    """The number after the greatest that a notice of this policy has; 1 where none has a number."""
    numbers = [int(one.version) for one in policy.notices.values() if re.fullmatch("[0-9]{1,6}", one.version)]
    return str(max(numbers, default=0) + 1)


def with_entries(source: str, policy: PolicyFile, drafted: Sequence[Drafted], asked: Iterable[str] = ()) -> str:
    """The text of a policy file with these notices after its own; a yes to the purposes `asked` counts only under them.

    Forms that ask for one of them show these notices from now on. Raises `BadInput` for a purpose or a form that
    another file declares: only there can it be written.
    """
    lines = source.splitlines()
    again = set(asked)
    edits = [_asking(lines, policy, name, [one.name for one in drafted if name in one.layers.tells]) for name in again]
    edits += [
        _showing(lines, policy, name, [one.name for one in drafted])
        for name, form in policy.forms.items()
        if form.notices and again & set(form.purposes)
    ]
    for first, after, written in sorted(edits, reverse=True):  # from below, so that the numbers above stay right
        lines[first:after] = [written]
    entries = "\n" + "\n".join(one.entry() for one in drafted)
    start = next((at for at, line in enumerate(lines) if re.match(r"notices:\s*(#.*)?$", line)), None)
    if start is None:
        if any(line.startswith("notices:") for line in lines):
            raise BadInput("`notices:` is written on one line here; write each notice on lines of its own")
        return "\n".join([*lines, "", "notices:"]) + entries
    end = _end(lines, start)
    return "\n".join(lines[:end]) + "\n" + entries + "\n".join(["", *lines[end:], ""] if lines[end:] else [""])


def _end(lines: Sequence[str], start: int) -> int:
    """The line after the last one that belongs to a block: indented, or empty between indented ones."""
    last = start
    for at in range(start + 1, len(lines)):
        if lines[at].startswith((" ", "\t")):
            last = at
        elif lines[at].strip() and not lines[at].startswith("#"):
            break
    return last + 1


def _asking(lines: Sequence[str], policy: PolicyFile, purpose: str, names: Sequence[str]) -> tuple[int, int, str]:
    """Which lines become which, so that one purpose has this `asked_by`; one that is there is replaced."""
    key = "asked_by" if policy.purposes[purpose].asked_by else "basis"
    written = f"asked_by: [{', '.join(names)}]"
    number, indent = _here(lines, policy, ("purposes", purpose, key), f"purpose `{purpose}`", written)
    return number - 1 if key == "asked_by" else number, number, indent + written


def _showing(lines: Sequence[str], policy: PolicyFile, form: str, names: Sequence[str]) -> tuple[int, int, str]:
    """Which line becomes which, so that one form shows these notices."""
    written = f"notices: [{', '.join(names)}]"
    number, indent = _here(lines, policy, ("forms", form, "notices"), f"form `{form}`", written)
    if not re.match(r"\s*notices:\s*\[[^\]]*\]", lines[number - 1]):
        raise BadInput(f"form `{form}` lists its notices on several lines: write `{written}` there, and publish")
    return number - 1, number, indent + written


def _here(lines: Sequence[str], policy: PolicyFile, place: tuple[str, ...], what: str, written: str) -> tuple[int, str]:
    """The number of a line of this file, and how far it is indented."""
    file, number = policy.place(*place)
    if file != policy.place("pacte")[0]:
        raise BadInput(f"{what} is declared in `{Path(file).name}`: write `{written}` there")
    line = lines[number - 1]
    return number, line[: len(line) - len(line.lstrip())]


def _name(version: str, lang: str, taken: Mapping[str, object]) -> str:
    """A free name of the form that notices have."""
    plain_version = re.sub(r"[^a-z0-9_.-]", "-", version.lower())[:24]
    wanted = f"notice-{plain_version}-{lang}"
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, 1000))]
    return next(name for name in names if name not in taken)


def _moment(effective: int) -> str:
    """An instant as the policy writes it; a midnight is a day."""
    at = to_datetime(Instant(effective))
    written = at.isoformat().replace("+00:00", "Z")
    return written.removesuffix("T00:00:00Z")
