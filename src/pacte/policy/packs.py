"""Law packs: laws as dated, cited data, and the house's own stricter rules. They stack: each may only deny.

A pack is a YAML file (`packs/<name>.yaml`, or one of the company's own that `laws` names by its path). A rule says for
which purposes it is (`for`, settled by the policy), whom it leaves out (`unless`), what it requires, and the reason
when that does not hold. Whatever a policy settles is settled when it is compiled (`conditions.Fixed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from pacte.kernel.errors import PolicyError
from pacte.kernel.i18n import LANGUAGES
from pacte.kernel.instant import Instant, from_datetime
from pacte.policy.mistakes import Mistakes, validate
from pacte.policy.model import Days, Hours, Length, Localised, Moment, Name, Part, PolicyFile, Text, YesNo, form
from pacte.policy.tree import LARGEST_BYTES, Node, Tree, Unreadable, read_tree
from pacte.policy.vocabulary import RuleError

BUILT_IN = ("gdpr", "fr", "us-ca", "ca-qc", "us-coppa", "us-hipaa")
"""The laws that come with pacte, as `laws` names them."""
HOUSE = "house"
"""The pack of what is no law but our own stricter rule: always there, and always last."""

Day = Annotated[str, form(r"\d{4}-\d{2}-\d{2}", "a day such as `2018-05-25`")]
PackName = Annotated[
    str, form(r"[a-z][a-z0-9-]{1,23}", "a short name of small letters, digits and `-`, such as `ca-qc`")
]


class Applies(Part):
    """Whom a pack's rules are about. Unknown residence is inside: unknown means that the law applies.

    `places`: people who live there (`EEA` for all of its states). `established`: or everybody, when the controller is
    established there, or does not say where (unless `presumed: no`). `regulated_as`: only when the controller is one
    of these.
    """

    places: tuple[str, ...] = ()
    established: tuple[str, ...] = ()
    presumed: YesNo = True
    regulated_as: tuple[str, ...] = ()


class Adequacy(Part):
    """A decision that a place protects data well enough, since when and until when. Source: GDPR Art. 45."""

    place: str
    reference: Text
    effective: Moment = Field(alias="from")
    until: Moment | None = None


class Transfers(Part):
    """Where data move freely under this law, and which decisions open other places."""

    area: tuple[str, ...]
    adequacy: tuple[Adequacy, ...] = ()


class Dated(Part):
    """What every rule says of itself: the rule in a sentence, what to look up in `source`, from when, for whom."""

    id: Name
    says: Localised
    article: Text
    source: Name
    since: Day
    until: Day | None = None
    checked: YesNo = False
    places: tuple[str, ...] = ()
    everywhere: YesNo = False
    channels: tuple[str, ...] = ()


class Rule(Dated):
    """A rule on whether data may be used."""

    purposes: Any = Field(default=None, alias="for")
    unless: Any = None
    require: Any
    otherwise: str


class ContactHours(Dated):
    """A rule on when and how often people are reached: hours (`open`), or at most so many offers within a time."""

    open: dict[Days, tuple[Hours, ...]] | None = None
    holidays: YesNo = False
    at_most: Annotated[int, Field(ge=1)] | None = None
    within: Length | None = None


class Source(Part):
    """A law that rules are cited from: its title, and the name by which it is cited, in each language."""

    title: Text
    short: Localised = Field(default_factory=dict)
    """`CPCE` in all languages, or `{en: …, fr: …}`; without one, the title is what is cited."""


def _source(written: object) -> object:
    """A source that is written as one text has no other name; a short name may be the same in every language."""
    if isinstance(written, str):
        return {"title": written}
    if isinstance(written, dict) and isinstance(written.get("short"), str):
        return {**cast("dict[str, object]", written), "short": dict.fromkeys(LANGUAGES, written["short"])}
    return written


class PackFile(Part):
    """A pack as its file declares it."""

    pack: PackName
    form: Literal["1"]
    title: Localised
    zone: Text = "UTC"
    applies: Applies = Applies()
    sources: dict[Name, Annotated[Source, BeforeValidator(_source)]]
    exceptions: dict[Name, Localised] = Field(default_factory=dict)
    transfers: Transfers | None = None
    groups: dict[Name, Any] = Field(default_factory=dict)
    """Purposes that several rules are for: a name, and what `for` would say; the rules then say `for: name`."""
    rules: tuple[Rule, ...]
    contact: tuple[ContactHours, ...] = ()


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that was read: its declaration, the tree it was read from, and the file's name."""

    file: PackFile
    tree: Tree
    name: str

    @property
    def id(self) -> str:
        """The pack's short name, with which its rules' identifiers begin."""
        return self.file.pack

    def moment(self, text: str) -> Instant:
        """A moment as the pack writes it: a bare day begins at midnight where the law is in force."""
        try:
            found = datetime.fromisoformat(text.strip())
        except ValueError:
            raise RuleError("a day or a moment that cannot be read; expected a form such as `2018-05-25`") from None
        return from_datetime(found if found.tzinfo else found.replace(tzinfo=ZoneInfo(self.file.zone)))

    def node(self, index: int, key: str) -> Node:
        """What the file writes under `key` of its rule number `index`."""
        return self.tree.at(("rules", index, key))

    def purposes(self, index: int) -> Node:
        """Which purposes its rule number `index` is for, with what its groups stand for."""
        return self._opened(self.node(index, "for"), ())

    def _opened(self, node: Node, within: tuple[str, ...]) -> Node:
        if isinstance(node, list):
            return [self._opened(one, within) for one in node]
        if not isinstance(node, str):
            return node
        if node in within or node not in self.file.groups:
            raise RuleError(
                f"`{node}` is no group of purposes" if node not in within else f"group `{node}` holds itself"
            )
        return self._opened(self.tree.at(("groups", node)), (*within, node))


