"""A family of receipts and proofs that lie, each in one way: what every verifier must refuse in the same words."""

from __future__ import annotations

import base64
import copy
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pacte.app import receipts
from pacte.app.house import House, open_house
from pacte.app.prove import prove
from pacte.kernel.canonical import canonical
from pacte.kernel.ids import SubjectId
from pacte.ledger.note import NoteSigner
from pacte.ledger.proof import pretty
from pacte.testing.world import World, world

OTHER_KEY = b"o" * 32


@dataclass(frozen=True)
class Case:
    """A file, what is brought along, and whether it must verify."""

    name: str
    data: bytes = field(repr=False)
    good: bool = False
    kept: tuple[bytes, ...] = field(default=(), repr=False)
    key: str | None = None
    anchors: bytes | None = field(default=None, repr=False)


@dataclass(repr=False)
class Told:
    """A house in which Ada said yes and then no, and all that she, the company and a forger hold."""

    world: World
    ada: SubjectId
    yes: bytes
    no: bytes
    later: bytes
    proofs: list[bytes]
    fork: dict[str, bytes]
    cases: list[Case] = field(default_factory=list)

    @property
    def house(self) -> House:
        """The honest house."""
        return self.world.house


def told(path: Path) -> Told:
    """Tell the story: a yes with its receipt, a use, a no with its receipt; and a copy of the house gone astray."""
    home = world(path / "house")
    home.clock.forward(100)
    ada, *others = [home.person() for _ in range(4)]
    details = {"channel": "email", "notice": home.notice("web-2024"), "locale": "fr", "notice_version": "3"}
    home.said(ada, "given", expires=home.clock() + 10**13, **details)
    home.said(others[0], "given", channel="email")
    yes = receipts.receipt(home.house, ada, lang="fr").data
    use = home.house.declare("newsletter", channel="email").id
    fork = _astray(path, home, ada)
    home.clock.forward(2)
    home.said(ada, "withdrawn", effective=None)
    no = receipts.receipt(home.house, ada, lang="en").data
    with open_house(path / "copy", clock=home.clock) as house:
        fork["continuation"] = receipts.continuation(house, [size(no)])
    proofs = [prove(home.house, person, use).data for person in (ada, others[1])]
    for _ in range(4):  # the honest log is the longest
        home.person()
    later = receipts.continuation(home.house, [size(yes), size(no)])
    story = Told(home, ada, yes, no, later, proofs, fork)
    story.cases = list(_cases(story))
    return story


def size(receipt: bytes) -> int:
    """The size of the checkpoint in a receipt."""
    return int(json.loads(receipt)["proof"]["checkpoint"].split("\n")[1])


def _astray(path: Path, home: World, ada: SubjectId) -> dict[str, bytes]:
    """What a copy of the house signs with the same key, after other entries than the honest one."""
    shutil.copytree(home.house.path, path / "copy")
    with open_house(path / "copy", clock=home.clock) as house:
        twin = World(house, home.clock)
        twin.person()
        twin.said(ada, "objected")
        twin.person()
        twin.person()
        return {"receipt": receipts.receipt(house, ada).data}


def _cases(story: Told) -> Iterator[Case]:
    key, anchors = story.house.vkey, story.house.anchor_file.read_bytes()
    other = NoteSigner(OTHER_KEY, "elsewhere.example/log")
    yield Case("yes", story.yes, True)
    yield Case("yes, known key", story.yes, True, key=key)
    yield Case("no, before", story.no, True, (story.yes,), key)
    yield Case("yes, after", story.yes, True, (story.no,), key)
    yield Case("yes, continuation", story.yes, True, (story.later,))
    yield Case("yes, both", story.yes, True, (story.no, story.later))
    yield Case("anchors", story.no, True, anchors=anchors)
    yield Case("proof and receipt", story.proofs[0], True, (story.no,), key, anchors)
    for place, proof in enumerate(story.proofs):
        yield Case(f"proof {place} alone", proof, True)
    yield Case("another key", story.yes, key=other.vkey)
    yield Case("fork, later", story.yes, True, (story.fork["receipt"],))
    yield Case("fork of no", story.no, False, (story.fork["receipt"],))
    yield Case("fork, continuation", story.no, False, (story.fork["continuation"],))
    between = receipts.continuation(story.house, [size(story.yes), size(story.fork["receipt"])])
    yield Case("fork found between two others", story.yes, False, (story.fork["receipt"], between))
    yield Case("fork found between two others, the other way", story.yes, False, (between, story.fork["receipt"]))
    yield Case("a photograph", story.yes, False, (b"\xff\xd8\xff\xe0 not JSON",))
    yield Case("another file", story.yes, False, (b'{"a": 1}',))
    yield Case("torn anchors", story.no, True, anchors=anchors[:-1] + b"\n" + anchors[:20])
    yield Case("false anchors", story.no, anchors=anchors.replace(b'"time":', b'"time":1'))
    yield Case("no anchors", story.no, anchors=b"")
    yield from _spellings(story.yes)
    for name, document in _flipped(json.loads(story.yes)):
        yield Case(f"flipped {name}", pretty(document))
        if not name.startswith(BESIDE):
            yield Case(f"flipped and sealed {name}", sealed(story.house.signer, document), _free(name))
    for name, document in _flipped(json.loads(story.proofs[0])):
        yield Case(f"proof flipped {name}", pretty(document))
    for forge in FORGERIES:
        document = json.loads(story.yes)
        forge(document, story, other)
        yield Case(forge.__name__, sealed(story.house.signer, document))
    for name, document in _flipped(json.loads(story.yes)):
        if "record" in name or "." not in name:
            yield Case(f"another house seals {name}", sealed(other, document), key=key)