def read_pack(text: str, name: str) -> Pack:
    """Read and check a pack; raises `PolicyError` with every mistake as `file:LINE: message`."""
    from pacte.policy.pack_checks import check_pack

    if len(text) > LARGEST_BYTES:
        raise PolicyError([f"{name}:1: a file of more than {LARGEST_BYTES // 1024} KB; a pack is read by people"])
    try:
        tree = read_tree(text)
    except Unreadable as unreadable:
        raise PolicyError([f"{name}:{unreadable.line}: {unreadable.message}"]) from None
    mistakes = Mistakes(tree)
    if not isinstance(tree.value, dict):
        raise PolicyError([f"{name}:{tree.line(())}: expected a pack that begins with `pack:` and its name"])
    declared = validate(PackFile, tree, mistakes)
    pack = None if declared is None else Pack(declared, tree, name)
    if pack is not None:
        check_pack(pack, mistakes)
    problems = mistakes.lines(name)
    if problems or pack is None:
        raise PolicyError(problems)
    return pack


@cache
def built_in(name: str) -> Pack:
    """A pack that comes with pacte."""
    return read_pack(files("pacte.policy").joinpath("packs", f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")


def packs_of(document: PolicyFile) -> tuple[Pack, ...]:
    """The packs of a policy in the order in which they speak: its laws as it names them, the house's own last."""
    laws = [built_in(name) if name in BUILT_IN else _own(document, name) for name in document.laws]
    for place, (name, pack) in enumerate(zip(document.laws, laws, strict=True)):
        if name != pack.id and (pack.id in (*BUILT_IN, HOUSE) or pack.id in [other.id for other in laws[:place]]):
            line = pack.tree.line(("pack",))
            raise PolicyError([f"{name}:{line}: another pack is called `{pack.id}`; give this one a name of its own"])
    return (*laws, built_in(HOUSE))


def exceptions(laws: Iterable[Pack] | None = None) -> Mapping[str, Pack]:
    """Every exception that a purpose may claim, by its word: of the house, and of these packs or all of pacte."""
    packs = [built_in(name) for name in BUILT_IN] if laws is None else list(laws)
    return {word: pack for pack in (built_in(HOUSE), *packs) for word in pack.file.exceptions}


def _own(document: PolicyFile, name: str) -> Pack:
    return read_pack(document.file(name), name)