def _spellings(data: bytes) -> Iterator[Case]:
    document = json.loads(data)
    for name, spelling in {
        "compact": canonical(document),
        "unsorted": json.dumps(dict(reversed(document.items())), indent=1).encode() + b"\n",
        "escaped": json.dumps(document, sort_keys=True, indent=1).encode() + b"\n",
        "marked": b"\xef\xbb\xbf" + data,
        "windows": data.replace(b"\n", b"\r\n"),
        "longer": data + b"\n",
        "doubled key": data.replace(b'"format"', b'"language": "en",\n "format"', 1),
        "a float": data.replace(b'"onBehalf": false', b'"onBehalf": 1.5'),
        "a null": data.replace(b'"onBehalf": false', b'"onBehalf": null'),
        "too large": data.replace(b'"onBehalf": false', b'"onBehalf": 9007199254740993'),
        "minus zero": data.replace(b'"onBehalf": false', b'"onBehalf": -0'),
        "half a pair": data.replace(b'"not declared"', b'"\\ud800"'),
        "not UTF-8": data.replace(b"formulaire", b"formulair\xe9"),
        "proto": data.replace(b'"onBehalf"', b'"__proto__"'),
        "empty": b"",
        "nothing": b"{}\n",
        "a list": b"[]\n",
        "deep": b"[" * 2000 + b"]" * 2000,
    }.items():
        yield Case(name, spelling)
    for end in range(0, len(data), len(data) // 40):
        yield Case(f"cut at {end}", data[:end])


SAME = {"purposes", "says", "path", "fields", "categories", "values"}
"""Lists of which one member is like another."""
BESIDE = ("proof.answers", "proof.consistency", "proof.question.asked", "proof.question.lang", "proof.seal", "seal")
"""What a receipt verifies without, or is made anew when it is sealed."""
FREE = (
    *("collectionMethod", "jurisdiction", "language", "piiControllers", "policyUrl", "sensitive", "spiCat"),
    *("services.0.service", "services.0.purposes.0.p", "services.0.purposes.0.t"),
)
"""What in a receipt is the house's own word: it may say it otherwise, if it seals it."""
FIXED = (
    *("record.dct:identifier", "dct:source", "dpv:hasDataSubject.dct:identifier", "dpv:hasNotice.dct:"),
    *("hasPurpose.dct:identifier", "hasConsentStatus.0.@type.0", "hasIndicationMethod", "isIndicatedAtTime"),
    *("dct:valid", "hasRecordOfActivity.0.dct:identifier"),
)
"""What in a record follows from the entry."""


def _free(name: str) -> bool:
    if name.startswith("record."):
        return not any(part in name for part in FIXED)
    return name.startswith(FREE)


def _flipped(document: Any) -> Iterator[tuple[str, Any]]:
    """The document with one of its values changed, for every value in it; of long lists of the same, for some."""
    long = [path for path in _paths(document, ()) if "services" not in path and SAME & {*path[1:-1]}]
    some = {*long[:: max(1, len(long) // 12)]} | {*_paths(document, ())} - {*long}
    for path in _paths(document, ()):
        if path not in some or (path[0] == "rules" and path[-1] != "decider"):
            continue
        changed = copy.deepcopy(document)
        *way, last = path
        place = changed
        for step in way:
            place = place[step]
        place[last] = _other(place[last])
        yield ".".join(map(str, path)), changed


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _paths(inner, (*path, step))
    else:
        yield path


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    return ["more"] if isinstance(value, list) else {"more": "more"}


def sealed(signer: NoteSigner, document: dict[str, Any]) -> bytes:
    """The document as whoever holds a key would seal it: the proof inside, and the whole."""
    whole = {name: value for name, value in document.items() if name != "seal"}
    if isinstance(whole.get("proof"), dict):
        proof = {name: value for name, value in whole["proof"].items() if name != "seal"}
        whole["proof"] = proof | {"seal": _seal(signer, "pacte-proof/1", proof)}
    return pretty(whole | {"seal": _seal(signer, whole["format"], whole)})


def _seal(signer: NoteSigner, form: Any, document: dict[str, Any]) -> str:
    return base64.b64encode(signer.sign(f"{form}\n".encode() + canonical(document))).decode()


def another_choice(document: Any, story: Told, _: NoteSigner) -> None:
    """The question names an entry that is no choice."""
    document["proof"]["question"]["entry"] = 0


def no_choice(document: Any, story: Told, _: NoteSigner) -> None:
    """The question names an entry that is not there."""
    document["proof"]["question"]["entry"] = 4_000


def a_word_for_an_index(document: Any, story: Told, _: NoteSigner) -> None:
    """The question names no entry at all."""
    document["proof"]["question"] = {"entry": "ten"}


def somebody_else(document: Any, story: Told, _: NoteSigner) -> None:
    """The receipt is made out to another person than its proof."""
    document["piiPrincipalId"] = "b" * 32


def no_instead_of_yes(document: Any, story: Told, _: NoteSigner) -> None:
    """The record says no where the entry says yes."""
    record = document["record"]["dpv:hasRecordOfActivity"][0]
    record["dpv:hasConsentStatus"][0]["@type"][0] = "dpv:ConsentRefused"


def the_record_is_gone(document: Any, story: Told, _: NoteSigner) -> None:
    """The record holds nothing."""
    document["record"] = {}


def one_field_more(document: Any, story: Told, _: NoteSigner) -> None:
    """A field that no receipt has."""
    document["note"] = "trust me"


def the_proof_of_another_receipt(document: Any, story: Told, _: NoteSigner) -> None:
    """The words of one receipt around the proof of another."""
    document["proof"] = json.loads(story.no)["proof"]


def the_proof_of_a_use(document: Any, story: Told, _: NoteSigner) -> None:
    """A proof of a use where a proof of a choice belongs."""
    document["proof"] = json.loads(story.proofs[0])


def another_houses_key(document: Any, story: Told, other: NoteSigner) -> None:
    """The receipt names a key that did not seal it."""
    document["publicKey"] = other.vkey


def a_format_of_tomorrow(document: Any, story: Told, _: NoteSigner) -> None:
    """A format that nobody knows."""
    document["format"] = "pacte-receipt/2"


FORGERIES: list[Callable[[Any, Told, NoteSigner], None]] = [
    another_choice,
    no_choice,
    a_word_for_an_index,
    somebody_else,
    no_instead_of_yes,
    the_record_is_gone,
    one_field_more,
    the_proof_of_another_receipt,
    the_proof_of_a_use,
    another_houses_key,
    a_format_of_tomorrow,
]
