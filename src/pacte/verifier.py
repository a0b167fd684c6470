"""Verify a pacte proof, receipt or ledger export, alone: this one file, Python and `cryptography`, nothing of pacte.

    python verifier.py FILE [--checkpoint KEPT]... [--key VKEY] [--anchors anchors.log] [--details] [--lang fr] [--json]

It trusts nobody: every byte of the file must be in its one permitted spelling, every hash and signature is recomputed,
and whatever was kept elsewhere (a checkpoint or a receipt, the anchors, the key as published) is compared. It then says
in words what the file shows and what it does not show: a line per entry, or with `--details` everything that was
checked.
Exit code 0: verifies; 7: does not verify; 2: cannot be started so.

Later versions of pacte may record more than this file knows: an entry of an unknown kind, of a higher version (`v`) or
with unknown keys is verified as a leaf of the tree, and reported as not understood. What is understood is held to its
form.

Formats: `pacte-proof/1`, `pacte-receipt/1`, `pacte-continuation/1` and `pacte-ledger/1` (written by pacte.ledger.proof,
pacte.consent.receipt, pacte.app.receipts and pacte.ledger.export), signed notes and checkpoints (c2sp.org/signed-note,
c2sp.org/tlog-checkpoint, c2sp.org/tlog-proof), Merkle tree (RFC 9162 §2.1).
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import io
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    if __name__ != "__main__":
        raise
    sys.stderr.write(
        "✗ la bibliothèque `cryptography` manque ; installez-la avec `python -m pip install cryptography`\n"
        if "fr" in sys.argv
        else "✗ the library `cryptography` is missing; install it with `python -m pip install cryptography`\n"
    )
    sys.exit(2)

PROOF_FORMAT, RECEIPT_FORMAT, EXPORT_FORMAT = "pacte-proof/1", "pacte-receipt/1", "pacte-ledger/1"
VERIFIES, CANNOT_START, DOES_NOT_VERIFY = 0, 2, 7

LARGEST_PROOF = 64 * 1024 * 1024
BLOCK = 64 * 1024
DEEPEST = 64
LARGEST_INTEGER = 2**53 - 1
BUCKETS, BUCKET_BITS = 4096, 12
MOST_PROBLEMS, SHOWN_PROBLEMS, SHOWN_STRANGE = 20, 5, 20
WIDEST = 110


@dataclass(frozen=True)
class Summary:
    """The report on one page: what the file is and what was compared, a line per entry, what the house answers.

    `warnings` say what the person who verifies could still bring along; `failed` names the parts that do not verify.
    """

    heading: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    does_not_show: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The answer: whether everything verifies, what that shows, what it does not show, what is wrong (all in words).

    `shows` holds everything that was checked; `summary` tells the same shortly.
    """

    ok: bool
    shows: tuple[str, ...]
    does_not_show: tuple[str, ...]
    problems: tuple[str, ...]
    summary: Summary = Summary()


def verify_bytes(
    data: bytes,
    *,
    checkpoints: Iterable[str | bytes] = (),
    key: str | None = None,
    anchors: str | bytes | None = None,
    lang: str = "en",
) -> Report:
    """Verify a proof, a receipt or a ledger export; never raises for anything that is in the files.

    `checkpoints` are what was kept of the log at other times, earlier or later: signed checkpoints, receipts, proofs or
    continuations. `key` is the log's verifier key as known from elsewhere, `anchors` is the content of an anchors file.
    `lang` is `en` or `fr`.
    """
    return verify_file(io.BytesIO(data), checkpoints=checkpoints, key=key, anchors=anchors, lang=lang)


def verify_file(
    file: BinaryIO,
    *,
    checkpoints: Iterable[str | bytes] = (),
    key: str | None = None,
    anchors: str | bytes | None = None,
    lang: str = "en",
) -> Report:
    """The same for an open file, which may be larger than the memory: an export is read line by line, twice.

    What cannot be read twice (a pipe) is read into memory first. Raises `OSError` where the file cannot be read.
    """
    say = _Words(lang)
    outside = _Outside([_bytes(note) for note in checkpoints], key, None if anchors is None else _bytes(anchors))
    source = file if file.seekable() else io.BytesIO(file.read())
    mark = b'{"format":"%s"' % EXPORT_FORMAT.encode()
    is_export = source.read(len(mark)) == mark
    source.seek(0)
    run: _Proof | _Export = _Export(say, outside) if is_export else _Proof(say, outside)
    try:
        run.verify(source)
    except _Refused as refused:
        run.problem(refused.code, **refused.parameters)
    if run.problems:
        failed = Summary(failed=tuple(dict.fromkeys(run.failed)))
        return Report(False, (), (), tuple(run.problems[:MOST_PROBLEMS]), failed)
    return Report(True, tuple(run.shows), tuple(run.does_not_show), (), run.summary())


def catalogue(lang: str) -> dict[str, Any]:
    """Every word of a report in one language, and the forms of entries: the verifier in a browser has no other."""
    say = _Words(lang)
    return {
        "lang": lang,
        "kinds": _KINDS,
        "variants": _VARIANTS,
        "words": {code: say.template(code) for code in _WORDS},
        "labels": {name: words[say.column] for name, words in _LABELS.items()},
        "parts": _PARTS,
        "months": list(_MONTHS[say.column]),
    }


# --- the two kinds of file -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outside:
    """What the person who verifies brings along."""

    checkpoints: list[bytes]
    key: str | None
    anchors: bytes | None

    @property
    def empty(self) -> bool:
        return not self.checkpoints and self.key is None and self.anchors is None


@dataclass(frozen=True)
class _Seen:
    """A checkpoint whose signature is by the file's key; `time` is an anchor's.

    `paths` lead to it from the checkpoints of earlier sizes: what a receipt, a proof or a continuation brings along.
    """

    size: int
    root: bytes
    time: int | None = None
    paths: dict[int, list[bytes]] = field(default_factory=dict)

    def continues(self, other: _Seen) -> bool | None:
        """Whether one of the two logs is the beginning of the other; `None` where nothing here can tell."""
        early, late = (self, other) if self.size < other.size else (other, self)
        if early.size == late.size:
            return early.root == late.root
        if early.size not in late.paths:
            return None
        return _consistent(early.size, late.size, late.paths[early.size], early.root, late.root)


@dataclass
class _Run:
    say: _Words
    outside: _Outside
    shows: list[str] = field(default_factory=list)
    does_not_show: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    heading: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def summary(self) -> Summary:
        """The short report, once everything has been verified."""
        parts = (self.heading, self.lines, self.answers, self.limits, self.warnings)
        return Summary(*map(tuple, parts))

    def problem(self, code: str, **parameters: object) -> None:
        self.failed.append(self.say(f"part_{_PARTS[code]}"))
        self.problems.append(self.say(code, **parameters))

    def show(self, code: str, **parameters: object) -> None:
        self.shows.append(self.say(code, **parameters))

    def limit(self, code: str, **parameters: object) -> None:
        self.does_not_show.append(self.say(code, **parameters))
        if f"short_{code}" in _WORDS:
            self.limits.append(self.say(f"short_{code}", **parameters))

    def check_key(self, vkey: str) -> None:
        if self.outside.key is not None and self.outside.key.strip() != vkey:
            self.problem("key_differs")

    def seen_before(self, key: _Key) -> tuple[list[_Seen], list[_Seen]]:
        """Checkpoints and anchors from outside; one that another key signed is a problem."""
        kept, anchored = [], []
        for note in self.outside.checkpoints:
            try:
                kept.append(_open_kept(note, key))
            except _Refused as refused:
                self.problem("kept_unsigned" if refused.code == "checkpoint" else "kept_form")
        *lines, rest = (self.outside.anchors or b"").split(b"\n")
        if not rest and lines and b"\0" in lines[-1]:  # a block that a power cut kept from the disk reads as zeros
            rest = lines.pop()
        for number, line in enumerate(lines, 1):
            try:
                anchored.append(_anchor(line, key))
            except _Refused:
                self.problem("anchor_unsigned", line=number)
        if rest:
            self.limit("anchors_torn")
        if self.outside.anchors is not None and not anchored:
            self.problem("anchors_empty")
        return kept, anchored

    def head(self, key: _Key, size: int) -> None:
        """The log and its key, in a line."""
        code = "brief_log" if self.outside.key is None else "brief_log_known"
        self.heading.append(self.say(code, log=key.name, key_id=key.key_id.hex(), size=self.say.number(size)))

    def compared(self, same: list[_Seen], size: int) -> None:
        """Everything that was kept elsewhere and compared, in a line."""
        later = [seen for seen in same if seen.time is None and seen.size > size]
        same = [seen for seen in same if seen not in later]
        anchored = [seen for seen in same if seen.time is not None]
        kinds = []
        if anchored:
            latest = max(seen.time or 0 for seen in anchored)
            kinds.append(self.say.count("brief_anchors", len(anchored), day=self.say.day(latest)))
        if kept := len(same) - len(anchored):
            largest = max(seen.size for seen in same if seen.time is None)
            kinds.append(self.say.count("brief_checkpoints", kept, size=self.say.number(largest)))
        if kinds:
            self.heading.append(self.say("brief_compared", what=self.say("and").join(kinds)))
        if later:
            largest = max(seen.size for seen in later)
            self.heading.append(self.say("brief_compared_later", size=self.say.number(largest)))

    def strange(self, unknown: list[tuple[int, dict[str, Any]]], count: int) -> None:
        """Say which entries this verifier does not understand: their place is shown, their sense is not.

        `unknown` holds the first of them, `count` says how many there are.
        """
        for index, entry in unknown[:SHOWN_STRANGE]:
            named = {"index": index, "kind": entry["kind"], "version": entry["v"]}
            if _understood(entry):
                self.limit("not_keys", keys=", ".join(sorted(_unknown_keys(entry))), **named)
            else:
                self.limit("not_understood", **named)
        if (more := count - SHOWN_STRANGE) > 0:
            self.limit("not_understood_more", count=more)
        if unknown:
            self.warnings.append(self.say.count("warn_strange", count))

    def closing(self, seen: bool) -> None:
        """What no file of this kind can show."""
        if self.outside.empty:
            self.limit("nothing_outside")
            self.warnings.append(self.say("warn_nothing"))
        elif not seen:
            self.limit("only_key")
            self.warnings.append(self.say("warn_only_key"))
        elif self.outside.key is None:
            self.warnings.append(self.say("warn_no_key"))
        self.limit("not_omission")
        self.limit("not_truth")
        self.limit("not_identity")
        self.limit("not_time" if self.outside.anchors is None else "not_time_anchored")


class _Proof(_Run):
    """A proof file, or the receipt that holds one: one person's entries under one checkpoint."""

    def verify(self, file: BinaryIO) -> None:
        data = file.read(LARGEST_PROOF + 1)
        if len(data) > LARGEST_PROOF:
            _refuse("too_large")
        document = _load(data)
        is_receipt = isinstance(document, dict) and document.get("format") == RECEIPT_FORMAT
        _keys(document, _RECEIPT_KEYS if is_receipt else _PROOF_KEYS, "form_keys")
        if _pretty(document) != data:
            _refuse("form_bytes")
        if not is_receipt:
            self._verify(document)
            return
        _expect(document, _RECEIPT_KEYS)
        proof = document["proof"]
        _keys(proof, _PROOF_KEYS, "form_keys")
        _expect(proof, _PROOF_KEYS)
        _check_seal(document, RECEIPT_FORMAT, _parse_key(proof["vkey"]))
        self._verify(proof, document)

    def _verify(self, document: dict[str, Any], receipt: dict[str, Any] | None = None) -> None:
        if document["format"] != PROOF_FORMAT:
            _refuse("format")
        _expect(document, _PROOF_KEYS)
        key = _parse_key(document["vkey"])
        _check_seal(document, PROOF_FORMAT, key)
        # From here on every byte of the file is the key holder's word; what follows checks that word.
        self.check_key(document["vkey"])
        size, root = _open_checkpoint(document["checkpoint"], key)
        entries = self._entries(document, size, root)
        present = self._membership(document, entries)
        opened = self._facts(document, entries)
        tables = self._rules(document, entries)
        _check_beginning(entries, key)
        strange = [(index, entry) for index, entry in entries.items() if not _wholly_understood(entry)]
        self.strange(strange, len(strange))
        if receipt is None:
            self.heading.append(self.say("brief_person", subject=document["subject"]))
        else:
            index = _check_receipt(receipt, document, entries, key, size)
            self.heading.append(self.say("brief_receipt", subject=document["subject"], index=index))
            self.show("receipt_agrees", id=receipt["consentReceiptID"], index=index)
            self.limit("receipt_words")
        self.head(key, size)
        seen = self._compare(document, key, size, root)
        self.show("proof_sealed", log=key.name, key_id=key.key_id.hex(), size=size, root=root.hex())
        width = max((len(f"#{index}") for index in entries), default=0)
        for index, entry in entries.items():
            self._tell(index, entry, present, opened, tables)
            told = _plainly(self.say, entry, _in_use(entry, present), opened.get(index), tables)
            number = f"#{index}".ljust(width)
            self.lines.append(self.say("brief_entry", index=number, day=self.say.day(entry["at"]), what=told))
        if len(entries) > 1:
            order = ", ".join(f"#{index} ({_word(entry['kind'])})" for index, entry in entries.items())
            self.show("order", order=order, size=size)
        if document["answers"]:
            self.show("answers", count=len(document["answers"]))
            self.answers += _plain_answers(self.say, document["answers"])
        if _contradicts(document, present):
            self.warnings.append(self.say("warn_contradicts"))
        self.closing(seen)

    def _entries(self, document: dict[str, Any], size: int, root: bytes) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        last, time = -1, None
        uses: set[str] = set()
        for item in document["entries"]:
            _expect(item, _ENTRY_KEYS)
            index, entry = item["index"], item["entry"]
            if index <= last:
                _refuse("entries_order")
            last = index
            _check_entry(entry, index)
            if entry.get("subject", document["subject"]) != document["subject"]:
                _refuse("other_person", index=index)
            if time is not None and entry["at"] < time:
                _refuse("time_back", index=index)
            time = entry["at"]
            if entry["kind"] == "use" and _understood(entry):
                if entry["use"] in uses:
                    _refuse("use_twice", index=index)
                uses.add(entry["use"])
            leaf = _leaf(hashlib.sha256(bytes.fromhex(item["salt"]) + _canonical(entry)).digest())
            path = _parse_tlog_proof(item["tlog_proof"], index, document["checkpoint"])
            if not _included(leaf, index, size, path, root):
                _refuse("inclusion", index=index)
            found[index] = entry
        return found

    def _membership(self, document: dict[str, Any], entries: dict[int, dict[str, Any]]) -> dict[str, str]:
        uses = [entry for entry in entries.values() if entry["kind"] == "use" and _understood(entry)]
        sets = {entry["use"]: entry["set"] for entry in uses if entry["mode"] == "set"}
        strange = _strange_values(entries, "use")
        # A use of one person needs no proof: its entry names the person, and that is the person of this file.
        found: dict[str, str] = {entry["use"]: "one" for entry in uses if entry["mode"] == "one"}
        for item in document["membership"]:
            _expect(item, _MEMBERSHIP_KEYS)
            sealed = sets.get(item["use"])
            if sealed is None and item["use"] in strange - found.keys():
                continue
            if sealed is None or item["use"] in found:
                _refuse("membership")
            _check_membership(item, sealed, document["subject"])
            found[item["use"]] = item["result"]
        return found

    def _facts(self, document: dict[str, Any], entries: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        for item in document["facts"]:
            _expect(item, _FACT_KEYS)
            entry = entries.get(item["index"])
            if entry is not None and not _understood(entry):
                continue
            if entry is None or entry["kind"] != "fact" or item["index"] in found:
                _refuse("facts", index=item["index"])
            commit = hashlib.sha256(bytes.fromhex(item["nonce"]) + _canonical(item["facts"])).hexdigest()
            if commit != entry["commit"]:
                _refuse("facts", index=item["index"])
            found[item["index"]] = item["facts"]
        return found

    def _rules(self, document: dict[str, Any], entries: dict[int, dict[str, Any]]) -> set[str]:
        wanted = {entry["rules"] for entry in entries.values() if isinstance(entry.get("rules"), str)}
        found = {hashlib.sha256(_canonical(table)).hexdigest() for table in document["rules"]}
        if not found <= wanted or len(found) != len(document["rules"]):
            _refuse("rules")
        return found

    def _compare(self, document: dict[str, Any], key: _Key, size: int, root: bytes) -> bool:
        paths = _paths(document["consistency"], size)
        kept, anchored = self.seen_before(key)
        # Of the anchors, the last that this proof can know must be comparable: it vouches for those before it.
        within = [seen for seen in anchored if seen.size <= size]
        needed = [*kept, *([max(within, key=lambda seen: seen.size)] if within else anchored[:1])]
        # What is shown to be of this history may itself lead to others: a later receipt brings paths along.
        standing, waiting, agreeing = [_Seen(size, root, paths=paths)], [*kept, *anchored], list[_Seen]()
        while waiting:
            left = []
            for seen in waiting:
                known = [(one, same) for one in standing if (same := one.continues(seen)) is not None]
                torn = next((one for one, same in known if not same), None)
                if not known:
                    left.append(seen)
                elif torn is None:
                    agreeing.append(seen)
                    standing += [seen] if seen.paths else []
                    self._agrees(seen, size)
                elif torn is not standing[0]:
                    self.problem("forked_between", size=seen.size, other=torn.size)
                else:
                    self.problem("forked" if seen.size > size else "rewritten", size=seen.size, here=size)
            if len(left) == len(waiting):
                break
            waiting = left
        for seen in needed:
            if any(seen is one for one in waiting):
                code = "not_comparable_later" if seen.size > size and seen.time is None else "not_comparable"
                self.problem(code, size=seen.size, proof=size)
        self.compared(agreeing, size)
        return bool(needed)

    def _agrees(self, seen: _Seen, size: int) -> None:
        if seen.time is not None:
            self.show("continues_anchor", size=seen.size, time=_time(seen.time))
        else:
            self.show("continues_later" if seen.size > size else "continues", size=seen.size)

    def _tell(
        self,
        index: int,
        entry: dict[str, Any],
        present: dict[str, str],
        opened: dict[int, dict[str, Any]],
        tables: set[str],
    ) -> None:
        self.shows.append(_tell_entry(self.say, index, entry))
        if not _understood(entry):
            return
        if "clock" in entry:
            self.show("skewed", index=index, clock=_time(entry["clock"]))
        if "continues" in entry:
            old = entry["continues"]
            self.show("replaces", index=index, log=old["origin"], size=old["size"], root=old["root"])
        if entry["kind"] == "use":
            if entry["use"] in present:
                self.show(present[entry["use"]], index=index, size=entry.get("set", {}).get("size"))
            else:
                self.limit("not_member", index=index)
            if entry["rules"] in tables:
                self.show("rules_shown", index=index, rules=entry["rules"])
            else:
                self.limit("not_rules", index=index)
        if entry["kind"] == "fact":
            if index in opened:
                facts = ", ".join(f"{name} = {_instant_or(self.say, value)}" for name, value in opened[index].items())
                self.show("facts_opened", index=index, facts=facts)
            else:
                self.limit("not_facts", index=index)


class _Export(_Run):
    """An export of the whole ledger: header, entries in order, checkpoint."""

    def verify(self, file: BinaryIO) -> None:
        count, last = _survey(file)
        lines = _lines(file)
        header = _line(next(lines), 1)
        _expect(header, _HEADER_KEYS)
        key = _parse_key(header["vkey"])
        self.check_key(header["vkey"])
        kept, anchored = self.seen_before(key)
        if header["format"] != EXPORT_FORMAT or count != header["size"] + 2 or not header["size"]:
            _refuse("export_cut")
        ending = _line(last, count)
        _expect(ending, _ENDING_KEYS)
        size, root = _open_checkpoint(ending["checkpoint"], key)
        seen = [*kept, *anchored]
        walk = _Walk(key, {one.size for one in seen})
        for number, line in enumerate(islice(lines, header["size"]), 2):
            walk.step(_line(line, number), number)
        _check_beginning(walk.begun, key)
        if (size, root) != (walk.size, walk.root()):
            _refuse("export_root")
        if list(islice(lines, 2)) != [last]:  # somebody writes to the file while it is read
            _refuse("export_cut")
        self.head(key, size)
        for one in seen:
            if one.size > size:
                self.problem("cut_off", size=one.size, here=size)
            elif walk.roots.get(one.size, _EMPTY) != one.root:
                self.problem("rewritten", size=one.size)
            else:
                self.show("continues" if one.time is None else "continues_anchor", size=one.size, time=_time(one.time))
        self.compared(seen, size)
        self._brief(walk)
        self.show("export_signed", log=key.name, key_id=key.key_id.hex(), size=size, root=root.hex())
        self.show("export_entries", redacted=walk.redacted, first=_time(walk.first), last=_time(walk.last))
        known = sorted((kind, count) for kind, count in walk.kinds.items() if kind in _ENTRY_FORMS)
        self.show("export_kinds", kinds=", ".join(f"{kind} {count}" for kind, count in known))
        if walk.skewed:
            self.show("export_skewed", count=walk.skewed)
        self.strange(walk.strange, walk.kinds.get("strange", 0) + walk.further)
        if walk.redacted:
            self.limit("not_redacted", count=walk.redacted)
        self.closing(bool(seen))

    def _brief(self, walk: _Walk) -> None:
        first, last = self.say.day(walk.first), self.say.day(walk.last)
        self.lines.append(self.say("brief_export", size=self.say.number(walk.size), first=first, last=last))
        kinds = (
            f"{self.say.label(f'kinds_{kind}')} {self.say.number(count)}" for kind, count in sorted(walk.kinds.items())
        )
        self.lines.append(", ".join(kinds))
        if walk.redacted:
            self.lines.append(self.say.count("brief_redacted", walk.redacted))
        if walk.skewed:
            self.lines.append(self.say("export_skewed", count=walk.skewed))


class _Walk:
    """The way through an export: one entry after the other, the tree growing with them."""

    def __init__(self, key: _Key, sizes: set[int]) -> None:
        self.key, self.sizes = key, sizes
        self.size = self.redacted = self.skewed = self.further = 0
        self.first: int | None = None
        self.last: int | None = None
        self.edge: list[bytes] = []
        self.roots: dict[int, bytes] = {}
        self.kinds: dict[str, int] = {}
        self.begun: dict[int, dict[str, Any]] = {}
        self.strange: list[tuple[int, dict[str, Any]]] = []

    def step(self, item: dict[str, Any], number: int) -> None:
        if item.get("index") != self.size or type(item["index"]) is not int:
            _refuse("export_order", line=number)
        if "leaf" in item:
            _expect(item, _REDACTED_KEYS)
            self.redacted += 1
            commitment = bytes.fromhex(item["leaf"])
            if self.size == 0:
                _refuse("genesis")
        else:
            _expect(item, _EXPORTED_KEYS)
            self._look(item["entry"])
            commitment = hashlib.sha256(bytes.fromhex(item["salt"]) + _canonical(item["entry"])).digest()
        self._grow(_leaf(commitment))

    def root(self) -> bytes:
        if not self.edge:
            return _EMPTY
        root = self.edge[-1]
        for node in reversed(self.edge[:-1]):
            root = _node(node, root)
        return root

    def _look(self, entry: dict[str, Any]) -> None:
        _check_entry(entry, self.size)
        if self.size == 0 or entry["kind"] == "genesis":
            self.begun[self.size] = entry
        if self.last is not None and entry["at"] < self.last:
            _refuse("time_back", index=self.size)
        self.first = entry["at"] if self.first is None else self.first
        self.last = entry["at"]
        self.skewed += "clock" in entry
        kind = entry["kind"] if _understood(entry) else "strange"
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if not _wholly_understood(entry):
            self.further += kind != "strange"  # understood as far as its own keys go
            if len(self.strange) < SHOWN_STRANGE:
                self.strange.append((self.size, entry))

    def _grow(self, leaf: bytes) -> None:
        position = self.size
        while position & 1:
            leaf, position = _node(self.edge.pop(), leaf), position >> 1
        self.edge.append(leaf)
        self.size += 1
        if self.size in self.sizes:
            self.roots[self.size] = self.root()


# --- the Merkle tree -------------------------------------------------------------------------------------------------

_EMPTY = hashlib.sha256(b"").digest()


def _leaf(commitment: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + commitment).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _included(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    # Told from the top: each hash of the path is the half of the tree in which the leaf does not lie.
    if not 0 <= index < size:
        return False
    turns: list[bool] = []
    while size > 1:
        half = 1 << (size - 1).bit_length() - 1
        turns.append(index >= half)
        index, size = (index - half, size - half) if index >= half else (index, half)
    if len(turns) != len(path):
        return False
    for sibling, right in zip(path, reversed(turns), strict=True):
        leaf = _node(sibling, leaf) if right else _node(leaf, sibling)
    return leaf == root


def _consistent(old: int, new: int, path: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    if not 0 < old <= new:
        return False
    rest = list(path)
    try:
        older, newer = _grown(old, new, rest, old_root, whole=True)
    except IndexError:
        return False
    return not rest and older == old_root and newer == new_root


def _grown(old: int, size: int, path: list[bytes], old_root: bytes, whole: bool) -> tuple[bytes, bytes]:
    # The root of the first `old` leaves of this subtree, and that of all its `size` leaves. The path is read from its
    # end, where the hash nearest to the root is; `whole` says that the old tree began where this subtree begins.
    if old == size:
        node = old_root if whole else path.pop()
        return node, node
    half = 1 << (size - 1).bit_length() - 1
    sibling = path.pop()
    if old <= half:
        older, newer = _grown(old, half, path, old_root, whole)
        return older, _node(newer, sibling)
    older, newer = _grown(old - half, size - half, path, old_root, whole=False)
    return _node(sibling, older), _node(sibling, newer)


def _check_membership(item: dict[str, Any], sealed: dict[str, Any], subject: str) -> None:
    value = hashlib.sha256(bytes.fromhex(item["use"]) + bytes.fromhex(subject)).digest()[:16]
    values = [bytes.fromhex(one) for one in item["values"]]
    bucket = item["bucket"]
    ordered = all(earlier < later for earlier, later in pairwise(values))
    placed = all(int.from_bytes(one[:2], "big") >> 4 == bucket for one in [value, *values])
    said = {"present": True, "absent": False}.get(item["result"])
    if not (ordered and placed and len(item["path"]) == BUCKET_BITS and said is (value in values)):
        _refuse("membership")
    node = _leaf(b"".join(values))
    for level, sibling in enumerate(map(bytes.fromhex, item["path"])):
        node = _node(sibling, node) if bucket >> level & 1 else _node(node, sibling)
    if node.hex() != sealed["root"] or len(values) > sealed["size"]:
        _refuse("membership")


# --- keys, notes, checkpoints ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Key:
    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        encoded = base64.b64encode(b"\x01" + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def _parse_key(vkey: str) -> _Key:
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", vkey)
    raw = _decode(match[3]) if match else None
    if not match or raw is None or raw[:1] != b"\x01" or any(ord(c) < 32 for c in match[1]):
        _refuse("vkey")
    key = _Key(match[1], raw[1:])
    if key.key_id.hex() != match[2] or key.name in (PROOF_FORMAT, RECEIPT_FORMAT):
        _refuse("vkey")
    return key


def _open_checkpoint(note: str, key: _Key) -> tuple[int, bytes]:
    """Size and root of a checkpoint that `key` signed for the log of its own name."""
    body, gap, tail = note.rpartition("\n\n")
    text = body + "\n"
    if not gap or not tail.endswith("\n") or any(ord(c) < 32 and c != "\n" for c in note):
        _refuse("checkpoint")
    signed = False
    for line in tail[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        raw = _decode(encoded)
        if dash != "—" or not name or raw is None or len(raw) < 5:
            _refuse("checkpoint")
        if (name, raw[:4]) == (key.name, key.key_id):
            if not key.verifies(_encode(text), raw[4:]):
                _refuse("checkpoint")
            signed = True
    lines = text.split("\n")
    root = _decode(lines[2]) if len(lines) >= 4 and "" not in lines[:-1] else None
    if not signed or root is None or len(root) != 32 or lines[0] != key.name:
        _refuse("checkpoint")
    return _decimal(lines[1], "checkpoint"), root


def _check_seal(document: dict[str, Any], form: str, key: _Key) -> None:
    sealed = {name: value for name, value in document.items() if name != "seal"}
    signature = _decode(document["seal"])
    if signature is None or not key.verifies(form.encode() + b"\n" + _canonical(sealed), signature):
        _refuse("seal")


def _open_kept(kept: bytes, key: _Key) -> _Seen:
    """What was kept of a log at another time: a signed checkpoint, or a receipt, proof or continuation with its paths.

    Of a file only the signed checkpoint is believed, and of the paths only that they lead to it.
    """
    if not kept.startswith(b"{"):
        return _Seen(*_open_checkpoint(_text(kept), key))
    document = _load(kept)
    if isinstance(document, dict) and document.get("format") == RECEIPT_FORMAT:
        document = document.get("proof")
    if not isinstance(document, dict) or not isinstance(document.get("checkpoint"), str):
        _refuse("kept_form")
    if not isinstance(document.get("consistency"), list):
        _refuse("kept_form")
    size, root = _open_checkpoint(document["checkpoint"], key)
    return _Seen(size, root, paths=_paths(document["consistency"], size))


def _paths(items: list[Any], size: int) -> dict[int, list[bytes]]:
    """The paths to a checkpoint of `size` entries, by the earlier size that each begins at."""
    paths: dict[int, list[bytes]] = {}
    for item in items:
        if not _fits(item, _CONSISTENCY_KEYS) or item["size"] in paths or not 0 < item["size"] <= size:
            _refuse("consistency")
        paths[item["size"]] = [bytes.fromhex(node) for node in item["path"]]
    return paths


def _parse_tlog_proof(text: str, index: int, checkpoint: str) -> list[bytes]:
    head, gap, rest = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or rest != checkpoint or lines[:2] != ["c2sp.org/tlog-proof@v1", f"index {index}"]:
        _refuse("inclusion", index=index)
    path = [_decode(line) for line in lines[2:]]
    hashes = [node for node in path if node is not None and len(node) == 32]
    if len(hashes) != len(path):
        _refuse("inclusion", index=index)
    return hashes


def _anchor(line: bytes, key: _Key) -> _Seen:
    item = _line(line, 0)
    _expect(item, _ANCHOR_KEYS)
    size, root = _open_checkpoint(item["checkpoint"], key)
    if (size, root.hex()) != (item["size"], item["root"]):
        _refuse("checkpoint")
    return _Seen(size, root, item["time"])


# --- receipts --------------------------------------------------------------------------------------------------------

KANTARA = "KI-CR-v1.1.0"
NOT_RECORDED = "not recorded"
_RECORD = "record dpv:hasRecordOfActivity 0"
_CONSENTS = {"given": "dpv:ConsentGiven", "refused": "dpv:ConsentRefused", "withdrawn": "dpv:ConsentWithdrawn"}


def _check_receipt(
    receipt: dict[str, Any], proof: dict[str, Any], entries: dict[int, dict[str, Any]], key: _Key, size: int
) -> int:
    """Hold a receipt against the choice that it is of; returns that entry's index."""
    index = proof["question"].get("entry")
    entry = entries.get(index) if _is_count(index) else None
    if entry is None or entry["kind"] != "choice" or not _understood(entry):
        _refuse("receipt_choice")
    for path, value in _receipt_says(proof["subject"], index, entry, key, size).items():
        if _at(receipt, path) != value:
            _refuse("receipt_differs", name=path.replace(" ", "."), index=index)
    return int(index)


def _receipt_says(subject: str, index: int, entry: dict[str, Any], key: _Key, size: int) -> dict[str, object]:
    """Every field of a receipt that follows from the entry and its place in the log: where it stands, what it is."""
    said = entry.get("effective", entry["at"])
    act, receipt, record = entry["act"], _uuid(f"{key.vkey}\n{index}\n{size}"), _uuid(f"{key.vkey}\n{index}")
    status = "dpv:hasConsentStatus" if act in _CONSENTS else "dpv:hasStatus"
    return {
        "version": KANTARA,
        "consentTimestamp": max(0, said // 1_000_000),
        "consentReceiptID": receipt,
        "publicKey": key.vkey,
        "piiPrincipalId": subject,
        "services 0 purposes 0 consentType": "EXPLICIT" if act == "given" else act.upper(),
        "record dct:identifier": receipt,
        f"{_RECORD} dct:identifier": record,
        f"{_RECORD} dct:source": f"{key.name}#{index}",
        f"{_RECORD} dpv:hasDataSubject dct:identifier": subject,
        f"{_RECORD} dpv:hasNotice dct:identifier": entry.get("notice", NOT_RECORDED),
        f"{_RECORD} dpv:hasNotice dct:hasVersion": entry.get("notice_version", NOT_RECORDED),
        f"{_RECORD} dpv:hasNotice dct:language": entry.get("locale", "und"),
        f"{_RECORD} dpv:hasProcess 0 dpv:hasPurpose dct:identifier": entry["purpose"],
        f"{_RECORD} {status} 0 @type 0": _CONSENTS.get(act, f"pacte:{act}"),
        f"{_RECORD} {status} 0 dpv:hasIndicationMethod": entry["method"],
        f"{_RECORD} {status} 0 dpv:isIndicatedAtTime": _iso(said),
        f"{_RECORD} {status} 0 dct:valid": _iso(entry["expires"]) if "expires" in entry else "until changed",
    }


def _uuid(text: str) -> str:
    """A UUID of version 8 (RFC 9562 §5.8) that follows from a text."""
    digits = hashlib.sha256(f"{RECEIPT_FORMAT}\n{text}".encode()).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _iso(instant: int) -> str:
    """The second of an instant, ISO 8601, UTC."""
    return _time(instant).replace(" UTC", "Z").replace(" ", "T")


def _at(value: Any, path: str) -> object:
    """What stands at a path of keys and places in lists; `None` where nothing does."""
    for step in path.split(" "):
        if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return None
    return value


# --- the form of things ----------------------------------------------------------------------------------------------


class _Refused(Exception):
    def __init__(self, code: str, parameters: dict[str, object]) -> None:
        self.code, self.parameters = code, parameters
        super().__init__(code)


def _refuse(code: str, **parameters: object) -> NoReturn:
    raise _Refused(code, parameters)


def _load(raw: bytes) -> Any:
    try:
        value = json.loads(_text(raw), parse_int=_integer, parse_float=_not_json, parse_constant=_not_json)
    except (ValueError, RecursionError, MemoryError):
        _refuse("form_json")
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > DEEPEST or one is None:
            _refuse("form_json")
        if isinstance(one, dict):
            if not all(name.isascii() for name in one):
                _refuse("form_json")
            waiting += [(inner, depth + 1) for inner in one.values()]
        elif isinstance(one, list):
            waiting += [(inner, depth + 1) for inner in one]
    return value


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > LARGEST_INTEGER:
        raise ValueError("an integer beyond 2^53")
    return int(digits)


def _not_json(_: str) -> NoReturn:
    raise ValueError("a number that is not an integer")


def _survey(file: BinaryIO) -> tuple[int, bytes]:
    """How many lines an export has, and its last one; the file stands at its beginning again."""
    count, tail = 0, b""
    while block := file.read(BLOCK):
        count += block.count(b"\n")
        tail = (tail + block)[-BLOCK:]
    if not tail.endswith(b"\n"):
        _refuse("export_cut")
    file.seek(0)
    return count, tail[:-1].rpartition(b"\n")[2]


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of an export one by one; none of ours is long, and a foreign one shall not fill the memory."""
    number = 0
    while line := file.readline(LARGEST_PROOF):
        number += 1
        if not line.endswith(b"\n"):
            _refuse("form_line", line=number)
        yield line[:-1]


def _line(raw: bytes, number: int) -> dict[str, Any]:
    item = _load(raw)
    if not isinstance(item, dict) or _canonical(item) != raw:
        _refuse("form_line", line=number)
    return item


def _canonical(value: object) -> bytes:
    return _encode(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def _pretty(value: object) -> bytes:
    return _encode(json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n")


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        _refuse("form_json")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        _refuse("form_json")


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="surrogatepass")


def _decode(text: str) -> bytes | None:
    """Strict base64: of the spellings of some bytes only the canonical one."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def _decimal(digits: str, code: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", digits) or int(digits) > LARGEST_INTEGER:
        _refuse(code)
    return int(digits)


def _hex(length: int) -> Callable[[object], bool]:
    form = re.compile(f"[0-9a-f]{{{length}}}")
    return lambda value: isinstance(value, str) and form.fullmatch(value) is not None


def _is_int(value: object) -> bool:
    return type(value) is int


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _list_of(form: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(form, value))


_Form = dict[str, Callable[[object], bool]]
_PROOF_KEYS: _Form = {
    "format": _is_text,
    "vkey": _is_text,
    "checkpoint": _is_text,
    "entries": _is_list,
    "membership": _is_list,
    "facts": _is_list,
    "rules": _list_of(_is_object),
    "consistency": _is_list,
    "subject": _hex(32),
    "question": _is_object,
    "answers": _is_list,
    "seal": _is_text,
}
_RECEIPT_KEYS: _Form = {
    "format": _is_text,
    "version": _is_text,
    "jurisdiction": _is_text,
    "consentTimestamp": _is_count,
    "collectionMethod": _is_text,
    "consentReceiptID": _is_text,
    "publicKey": _is_text,
    "language": _is_text,
    "piiPrincipalId": _hex(32),
    "piiControllers": _list_of(_is_object),
    "policyUrl": _is_text,
    "services": _list_of(_is_object),
    "sensitive": lambda value: isinstance(value, bool),
    "spiCat": _list_of(_is_text),
    "record": _is_object,
    "proof": _is_object,
    "seal": _is_text,
}
_ENTRY_KEYS: _Form = {"index": _is_count, "entry": _is_object, "salt": _hex(32), "tlog_proof": _is_text}
_MEMBERSHIP_KEYS: _Form = {
    "use": _hex(32),
    "bucket": _is_count,
    "values": _list_of(_hex(32)),
    "path": _list_of(_hex(64)),
    "result": _is_text,
}
_FACT_KEYS: _Form = {"index": _is_count, "nonce": _hex(64), "facts": _is_object}
_CONSISTENCY_KEYS: _Form = {"size": _is_count, "path": _list_of(_hex(64))}
_HEADER_KEYS: _Form = {"format": _is_text, "size": _is_count, "vkey": _is_text}
_ENDING_KEYS: _Form = {"checkpoint": _is_text}
_EXPORTED_KEYS: _Form = {"index": _is_count, "entry": _is_object, "salt": _hex(32)}
_REDACTED_KEYS: _Form = {"index": _is_count, "leaf": _hex(64)}
_ANCHOR_KEYS: _Form = {"size": _is_count, "root": _hex(64), "time": _is_int, "checkpoint": _is_text}
_CONTINUES_KEYS: _Form = {"origin": _is_text, "vkey": _is_text, "size": _is_count, "root": _hex(64)}
_SET_KEYS: _Form = {"root": _hex(64), "size": _is_count, "buckets": lambda value: value == BUCKETS}


def _keys(value: object, form: _Form, code: str) -> None:
    if not isinstance(value, dict) or value.keys() != form.keys():
        _refuse(code)


def _fits(value: object, form: _Form) -> bool:
    return isinstance(value, dict) and value.keys() == form.keys() and _all_right(value, form)


def _expect(value: object, form: _Form) -> None:
    _keys(value, form, "form_keys")
    assert isinstance(value, dict)  # noqa: S101 # for the type checker; `_keys` has just refused anything else
    for name, check in form.items():
        if not check(value[name]):
            _refuse("form_value", name=name)


# The list of entries, written down here a second time on purpose. t text, i integer, n count, p person or use
# identifier, d digest, l list of texts, o object, s sealed set, c checkpoint of an older log; after the bar: keys that
# may be absent.
_LETTERS: _Form = {
    "t": _is_text,
    "i": _is_int,
    "n": _is_count,
    "p": _hex(32),
    "d": _hex(64),
    "l": _list_of(_is_text),
    "o": _is_object,
    "s": lambda value: isinstance(value, dict) and value.keys() == _SET_KEYS.keys() and _all_right(value, _SET_KEYS),
    "c": lambda value: (
        isinstance(value, dict) and value.keys() == _CONTINUES_KEYS.keys() and _all_right(value, _CONTINUES_KEYS)
    ),
}


def _fields(line: str) -> _Form:
    return {name: _LETTERS[letter] for name, letter in (pair.split(":") for pair in line.split())}


_COMMON = "v:n kind:t at:i role:t by:t"
_COMMON_OPTIONAL = "clock:i behalf:t jointly:t"
_KINDS = {
    "genesis": "house:t origin:t vkey:t format:n | role:t continues:c",
    "policy": "policy:d rules:d decider:t effective:i | label:t advice:t advice_text:d advised_by:t",
    "notice": "notice:d locale:t version:t purposes:o effective:i | says:o layers:d",
    "fact": "subject:p effective:i commit:d sealed:t | source:t",
    "collection": "subject:p dataset:t source:t effective:i load:t | notice:d",
    "told": "subject:p notice:d effective:i how:t |",
    "choice": "subject:p purpose:t act:t learned:i method:t grade:t voice:t authenticated:n | effective:i channel:t "
    "recipient:t expires:i notice:d locale:t notice_version:t form:d signal:t reason:t",
    "form": "form:d name:t locale:t effective:i | picture:d",
    "preference": "subject:p channel:t setting:t value:t effective:i |",
    "load": "load:t dataset:t source:t file:d mapping:d rows:n accepted:n rejected:n unchanged:n segments:l |",
    "use": "use:p purpose:t fields:l categories:l as_of:i known:n rules:d policy:d counts:o candidates:n "
    "expires:i domain:t mode:t | channel:t recipient:t set:s until:i subject:p within:p campaign:p message:d",
    "segment": "segment:d act:t name:t revision:n purpose:t |",
    "message": "message:d act:t name:t revision:n message_kind:t purpose:t channel:t |",
    "campaign": "campaign:p act:t message:d purpose:t channel:t | segment:d within:p counts:o reason:t",
    "suppressed": "act:t reason:t channel:t until:i | subject:p",
    "export": "export:p act:t within:p purpose:t channel:t people:n until:i | recipient:t",
    "list": "list:p act:t source:t rows:n proof:d due:i |",
    "look": "subject:p purpose:t reason:t |",
    "look_aside": "load:t rows:n purpose:t reason:t |",
    "sought": "purpose:t reason:t | whom:p",
    "recipient_told": "subject:p recipient:t choice:n effective:i how:t |",
    "staff": "member:p act:t staff_role:t | until:i",
    "api_key": "key:p act:t scopes:l bound:l | expires:i",
    "stop": "scope:t effective:i reason:t |",
    "stop_lifted": "scope:t effective:i reason:t |",
    "keys": "step:t epoch:n effective:i |",
    "erasure": "subject:p step:t effective:i | certificate:d counts:o kept:o evidence_until:i suppressed_until:i "
    "backups_until:i reason:t",
}
_VARIANTS = {
    "use": ("mode", {"set": "set until |", "one": "subject | within campaign message"}),
    "erasure": (
        "step",
        {
            "restricted": "| counts",
            "done": "certificate counts evidence_until suppressed_until | kept backups_until",
            "evidence_ended": "|",
        },
    ),
    "keys": ("step", {"rotated": "|", "ended": "|"}),
}
"""Which word of an entry asks for which of the keys that may be absent, and which others it allows."""

_EVERY_VERSION = _fields("v:n kind:t at:i")
"""What every entry of every later version has, in this form."""


def _entry_form(line: str) -> tuple[_Form, _Form]:
    required, _, optional = line.partition("|")
    may = _fields(f"{_COMMON_OPTIONAL} {optional}")
    must = {name: form for name, form in _fields(f"{_COMMON} {required}").items() if name not in may}
    return must, may


_ENTRY_FORMS = {kind: _entry_form(line) for kind, line in _KINDS.items()}


def _all_right(value: dict[str, Any], form: _Form) -> bool:
    return all(check(value[name]) for name, check in form.items() if name in value)


def _check_entry(entry: dict[str, Any], index: int) -> None:
    if not (_EVERY_VERSION.keys() <= entry.keys() and _all_right(entry, _EVERY_VERSION) and entry["v"] > 0):
        _refuse("entry_form", index=index)
    if not _understood(entry):
        return
    required, optional = _ENTRY_FORMS[entry["kind"]]
    if not required.keys() <= entry.keys() or not _all_right(entry, required | optional):
        _refuse("entry_form", index=index)
    if entry["kind"] in _VARIANTS and not _fits_variant(entry):
        _refuse("entry_form", index=index)


def _understood(entry: dict[str, Any]) -> bool:
    """Whether this verifier knows the kind and the version of an entry; then it knows what its own keys mean."""
    if entry["v"] != 1 or entry["kind"] not in _ENTRY_FORMS:
        return False
    chosen_by, variants = _VARIANTS.get(entry["kind"], ("kind", {entry["kind"]: ""}))
    word = entry.get(chosen_by)
    return not isinstance(word, str) or word in variants


def _unknown_keys(entry: dict[str, Any]) -> set[str]:
    required, optional = _ENTRY_FORMS[entry["kind"]]
    return entry.keys() - required.keys() - optional.keys()


def _wholly_understood(entry: dict[str, Any]) -> bool:
    return _understood(entry) and not _unknown_keys(entry)


def _fits_variant(entry: dict[str, Any]) -> bool:
    chosen_by, variants = _VARIANTS[entry["kind"]]
    needed, _, allowed = variants[entry[chosen_by]].partition("|")
    every = {name for line in variants.values() for name in line.replace("|", " ").split()}
    return set(needed.split()) <= every & entry.keys() <= {*needed.split(), *allowed.split()}


def _strange_values(entries: dict[int, dict[str, Any]], name: str) -> set[str]:
    """What stands under a name in the entries that are not understood."""
    strange = (entry.get(name) for entry in entries.values() if not _understood(entry))
    return {value for value in strange if isinstance(value, str)}


def _in_use(entry: dict[str, Any], present: dict[str, str]) -> str | None:
    return present.get(entry["use"]) if entry["kind"] == "use" and _understood(entry) else None


def _check_beginning(entries: dict[int, dict[str, Any]], key: _Key) -> None:
    # Entry 0 begins a log; a later beginning says whose place the log took when its house was restored. The last one of
    # those that are here has this key.
    begun = {index: entry for index, entry in entries.items() if entry["kind"] == "genesis"}
    if (0 in entries and 0 not in begun) or any(index and "continues" not in entry for index, entry in begun.items()):
        _refuse("genesis")
    last = begun[max(begun)] if begun else None
    if last is not None and (last.get("origin"), last.get("vkey")) != (key.name, key.vkey):
        _refuse("genesis")


# --- words -----------------------------------------------------------------------------------------------------------


class _Words:
    """Messages in one language. What comes from a file is stripped of anything that could play with a terminal."""

    def __init__(self, lang: str) -> None:
        if lang not in _LANGUAGES:
            raise ValueError("a language that the verifier does not speak; expected `en` or `fr`")
        self.lang = lang
        self.column = _LANGUAGES.index(lang)

    def template(self, code: str) -> str:
        """A message whose parameters still stand in braces."""
        return self._set(_WORDS[code][self.column])

    def __call__(self, code: str, **parameters: object) -> str:
        return self.template(code).format(**{name: _printable(value) for name, value in parameters.items()})

    def count(self, code: str, count: int, **parameters: object) -> str:
        """A message with a number in it, in the singular or the plural."""
        one = count == 1 if self.lang == "en" else count < 2
        return self(f"{code}_one" if one else f"{code}_many", count=self.number(count), **parameters)

    def label(self, name: str) -> str:
        return _LABELS[name][self.column] if name in _LABELS else name

    def pair(self, name: str, value: str) -> str:
        """A label and its value."""
        return f"{self.label(name)}{self._set(' : ') if self.lang == 'fr' else ': '}{value}"

    def listed(self, parts: Iterable[str]) -> str:
        """Parts in a row, a semicolon between them."""
        return self._set(" ; " if self.lang == "fr" else "; ").join(parts)

    def number(self, value: int) -> str:
        """A number as the language writes it: 1,830 or 1\u202f830."""
        return f"{value:,}".replace(",", "," if self.lang == "en" else "\u202f")

    def day(self, instant: int | None) -> str:
        """The day of an instant, UTC: 3 May 2026."""
        if instant is None or abs(instant) > LARGEST_INTEGER:
            return "?"
        moment = _EPOCH + timedelta(microseconds=instant)
        number = "1er" if self.lang == "fr" and moment.day == 1 else str(moment.day)
        return f"{number} {_MONTHS[self.column][moment.month - 1]} {moment.year}"

    def moment(self, instant: int, beside: int) -> str:
        """The day of an instant; with the hour, where it is the same day as `beside`."""
        day = self.day(instant)
        return day if day != self.day(beside) else f"{day}, {_time(instant)[11:19]}"

    def _set(self, words: str) -> str:
        # French sets ; : ! ? and the inside of guillemets off with a narrow space that no line ends at.
        if self.lang == "en":
            return words
        return re.sub("(?<=«) | (?=[;:!?»])", "\u202f", words)


def _printable(value: object) -> str:
    shown = "".join(c if c.isprintable() or c == "\u202f" else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    return shown if len(shown) <= 2_000 else shown[:2_000] + "…"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = (
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
)


def _time(instant: int | None) -> str:
    if instant is None or abs(instant) > LARGEST_INTEGER:
        return "?"
    moment = _EPOCH + timedelta(microseconds=instant)
    return moment.isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")


_INSTANTS = frozenset(
    "effective learned expires as_of until evidence_until suppressed_until backups_until".split()  # noqa: SIM905 # one line
)
_UNTOLD = frozenset({"v", "kind", "at", "clock", "subject", "commit", "sealed", "set", "vkey", "format", "continues"})


def _tell_entry(say: _Words, index: int, entry: dict[str, Any]) -> str:
    if not _understood(entry):
        return say("entry_strange", index=index, at=_time(entry["at"]), kind=_word(entry["kind"]), version=entry["v"])
    unknown = _unknown_keys(entry)
    details = [
        say.pair(name, _time(value) if name in _INSTANTS else _value(say, value))
        for name, value in entry.items()
        if name not in _UNTOLD and name not in unknown
    ]
    if entry["kind"] == "choice" and "effective" not in entry:
        details.append(say("undated"))
    what = say(f"kind_{entry['kind']}")
    return say("entry", index=index, at=_time(entry["at"]), what=what, details=say.listed(details))


def _value(say: _Words, value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(say, one)}" for name, one in value.items()) or "-"
    return say.label(value) if isinstance(value, str) else str(value)


# --- in plain words --------------------------------------------------------------------------------------------------

_ACTS = frozenset(
    "given refused withdrawn objected objection_lifted objection_overruled restricted restriction_lifted".split()  # noqa: SIM905 # one line
)
_LOOSENING = frozenset({"given", "objection_lifted", "objection_overruled", "restriction_lifted"})
A_MINUTE = 60_000_000
LONGEST_WORD = 128
SURELY_AN_INSTANT = 10**13  # microseconds; no other fact is a number that large


def _word(value: str) -> str:
    """A word of a file, cut to a length that a line can bear."""
    return value if len(value) <= LONGEST_WORD else value[:LONGEST_WORD] + "…"


def _instant_or(say: _Words, value: object) -> str:
    is_instant = type(value) is int and abs(value) >= SURELY_AN_INSTANT
    if is_instant and isinstance(value, int):
        return _time(value)
    return _value(say, value) if isinstance(value, list) else str(value)


def _plainly(
    say: _Words, entry: dict[str, Any], present: str | None, facts: dict[str, Any] | None, tables: set[str]
) -> str:
    """One entry in plain words; what it says and when it takes effect, no digest and no number of microseconds."""
    kind = entry["kind"]
    if not _understood(entry):
        return say("plain_strange", kind=_word(kind))
    if kind == "choice":
        words = _plain_choice(say, entry)
    elif kind == "use":
        words = _plain_use(say, entry, present)
    elif kind == "fact":
        words = say("plain_fact_sealed") if facts is None else say("plain_fact", facts=_plain_facts(say, facts))
    elif kind == "policy":
        words = say("plain_policy_rules" if entry["rules"] in tables else "plain_policy")
    elif kind == "erasure" and f"plain_erasure_{entry['step']}" in _WORDS:
        words = say(f"plain_erasure_{entry['step']}")
    elif f"plain_{kind}_{entry.get('act')}" in _WORDS:
        words = say(f"plain_{kind}_{entry['act']}", **_named_parts(say, entry))
    elif kind == "keys" and f"plain_keys_{entry['step']}" in _WORDS:
        words = say(f"plain_keys_{entry['step']}", epoch=entry["epoch"])
    elif kind in ("stop", "stop_lifted"):
        words = say(f"plain_{kind}", scope=_purpose(say, entry["scope"]), reason=entry["reason"])
    elif f"plain_{kind}" in _WORDS:
        words = say(f"plain_{kind}", **{name: value for name, value in entry.items() if isinstance(value, str)})
    else:
        words = say(f"kind_{kind}")
    aside = _aside(say, entry)
    return f"{words} ({', '.join(aside)})" if aside else words


def _named_parts(say: _Words, entry: dict[str, Any]) -> dict[str, str]:
    """The texts of an entry, its purpose in words."""
    parts = {name: _word(value) for name, value in entry.items() if isinstance(value, str)}
    return {**parts, "purpose": _purpose(say, entry["purpose"])} if "purpose" in entry else parts


def _plain_choice(say: _Words, entry: dict[str, Any]) -> str:
    if entry["act"] not in _ACTS:
        return say("kind_choice")
    who = say("guardian" if entry["voice"] == "guardian" else "person")
    reason = _word(entry.get("reason", "?"))
    return say(f"plain_{entry['act']}", who=who, what=_target(say, entry), reason=reason)


def _plain_use(say: _Words, entry: dict[str, Any], present: str | None) -> str:
    if entry["mode"] == "one":
        return say("plain_use_message" if "campaign" in entry else "plain_use_one", what=_target(say, entry))
    code = {"present": "plain_use_in", "absent": "plain_use_out"}.get(present or "", "plain_use")
    people = say.count("people", entry["set"]["size"])
    return say(code, what=_target(say, entry), people=people)


def _plain_facts(say: _Words, facts: dict[str, Any]) -> str:
    told = []
    for name, value in sorted(facts.items()):
        bare = name.removeprefix("person.")
        if bare == "age" and value == "minor" and "minor_until" in facts:
            continue  # "minor until …" says so already
        if type(value) is int and abs(value) >= SURELY_AN_INSTANT:
            shown = say.day(value)
        elif bare == "guardian":
            shown = f"{str(value)[:8]}…"
        else:
            shown = _value(say, value)
        code = f"plain_fact_{bare}"
        told.append(say(code, value=shown) if code in _WORDS else say.pair(bare, shown))
    return ", ".join(told) or "-"


def _target(say: _Words, entry: dict[str, Any]) -> str:
    words = [_purpose(say, entry["purpose"])]
    if channel := entry.get("channel"):
        code = f"by_{channel}"
        words.append(say(code if code in _WORDS else "by_channel", channel=channel))
    if recipient := entry.get("recipient"):
        words.append(say("to_recipient", recipient=recipient))
    return " ".join(words)


def _purpose(say: _Words, purpose: str) -> str:
    if purpose == "*":
        return say("every_purpose")
    code = f"purpose_{purpose.replace(':', '_')}"
    return say(code) if code in _WORDS else say("purpose", purpose=purpose)


def _aside(say: _Words, entry: dict[str, Any]) -> list[str]:
    """What belongs in brackets: when it took effect, how well it is proved, until when it holds."""
    at, aside = entry["at"], []
    effective = entry.get("as_of" if entry["kind"] == "use" else "effective")
    if effective is not None and abs(effective - at) > A_MINUTE:
        aside.append(say("aside_effective", day=say.moment(effective, at)))
    if entry["kind"] == "choice":
        if effective is None:
            aside.append(say("undated"))
        if "expires" in entry:
            aside.append(say("aside_until", day=say.day(entry["expires"])))
        if entry["act"] == "given":
            aside.append(say("aside_proof", grade=say.label(entry["grade"])))
        if not entry["authenticated"] and entry["act"] in _LOOSENING:
            aside.append(say("aside_unauthenticated"))
        if "signal" in entry:
            aside.append(say("aside_signal", signal=entry["signal"]))
    if entry["kind"] == "use" and entry["role"] == "processor":
        aside.append(say("aside_processor", behalf=entry.get("behalf", "?")))
    if entry["kind"] == "policy" and "advice" in entry:
        aside.append(say("aside_advice", advice=say.label(entry["advice"])))
    if "evidence_until" in entry:
        aside.append(say("aside_evidence", day=say.day(entry["evidence_until"])))
    if entry["kind"] == "fact" and "source" in entry:
        aside.append(say("aside_source", source=_word(entry["source"])))
    if "continues" in entry:
        old = entry["continues"]
        aside.append(say("aside_continues", log=old["origin"], size=say.number(old["size"])))
    if not _wholly_understood(entry):
        aside.append(say("aside_strange"))
    if "clock" in entry:
        aside.append(say("aside_clock", clock=_time(entry["clock"])))
    return aside


def _plain_answers(say: _Words, answers: list[Any]) -> list[str]:
    """The house's two answers in words; in one line where what was learnt later changes nothing."""
    known = next((one for one in answers if _is_answer(one, "by_known")), None)
    true = next((one for one in answers if _is_answer(one, "by_true")), None)
    if known is None or true is None:
        return [say("answers", count=len(answers))]
    if (known["permitted"], known["reason"]) == (true["permitted"], true["reason"]):
        return [say("answer_both", answer=_plain_answer(say, known))]
    return [
        say("answer_known", answer=_plain_answer(say, known)),
        say("answer_true", answer=_plain_answer(say, true)),
    ]


def _plain_answer(say: _Words, answer: dict[str, Any]) -> str:
    because = f"because_{answer['reason']}"
    words = say("answer_yes") if answer["permitted"] else say("answer_no")
    if not answer["permitted"]:
        words += " " + say(because if because in _WORDS else "because_other", reason=answer["reason"])
    aside = [_plain_article(say, answer)] if isinstance(answer.get("article"), str) else []
    if _is_count(answer.get("entry")):
        aside.append(say("aside_stands", index=answer["entry"]))
    return f"{words} ({', '.join(aside)})" if aside else words


def _plain_article(say: _Words, answer: dict[str, Any]) -> str:
    """The article as the language writes it; what permits is always a legal basis of the Regulation."""
    article = _printable(answer["article"])
    of_regulation = bool(answer["permitted"]) and article.startswith("Art. 6(1)(")
    for written in ("Art. ", " to ", " and "):
        article = article.replace(written, say(f"article_{written.strip(' .').lower()}"))
    return say("article_gdpr", article=article) if of_regulation else article


def _is_answer(value: object, name: str) -> bool:
    return (
        isinstance(value, dict)
        and value.get("answer") == name
        and value.get("permitted") in (0, 1)
        and isinstance(value.get("reason"), str)
    )


def _contradicts(document: dict[str, Any], present: dict[str, str]) -> bool:
    """Whether the house's answer about the use in question is another than the set that it recorded."""
    use = document["question"].get("use")
    recorded = present.get(use) if isinstance(use, str) else None
    answer = next((one for one in document["answers"] if _is_answer(one, "by_known")), None)
    if recorded is None or answer is None or answer["reason"] == "evidence_expired":
        return False
    return bool(answer["permitted"]) != (recorded in ("present", "one"))


_LANGUAGES = ("en", "fr")
_PARTS = {
    code: part
    for part, codes in {
        "form": "too_large form_json form_bytes form_keys form_value form_line format export_cut export_order",
        "key": "vkey key_differs",
        "seal": "seal",
        "checkpoint": "checkpoint export_root",
        "kept": "kept_unsigned kept_form anchor_unsigned anchors_empty not_comparable not_comparable_later rewritten "
        "forked forked_between cut_off consistency",
        "receipt": "receipt_choice receipt_differs",
        "entries": "entries_order entry_form other_person time_back use_twice inclusion genesis",
        "membership": "membership",
        "facts": "facts",
        "rules": "rules",
    }.items()
    for code in codes.split()
}
"""Which part of the file fails with which problem."""

_WORDS: dict[str, tuple[str, str]] = {
    # what a file shows
    "proof_sealed": (
        "The log `{log}` (key {key_id}) sealed this file and signed a checkpoint of {size} entries, root {root}.",
        "Le journal « {log} » (clé {key_id}) a scellé ce fichier et signé un point de contrôle de {size} écritures, "
        "racine {root}.",
    ),
    "entry": ("Entry #{index}, {at}: {what} ({details}).", "Écriture n° {index}, {at} : {what} ({details})."),
    "kind_genesis": ("the log began", "le journal a commencé"),
    "kind_policy": (
        "the house recorded what it promises: a policy, by its digest",
        "la maison a enregistré ce qu’elle promet : une politique, par son empreinte",
    ),
    "kind_notice": (
        "the house recorded an information notice, by its digest",
        "la maison a enregistré une information, par son empreinte",
    ),
    "kind_fact": (
        "facts about this person were committed to, without showing them",
        "des faits sur cette personne ont été engagés, sans être montrés",
    ),
    "kind_collection": ("data of this person were collected", "des données de cette personne ont été collectées"),
    "kind_told": ("this person was recorded as informed", "cette personne a été enregistrée comme informée"),
    "kind_choice": ("a choice of this person was recorded", "un choix de cette personne a été enregistré"),
    "kind_form": (
        "what a form shows was recorded",
        "ce que montre un formulaire a été enregistré",
    ),
    "kind_preference": (
        "this person said how they want to be reached",
        "cette personne a dit comment elle souhaite être contactée",
    ),
    "kind_load": ("data were loaded into the house", "des données ont été chargées dans la maison"),
    "kind_use": ("a use of data was recorded", "un usage de données a été enregistré"),
    "kind_look": ("somebody looked at this person’s record", "quelqu’un a consulté le dossier de cette personne"),
    "kind_look_aside": (
        "somebody looked at rows that a load had set aside",
        "quelqu’un a consulté des lignes écartées d’un chargement",
    ),
    "kind_sought": (
        "somebody was sought, and nobody was shown",
        "une personne a été cherchée, et rien n’a été montré de quiconque",
    ),
    "kind_recipient_told": (
        "a recipient was told of what this person said",
        "un destinataire a été informé de ce que cette personne a dit",
    ),
    "kind_api_key": (
        "a key for programs was made or revoked",
        "une clé pour programmes a été créée ou révoquée",
    ),
    "kind_stop": ("a stop was recorded", "un arrêt a été enregistré"),
    "kind_stop_lifted": ("a stop was lifted", "un arrêt a été levé"),
    "kind_keys": (
        "a step in the life of the house’s keys was recorded",
        "une étape de la vie des clés a été enregistrée",
    ),
    "kind_segment": (
        "a segment was saved or removed",
        "un segment a été enregistré ou retiré",
    ),
    "kind_message": (
        "a message that may be sent was saved or removed",
        "un message pouvant être envoyé a été enregistré ou retiré",
    ),
    "kind_campaign": (
        "a campaign began, was held, stopped or ended",
        "une campagne a commencé, a été suspendue, arrêtée ou s’est terminée",
    ),
    "kind_suppressed": (
        "an address was suppressed, or is no longer",
        "une adresse a été mise en liste d’opposition, ou n’y est plus",
    ),
    "kind_export": (
        "a list was made to be used outside, collected, or ended",
        "une liste a été faite pour servir ailleurs, retirée, ou a pris fin",
    ),
    "kind_list": (
        "a list of a partner was entered, refused, or its people told",
        "une liste d’un partenaire a été reçue, refusée, ou ses personnes informées",
    ),
    "kind_erasure": (
        "a step of the erasure of this person’s data was recorded",
        "une étape de l’effacement des données de cette personne a été enregistrée",
    ),
    "entry_strange": (
        "Entry #{index}, {at}: in its place in the log; not understood by this verifier (kind `{kind}`, version "
        "{version}).",
        "Écriture n° {index}, {at} : à sa place dans le journal ; non comprise par ce vérificateur (nature « {kind} », "
        "version {version}).",
    ),
    "undated": ("undated", "sans date"),
    "skewed": (
        "Entry #{index}: the house’s clock then stood back at {clock}; the entry took the time of the one before it.",
        "Écriture n° {index} : l’horloge de la maison indiquait alors {clock}, en retard ; l’écriture a pris l’heure "
        "de la précédente.",
    ),
    "present": (
        "This person IS among the {size} members of the set sealed in use #{index}.",
        "Cette personne EST parmi les {size} membres de l’ensemble scellé dans l’usage n° {index}.",
    ),
    "absent": (
        "This person is NOT among the {size} members of the set sealed in use #{index}.",
        "Cette personne N’EST PAS parmi les {size} membres de l’ensemble scellé dans l’usage n° {index}.",
    ),
    "one": (
        "Use #{index} was of the data of this very person, and of nobody else.",
        "L’usage n° {index} a porté sur les données de cette personne même, et de personne d’autre.",
    ),
    "replaces": (
        "Entry #{index} names the log whose place this one took: `{log}`, {size} entries, root {root}.",
        "L’écriture n° {index} nomme le journal dont celui-ci a pris la place : « {log} », {size} écritures, racine "
        "{root}.",
    ),
    "rules_shown": (
        "Use #{index} was decided under the rules in this file (digest {rules}).",
        "L’usage n° {index} se réfère aux règles jointes à ce fichier (empreinte {rules}).",
    ),
    "facts_opened": (
        "The facts committed to in entry #{index} were: {facts}.",
        "Les faits engagés dans l’écriture n° {index} étaient : {facts}.",
    ),
    "order": (
        "The entries stand in the log in this order: {order}; all of them before the checkpoint of size {size}.",
        "Les écritures se suivent dans le journal dans cet ordre : {order} ; toutes avant le point de contrôle de "
        "taille {size}.",
    ),
    "answers": (
        "The file holds {count} answer(s) of the house; it signed them and they are its word.",
        "Le fichier contient {count} réponse(s) de la maison ; elle les a signées et elles l’engagent.",
    ),
    "continues": (
        "The log continues, unchanged, the checkpoint of {size} entries that you kept.",
        "Le journal prolonge, sans changement, le point de contrôle de {size} écritures que vous avez conservé.",
    ),
    "continues_later": (
        "The later checkpoint of {size} entries that you brought along continues this log, unchanged.",
        "Le point de contrôle ultérieur de {size} écritures que vous avez apporté prolonge ce journal, sans "
        "changement.",
    ),
    "receipt_agrees": (
        "The receipt {id} says what entry #{index} says: whose choice, which, for what, when, by what means, under "
        "which information and until when.",
        "Le reçu {id} dit ce que dit l’écriture n° {index} : le choix de qui, lequel, pour quoi, quand, par quel "
        "moyen, sous quelle information et jusqu’à quand.",
    ),
    "continues_anchor": (
        "The log continues, unchanged, the anchor of {size} entries noted at {time}.",
        "Le journal prolonge, sans changement, l’ancrage de {size} écritures noté le {time}.",
    ),
    "export_signed": (
        "The log `{log}` (key {key_id}) signed exactly these {size} entries in this order, root {root}.",
        "Le journal « {log} » (clé {key_id}) a signé exactement ces {size} écritures dans cet ordre, racine {root}.",
    ),
    "export_entries": (
        "The readable entries date from {first} to {last}; {redacted} are redacted, their commitments are in place.",
        "Les écritures lisibles vont du {first} au {last} ; {redacted} sont effacées, leurs empreintes sont en place.",
    ),
    "export_kinds": ("Entries by kind: {kinds}.", "Écritures par nature : {kinds}."),
    "export_skewed": (
        "{count} entries were written while the house’s clock stood back.",
        "{count} écritures ont été faites alors que l’horloge de la maison retardait.",
    ),
    # what it does not show
    "nothing_outside": (
        "That the log was not rewritten from its beginning: nothing kept elsewhere was given (an earlier checkpoint, "
        "an anchor, the key as published). The file agrees with itself, and with the key that it brings along itself.",
        "Que le journal n’a pas été réécrit depuis le début : rien de conservé ailleurs n’a été fourni (un point de "
        "contrôle antérieur, un ancrage, la clé telle que publiée). Le fichier s’accorde avec lui-même, et avec la clé "
        "qu’il apporte lui-même.",
    ),
    "only_key": (
        "That the holder of the key did not rewrite the log and sign it again: no earlier checkpoint or anchor was "
        "given.",
        "Que le détenteur de la clé n’a pas réécrit le journal puis signé de nouveau : aucun point de contrôle "
        "antérieur ni ancrage n’a été fourni.",
    ),
    "not_omission": (
        "That nothing was left out: what was never recorded, or was not put into this file, does not appear.",
        "Que rien n’a été omis : ce qui n’a jamais été enregistré, ou n’a pas été mis dans ce fichier, n’apparaît pas.",
    ),
    "not_truth": (
        "That what was recorded was true in the world: the log shows that it was recorded, in this order.",
        "Que ce qui a été enregistré était vrai dans le monde : le journal montre que cela a été enregistré, dans cet "
        "ordre.",
    ),
    "not_identity": (
        "Who the person behind a subject identifier is.",
        "Qui est la personne derrière un identifiant de personne.",
    ),
    "not_time": (
        "The time otherwise than by the house’s own clock: no anchor was given.",
        "L’heure autrement que par l’horloge de la maison : aucun ancrage n’a été fourni.",
    ),
    "not_time_anchored": (
        "The time otherwise than by the house’s own clock, except as far as somebody else vouches for when the anchors "
        "were kept.",
        "L’heure autrement que par l’horloge de la maison, sauf dans la mesure où un tiers atteste du moment où les "
        "ancrages ont été conservés.",
    ),
    "not_member": (
        "Whether this person was among those of use #{index}: the file holds no proof of it.",
        "Si cette personne faisait partie de l’usage n° {index} : le fichier n’en contient pas la preuve.",
    ),
    "receipt_words": (
        "That the receipt’s other words (the company, how to reach it, what the purpose means, the data, the "
        "recipients, how long) are in the log: the house sealed them with this receipt, and they are its word.",
        "Que les autres mots du reçu (l’entreprise, comment la joindre, le sens de la finalité, les données, les "
        "destinataires, la durée) sont dans le journal : la maison les a scellés avec ce reçu, et ils l’engagent.",
    ),
    "not_rules": (
        "The rules of use #{index}: only their digest is here.",
        "Les règles de l’usage n° {index} : seule leur empreinte est ici.",
    ),
    "not_facts": (
        "The facts committed to in entry #{index}: they are not opened here.",
        "Les faits engagés dans l’écriture n° {index} : ils ne sont pas ouverts ici.",
    ),
    "not_understood": (
        "What entry #{index} says: this verifier does not understand its kind `{kind}`, version {version}. It is in "
        "its place in the log, unchanged.",
        "Ce que dit l’écriture n° {index} : ce vérificateur ne comprend pas sa nature « {kind} », version {version}. "
        "Elle est à sa place dans le journal, inchangée.",
    ),
    "not_keys": (
        "All that entry #{index} (`{kind}`, version {version}) says: this verifier does not understand its keys "
        "{keys}. It is in its place in the log, unchanged.",
        "Tout ce que dit l’écriture n° {index} (« {kind} », version {version}) : ce vérificateur ne comprend pas ses "
        "clés {keys}. Elle est à sa place dans le journal, inchangée.",
    ),
    "not_understood_more": (
        "What {count} more entries say that this verifier does not understand.",
        "Ce que disent {count} autres écritures que ce vérificateur ne comprend pas.",
    ),
    "not_redacted": (
        "What {count} redacted entries said.",
        "Ce que disaient {count} écritures effacées.",
    ),
    "anchors_torn": (
        "What the last line of the anchors file said: it is cut short and was left out.",
        "Ce que disait la dernière ligne du fichier d’ancrages : elle est tronquée et n’a pas été prise en compte.",
    ),
    # problems
    "too_large": ("The file is too large for a proof.", "Le fichier est trop gros pour une preuve."),
    "form_json": (
        "The file is not a proof, a receipt or an export of pacte: it cannot be read as such.",
        "Le fichier n’est ni une preuve, ni un reçu, ni un export de pacte : il ne peut être lu comme tel.",
    ),
    "form_bytes": (
        "The file is not in the one permitted spelling; some byte of it was changed.",
        "Le fichier n’est pas dans la seule écriture permise ; un de ses octets a été changé.",
    ),
    "form_keys": (
        "A part of the file has missing or unknown fields.",
        "Une partie du fichier a des champs manquants ou inconnus.",
    ),
    "form_value": ("The field `{name}` has a wrong form.", "Le champ « {name} » n’a pas la bonne forme."),
    "form_line": (
        "Line {line} is not in the one permitted spelling.",
        "La ligne {line} n’est pas dans la seule écriture permise.",
    ),
    "format": ("The file is of an unknown format.", "Le fichier est d’un format inconnu."),
    "vkey": ("The file’s key is malformed.", "La clé du fichier est mal formée."),
    "seal": (
        "The seal does not verify: the file is not what the log’s key sealed.",
        "Le sceau ne se vérifie pas : le fichier n’est pas ce que la clé du journal a scellé.",
    ),
    "key_differs": (
        "The file is not by the key that you know: another log, or one signed again with another key.",
        "Le fichier n’est pas de la clé que vous connaissez : un autre journal, ou un journal signé de nouveau avec "
        "une autre clé.",
    ),
    "kept_unsigned": (
        "A checkpoint that you kept was not signed by this file’s key: another log, or one signed again.",
        "Un point de contrôle que vous avez conservé n’a pas été signé par la clé de ce fichier : un autre journal, ou "
        "un journal signé de nouveau.",
    ),
    "anchor_unsigned": (
        "Line {line} of the anchors is malformed or not signed by this file’s key.",
        "La ligne {line} des ancrages est mal formée ou n’est pas signée par la clé de ce fichier.",
    ),
    "anchors_empty": ("The anchors file holds no anchor.", "Le fichier d’ancrages ne contient aucun ancrage."),
    "not_comparable": (
        "The checkpoint or anchor of {size} entries cannot be compared with this proof (of {proof} entries): ask for a "
        "proof that leads from it, or verify an export.",
        "Le point de contrôle ou l’ancrage de {size} écritures ne peut être comparé à cette preuve (de {proof} "
        "écritures) : demandez une preuve qui en part, ou vérifiez un export.",
    ),
    "not_comparable_later": (
        "Nothing here leads from this file (of {proof} entries) to the later checkpoint of {size} entries: take a "
        "newer receipt, or the continuation that the house publishes.",
        "Rien ici ne mène de ce fichier (de {proof} écritures) au point de contrôle ultérieur de {size} écritures : "
        "prenez un reçu plus récent, ou la continuation que la maison publie.",
    ),
    "kept_form": (
        "What you brought along to compare with is not a checkpoint, a receipt, a proof or a continuation.",
        "Ce que vous avez apporté pour comparer n’est ni un point de contrôle, ni un reçu, ni une preuve, ni une "
        "continuation.",
    ),
    "forked": (
        "This ledger was rewritten or forked: the later checkpoint of {size} entries does not continue this file’s, of "
        "{here} entries, and the same key signed both.",
        "Ce journal a été réécrit ou dédoublé : le point de contrôle ultérieur de {size} écritures ne prolonge pas "
        "celui de ce fichier, de {here} écritures, et la même clé a signé les deux.",
    ),
    "forked_between": (
        "This ledger was rewritten or forked: of what you brought along, the checkpoints of {size} and of {other} "
        "entries are of two different histories, and the same key signed both.",
        "Ce journal a été réécrit ou dédoublé : dans ce que vous avez apporté, les points de contrôle de {size} et de "
        "{other} écritures sont de deux histoires différentes, et la même clé a signé les deux.",
    ),
    "receipt_choice": (
        "The receipt is not of a choice that this file proves.",
        "Le reçu n’est pas celui d’un choix que ce fichier prouve.",
    ),
    "receipt_differs": (
        "The field `{name}` of the receipt does not say what entry #{index} says.",
        "Le champ « {name} » du reçu ne dit pas ce que dit l’écriture n° {index}.",
    ),
    "rewritten": (
        "The log was rewritten or forked: its first {size} entries are not those of the checkpoint or anchor that you "
        "kept.",
        "Le journal a été réécrit ou dédoublé : ses {size} premières écritures ne sont pas celles du point de contrôle "
        "ou de l’ancrage que vous avez conservé.",
    ),
    "cut_off": (
        "Entries were cut off: you kept a checkpoint or anchor of {size} entries, the export holds {here}.",
        "Des écritures ont été coupées : vous avez conservé un point de contrôle ou un ancrage de {size} écritures, "
        "l’export en contient {here}.",
    ),
    "checkpoint": (
        "The signed checkpoint does not verify.",
        "Le point de contrôle signé ne se vérifie pas.",
    ),
    "consistency": (
        "A path from an earlier checkpoint is malformed.",
        "Un chemin depuis un point de contrôle antérieur est mal formé.",
    ),
    "entries_order": (
        "The entries are not in the order of the log.",
        "Les écritures ne sont pas dans l’ordre du journal.",
    ),
    "entry_form": (
        "Entry #{index} is not in the permanent form of its kind.",
        "L’écriture n° {index} n’a pas la forme permanente de sa nature.",
    ),
    "other_person": (
        "Entry #{index} is about somebody else than this proof.",
        "L’écriture n° {index} concerne une autre personne que cette preuve.",
    ),
    "time_back": (
        "Entry #{index} is dated before the one that precedes it.",
        "L’écriture n° {index} est datée d’avant celle qui la précède.",
    ),
    "use_twice": ("Use #{index} is declared twice.", "L’usage n° {index} est déclaré deux fois."),
    "inclusion": (
        "Entry #{index} is not shown to be in the log.",
        "Il n’est pas montré que l’écriture n° {index} est dans le journal.",
    ),
    "membership": (
        "A proof of presence or absence does not lead to the sealed set of a use.",
        "Une preuve de présence ou d’absence ne mène pas à l’ensemble scellé d’un usage.",
    ),
    "facts": (
        "The facts given do not open the commitment of entry #{index}.",
        "Les faits donnés n’ouvrent pas l’engagement de l’écriture n° {index}.",
    ),
    "rules": (
        "Rules are attached that no entry of the file refers to.",
        "Des règles sont jointes auxquelles aucune écriture du fichier ne se réfère.",
    ),
    "genesis": (
        "The first entry does not begin this log with this key.",
        "La première écriture ne commence pas ce journal avec cette clé.",
    ),
    "export_cut": (
        "The export is cut short or does not hold as many entries as it says.",
        "L’export est tronqué ou ne contient pas autant d’écritures qu’il l’annonce.",
    ),
    "export_order": (
        "Line {line} is not the entry that must stand there.",
        "La ligne {line} n’est pas l’écriture qui doit s’y trouver.",
    ),
    "export_root": (
        "The signed checkpoint is not over these entries: some were changed, moved, added or taken away.",
        "Le point de contrôle signé ne porte pas sur ces écritures : certaines ont été changées, déplacées, ajoutées "
        "ou retirées.",
    ),
    # in plain words
    "brief_person": (
        "A proof about the person {subject}.",
        "Une preuve concernant la personne {subject}.",
    ),
    "brief_receipt": (
        "A receipt of the person {subject}, of the choice recorded as entry #{index}.",
        "Un reçu de la personne {subject}, du choix enregistré à l’écriture n° {index}.",
    ),
    "brief_log": (
        "Log {log}, key {key_id}; signed checkpoint of {size} entries.",
        "Journal {log}, clé {key_id} ; point de contrôle signé de {size} écritures.",
    ),
    "brief_log_known": (
        "Log {log}, key {key_id} (the one you know); signed checkpoint of {size} entries.",
        "Journal {log}, clé {key_id} (celle que vous connaissez) ; point de contrôle signé de {size} écritures.",
    ),
    "brief_compared": (
        "Compared with {what}: the log goes on from there, unchanged.",
        "Comparé avec {what} : le journal se poursuit à partir de là, sans changement.",
    ),
    "brief_compared_later": (
        "Compared with a later checkpoint of {size} entries: it continues this one, unchanged.",
        "Comparé avec un point de contrôle ultérieur de {size} écritures : il prolonge celui-ci, sans changement.",
    ),
    "brief_anchors_one": ("an anchor of {day}", "un ancrage du {day}"),
    "brief_anchors_many": (
        "{count} anchors, the latest of {day}",
        "{count} ancrages, le dernier du {day}",
    ),
    "brief_checkpoints_one": (
        "an earlier checkpoint of {size} entries",
        "un point de contrôle antérieur de {size} écritures",
    ),
    "brief_checkpoints_many": (
        "{count} earlier checkpoints, the largest of {size} entries",
        "{count} points de contrôle antérieurs, le plus grand de {size} écritures",
    ),
    "and": (" and ", " et "),
    "brief_entry": ("{index} · {day} · {what}", "{index} · {day} · {what}"),
    "brief_export": (
        "The whole ledger: {size} entries, the readable ones from {first} to {last}.",
        "Le journal entier : {size} écritures, les lisibles du {first} au {last}.",
    ),
    "brief_redacted_one": (
        "{count} entry is redacted; its commitment is in place.",
        "{count} écriture est occultée ; son empreinte est en place.",
    ),
    "brief_redacted_many": (
        "{count} entries are redacted; their commitments are in place.",
        "{count} écritures sont occultées ; leurs empreintes sont en place.",
    ),
    "person": ("the person", "la personne"),
    "guardian": ("the person’s guardian", "son représentant légal"),
    "purpose": ("{purpose}", "« {purpose} »"),
    "purpose_all_sale": ("every sale or sharing of the data", "toute vente ou tout partage des données"),
    "purpose_all_sensitive": (
        "every use of sensitive data beyond what is needed",
        "tout usage des données sensibles au-delà du nécessaire",
    ),
    "purpose_all_automated": ("every decision made by machines", "toute décision prise par des machines"),
    "purpose_all_after_death": ("the use of the data after death", "l’usage des données après la mort"),
    "every_purpose": ("every purpose", "toutes les finalités"),
    "by_email": ("by e-mail", "par courriel"),
    "by_sms": ("by text message", "par SMS"),
    "by_phone": ("by telephone", "par téléphone"),
    "by_post": ("by post", "par courrier"),
    "by_push": ("by notification", "par notification"),
    "by_messaging": ("by instant message", "par messagerie"),
    "by_web": ("on the web site", "sur le site web"),
    "by_app": ("in the app", "dans l’application"),
    "by_channel": ("by {channel}", "par « {channel} »"),
    "to_recipient": ("for {recipient}", "pour « {recipient} »"),
    "plain_genesis": ("the log begins", "le journal commence"),
    "plain_policy": ("a policy takes effect", "une politique prend effet"),
    "plain_policy_rules": (
        "a policy takes effect; its rules are in this file",
        "une politique prend effet ; ses règles sont dans ce fichier",
    ),
    "plain_notice": (
        "an information text is recorded: version {version}, {locale}",
        "un texte d’information est enregistré : version {version}, {locale}",
    ),
    "plain_fact": ("facts about the person: {facts}", "faits sur la personne : {facts}"),
    "plain_fact_sealed": ("facts about the person, sealed", "faits sur la personne, scellés"),
    "plain_fact_place": ("place {value}", "lieu {value}"),
    "plain_fact_age": ("{value}", "{value}"),
    "plain_fact_capacity": ("{value}", "{value}"),
    "plain_fact_minor_until": ("minor until {value}", "minorité jusqu’au {value}"),
    "plain_fact_contract_since": ("contract since {value}", "contrat depuis le {value}"),
    "plain_fact_contract_until": ("contract until {value}", "contrat jusqu’au {value}"),
    "plain_fact_unknown": ("no longer known: {value}", "n’est plus connu : {value}"),
    "plain_fact_guardian": ("guardian {value}", "représentant légal {value}"),
    "plain_collection": (
        "data of the person collected: {dataset}, from {source}",
        "données de la personne collectées : {dataset}, source {source}",
    ),
    "plain_told": ("the person is informed: {how}", "la personne est informée : {how}"),
    "plain_given": ("{who} said yes to {what}", "{who} a dit oui à {what}"),
    "plain_refused": ("{who} said no to {what}", "{who} a dit non à {what}"),
    "plain_withdrawn": ("{who} withdrew the consent to {what}", "{who} a retiré le consentement à {what}"),
    "plain_objected": ("{who} objected to {what}", "{who} a fait opposition à {what}"),
    "plain_objection_lifted": ("{who} lifted the objection to {what}", "{who} a levé l’opposition à {what}"),
    "plain_objection_overruled": (
        "the company overruled the objection to {what}, for compelling grounds: {reason}",
        "l’entreprise a écarté l’opposition à {what}, pour des motifs impérieux : {reason}",
    ),
    "plain_restricted": (
        "{who} had the use of the data restricted",
        "{who} a fait limiter l’usage des données",
    ),
    "plain_restriction_lifted": ("{who} lifted the restriction", "{who} a levé la limitation"),
    "plain_form": (
        "what the form `{name}` shows is recorded: {locale}",
        "ce que montre le formulaire « {name} » est inscrit : {locale}",
    ),
    "plain_preference": (
        "the person says how they want to be reached by {channel}: {setting} {value}",
        "la personne dit comment elle souhaite être contactée, par {channel} : {setting} {value}",
    ),
    "plain_load": ("a file is loaded: {dataset}, from {source}", "un fichier est chargé : {dataset}, source {source}"),
    "people_one": ("{count} person", "{count} personne"),
    "people_many": ("{count} people", "{count} personnes"),
    "plain_use": (
        "data used for {what}: a set of {people}; whether this person is in it is not shown",
        "données utilisées pour {what} : un ensemble de {people} ; que cette personne y soit ou non n’est pas montré",
    ),
    "plain_use_in": (
        "data used for {what}: a set of {people}; this person IS in it",
        "données utilisées pour {what} : un ensemble de {people} ; cette personne EN FAIT PARTIE",
    ),
    "plain_use_out": (
        "data used for {what}: a set of {people}; this person IS NOT in it",
        "données utilisées pour {what} : un ensemble de {people} ; cette personne N’EN FAIT PAS PARTIE",
    ),
    "plain_use_one": (
        "data used for {what}: those of this person alone",
        "données utilisées pour {what} : celles de cette personne seule",
    ),
    "plain_use_message": (
        "data used to write to this person, for {what}",
        "données utilisées pour écrire à cette personne, pour {what}",
    ),
    "plain_segment_saved": (
        "the segment `{name}` is saved, for {purpose}",
        "le segment « {name} » est enregistré, pour {purpose}",
    ),
    "plain_segment_removed": (
        "the segment `{name}` is removed",
        "le segment « {name} » est retiré",
    ),
    "plain_message_saved": (
        "the message `{name}` is saved, for {purpose} by {channel}",
        "le message « {name} » est enregistré, pour {purpose} par {channel}",
    ),
    "plain_message_removed": (
        "the message `{name}` is removed",
        "le message « {name} » est retiré",
    ),
    "plain_campaign_started": (
        "a campaign begins, for {purpose} by {channel}",
        "une campagne commence, pour {purpose} par {channel}",
    ),
    "plain_campaign_held": (
        "a campaign is held, for {purpose} by {channel}",
        "une campagne est suspendue, pour {purpose} par {channel}",
    ),
    "plain_campaign_resumed": (
        "a campaign goes on, for {purpose} by {channel}",
        "une campagne reprend, pour {purpose} par {channel}",
    ),
    "plain_campaign_stopped": (
        "a campaign is stopped, for {purpose} by {channel}",
        "une campagne est arrêtée, pour {purpose} par {channel}",
    ),
    "plain_campaign_ended": (
        "a campaign ends, for {purpose} by {channel}",
        "une campagne se termine, pour {purpose} par {channel}",
    ),
    "plain_suppressed_added": (
        "an address is suppressed for {channel}: {reason}",
        "une adresse est mise en liste d’opposition pour {channel} : {reason}",
    ),
    "plain_suppressed_lifted": (
        "an address is no longer suppressed for {channel}: {reason}",
        "une adresse n’est plus en liste d’opposition pour {channel} : {reason}",
    ),
    "plain_export_made": (
        "a list is made for use outside, for {purpose} by {channel}",
        "une liste est faite pour servir ailleurs, pour {purpose} par {channel}",
    ),
    "plain_export_collected": (
        "a list is collected, for {purpose} by {channel}",
        "une liste est retirée, pour {purpose} par {channel}",
    ),
    "plain_export_ended": (
        "a list ends, for {purpose} by {channel}",
        "une liste prend fin, pour {purpose} par {channel}",
    ),
    "plain_list_entered": (
        "a list of {source} is entered, with the proof of whoever gave it",
        "une liste de {source} est reçue, avec la preuve de qui l’a donnée",
    ),
    "plain_list_told": (
        "the people of a list of {source} are told",
        "les personnes d’une liste de {source} sont informées",
    ),
    "plain_list_refused": (
        "a list of {source} is refused",
        "une liste de {source} est refusée",
    ),
    "plain_strange": (
        "not understood by this verifier: `{kind}`",
        "non comprise par ce vérificateur : « {kind} »",
    ),
    "plain_look": (
        "somebody looked at the person’s record: {reason}",
        "quelqu’un a consulté le dossier de la personne : {reason}",
    ),
    "plain_sought": (
        "somebody is sought, and nobody is shown: {reason}",
        "une personne est cherchée, et rien n’est montré de quiconque : {reason}",
    ),
    "plain_recipient_told": (
        "the recipient {recipient} is told of what the person said: {how}",
        "le destinataire {recipient} est informé de ce que la personne a dit : {how}",
    ),
    "plain_stop": ("stop of {scope}: {reason}", "arrêt de {scope} : {reason}"),
    "plain_stop_lifted": ("stop of {scope} lifted: {reason}", "arrêt de {scope} levé : {reason}"),
    "plain_look_aside": (
        "somebody looked at the rows that load {load} had set aside: {reason}",
        "quelqu’un a consulté les lignes écartées du chargement {load} : {reason}",
    ),
    "plain_keys_rotated": (
        "every key of the house is wrapped again, under version {epoch}",
        "toutes les clés de la maison sont chiffrées de nouveau, sous la version {epoch}",
    ),
    "plain_keys_ended": (
        "version {epoch} of the house’s key is destroyed: what was shredded under it is gone for good",
        "la version {epoch} de la clé de la maison est détruite : ce qui fut détruit sous elle l’est sans retour",
    ),
    "plain_erasure_restricted": (
        "an erasure begins: the person’s data are out of use",
        "un effacement commence : les données de la personne ne servent plus",
    ),
    "plain_erasure_done": (
        "the person’s data are erased, their key destroyed",
        "les données de la personne sont effacées, leur clé détruite",
    ),
    "plain_erasure_evidence_ended": (
        "the sealed evidence has ended, its key is destroyed",
        "les éléments de preuve scellés ont pris fin, leur clé est détruite",
    ),
    "aside_effective": ("effective {day}", "effet le {day}"),
    "aside_until": ("until {day}", "jusqu’au {day}"),
    "aside_proof": ("proof: {grade}", "preuve : {grade}"),
    "aside_unauthenticated": ("identity not checked", "identité non vérifiée"),
    "aside_signal": ("browser signal {signal}", "signal du navigateur {signal}"),
    "aside_advice": (
        "advice of the data protection officer: {advice}",
        "avis du délégué à la protection des données : {advice}",
    ),
    "aside_processor": ("as processor for {behalf}", "comme sous-traitant de {behalf}"),
    "aside_evidence": ("evidence kept until {day}", "preuves gardées jusqu’au {day}"),
    "aside_clock": ("the house’s clock stood back at {clock}", "l’horloge de la maison retardait, à {clock}"),
    "aside_source": ("source {source}", "source {source}"),
    "aside_continues": (
        "it takes the place of the log {log} of {size} entries",
        "il prend la place du journal {log} de {size} écritures",
    ),
    "aside_strange": (
        "and more that this verifier does not understand",
        "et plus, que ce vérificateur ne comprend pas",
    ),
    "aside_stands": ("it stands on #{index}", "fondé sur #{index}"),
    "answer_both": (
        "The house’s signed answer, by what was known then and by what was true then: {answer}.",
        "Réponse signée de la maison, selon ce qui était connu alors et selon ce qui était vrai alors : {answer}.",
    ),
    "answer_known": (
        "The house’s signed answer, by what was known then: {answer}.",
        "Réponse signée de la maison, selon ce qui était connu alors : {answer}.",
    ),
    "answer_true": (
        "The house’s signed answer, by what was true then, as learnt since: {answer}.",
        "Réponse signée de la maison, selon ce qui était vrai alors, appris depuis : {answer}.",
    ),
    "answer_yes": ("PERMITTED", "AUTORISÉ"),
    "article_art": ("Art. ", "art. "),
    "article_to": (" to ", " à "),
    "article_and": (" and ", " et "),
    "article_gdpr": ("GDPR, {article}", "RGPD, {article}"),
    "answer_no": ("DENIED", "REFUSÉ"),
    "because_unknown_person": ("because the person is not known", "car la personne n’est pas connue"),
    "because_unknown_purpose": (
        "because the policy in force did not declare this purpose",
        "car la politique en vigueur ne déclarait pas cette finalité",
    ),
    "because_stopped": ("because the purpose was stopped", "car la finalité était arrêtée"),
    "because_erased": ("because the person’s data were erased", "car les données de la personne étaient effacées"),
    "because_erasing": ("because an erasure was under way", "car un effacement était en cours"),
    "because_restricted": (
        "because the use of the person’s data was restricted",
        "car l’usage des données de la personne était limité",
    ),
    "because_not_informed": (
        "because the person had not been told of this purpose with these data",
        "car la personne n’avait pas été informée de cette finalité avec ces données",
    ),
    "because_deceased": ("because the person had died", "car la personne était décédée"),
    "because_wrong_capacity": (
        "because the purpose is not meant for this person",
        "car la finalité ne s’adresse pas à cette personne",
    ),
    "because_age_unknown": ("because the age was unknown", "car l’âge était inconnu"),
    "because_too_young": (
        "because the person was younger than the purpose allows",
        "car la personne était plus jeune que la finalité ne l’admet",
    ),
    "because_under_age_no_guardian": (
        "because the person was under age, without a parent’s agreement",
        "car la personne était trop jeune, sans l’accord d’un parent",
    ),
    "because_never_asked": (
        "because the person had never said yes",
        "car la personne n’avait jamais dit oui",
    ),
    "because_refused": ("because the person had said no", "car la personne avait dit non"),
    "because_withdrawn": ("because the person had withdrawn", "car la personne avait retiré son consentement"),
    "because_objected": ("because the person had objected", "car la personne s’était opposée"),
    "because_opt_out_signal": (
        "because the person had objected through a browser signal",
        "car la personne s’était opposée par un signal du navigateur",
    ),
    "because_expired": ("because the yes was too old", "car le oui était trop ancien"),
    "because_proof_too_weak": (
        "because the proof of the yes was too weak",
        "car la preuve du oui était trop faible",
    ),
    "because_no_contract": ("because there was no contract", "car il n’y avait pas de contrat"),
    "because_contract_ended": ("because the contract had ended", "car le contrat avait pris fin"),
    "because_undeclared_field": (
        "because a field was asked that the purpose does not declare",
        "car un champ demandé n’est pas déclaré par la finalité",
    ),
    "because_rule_error": (
        "because a rule could not be evaluated",
        "car une règle n’a pas pu être évaluée",
    ),
    "because_facts_missing": ("because a needed fact was unknown", "car un fait nécessaire manquait"),
    "because_evidence_expired": (
        "because the evidence has ended: the reasons can no longer be worked out",
        "car les éléments de preuve ont pris fin : les motifs ne peuvent plus être recalculés",
    ),
    "because_other": ("for the reason `{reason}`", "pour le motif « {reason} »"),
    "short_not_omission": ("that nothing was left out", "que rien n’a été omis"),
    "short_not_truth": ("that what was recorded is true", "que ce qui est enregistré est vrai"),
    "short_not_identity": ("who the person is", "qui est la personne"),
    "short_not_time": (
        "the time otherwise than by the house’s own clock",
        "l’heure autrement que par l’horloge de la maison",
    ),
    "short_not_time_anchored": (
        "the time otherwise than by the house’s own clock and by whoever kept the anchors",
        "l’heure autrement que par l’horloge de la maison et par qui a gardé les ancrages",
    ),
    "short_not_member": (
        "whether this person was in the set of use #{index}",
        "si cette personne était dans l’ensemble de l’usage #{index}",
    ),
    "short_receipt_words": (
        "that the words around the choice are in the log",
        "que les mots autour du choix sont dans le journal",
    ),
    "short_not_rules": ("the rules of use #{index}", "les règles de l’usage #{index}"),
    "short_not_facts": ("the facts sealed in #{index}", "les faits scellés dans #{index}"),
    "short_not_understood": ("what entry #{index} says", "ce que dit l’écriture #{index}"),
    "short_not_keys": ("all that entry #{index} says", "tout ce que dit l’écriture #{index}"),
    "short_not_understood_more": (
        "what {count} more entries say",
        "ce que disent {count} autres écritures",
    ),
    "short_not_redacted": ("what the redacted entries said", "ce que disaient les écritures occultées"),
    "short_anchors_torn": (
        "what the last, torn line of the anchors said",
        "ce que disait la dernière ligne, tronquée, des ancrages",
    ),
    "warn_nothing": (
        "Neither the key nor an earlier checkpoint or anchor was given: a log rewritten from its beginning would "
        "verify as well. Give `--key` as the house published it, and `--anchors` or `--checkpoint`.",
        "Ni la clé ni un point de contrôle ou un ancrage antérieur n’ont été fournis : un journal réécrit depuis le "
        "début passerait aussi. Donnez « --key », telle que la maison l’a publiée, et « --anchors » ou "
        "« --checkpoint ».",
    ),
    "warn_only_key": (
        "No earlier checkpoint or anchor was given: the holder of the key could have rewritten the log and signed it "
        "again. Give `--anchors` or `--checkpoint`.",
        "Aucun point de contrôle ni ancrage antérieur n’a été fourni : le détenteur de la clé pourrait avoir réécrit "
        "le journal et signé de nouveau. Donnez « --anchors » ou « --checkpoint ».",
    ),
    "warn_no_key": (
        "The key was not given: the file brings its own. Give `--key` as the house published it.",
        "La clé n’a pas été fournie : le fichier apporte la sienne. Donnez « --key », telle que la maison l’a publiée.",
    ),
    "warn_strange_one": (
        "{count} entry is, wholly or in part, not understood by this verifier: it verifies as a part of the log, and "
        "what it says is not shown. A newer verifier may understand it.",
        "{count} écriture n’est pas comprise, en tout ou partie, par ce vérificateur : elle se vérifie comme partie du "
        "journal, et ce qu’elle dit n’est pas montré. Un vérificateur plus récent la comprendra peut-être.",
    ),
    "warn_strange_many": (
        "{count} entries are, wholly or in part, not understood by this verifier: they verify as parts of the log, and "
        "what they say is not shown. A newer verifier may understand them.",
        "{count} écritures ne sont pas comprises, en tout ou partie, par ce vérificateur : elles se vérifient comme "
        "parties du journal, et ce qu’elles disent n’est pas montré. Un vérificateur plus récent les comprendra "
        "peut-être.",
    ),
    "warn_contradicts": (
        "The house’s answer contradicts the set that it recorded at the time.",
        "La réponse de la maison contredit l’ensemble qu’elle a enregistré à l’époque.",
    ),
    "part_form": ("the form of the file", "la forme du fichier"),
    "part_key": ("the key", "la clé"),
    "part_seal": ("the seal of the file", "le sceau du fichier"),
    "part_receipt": ("what the receipt says", "ce que dit le reçu"),
    "part_checkpoint": ("the signed checkpoint", "le point de contrôle signé"),
    "part_kept": ("the comparison with what was kept elsewhere", "la comparaison avec ce qui a été conservé ailleurs"),
    "part_entries": ("the entries", "les écritures"),
    "part_membership": ("the set of a use", "l’ensemble d’un usage"),
    "part_facts": ("the facts", "les faits"),
    "part_rules": ("the rules", "les règles"),
    # the report
    "head_brief_not": ("Does not show: {what}.", "Ne montre pas : {what}."),
    "head_failed": ("What fails: {parts}.", "Ce qui ne passe pas : {parts}."),
    "unreliable": (
        "Do not rely on this file: nothing that it says has been shown.",
        "Ne vous fiez pas à ce fichier : rien de ce qu’il dit n’a été montré.",
    ),
    "more_problems": ("… and {count} more, with `--details`", "… et {count} autres, avec « --details »"),
    "more": (
        "Dates are in UTC. Everything that was checked: `--details`.",
        "Les dates sont en UTC. Tout ce qui a été vérifié : « --details ».",
    ),
    "verifies": ("VERIFIES", "VÉRIFIÉ"),
    "fails": ("DOES NOT VERIFY", "NON VÉRIFIÉ"),
    "head_shows": ("What this shows:", "Ce que cela montre :"),
    "head_not": ("What this does not show:", "Ce que cela ne montre pas :"),
    "head_problems": ("What is wrong:", "Ce qui ne va pas :"),
    "unreadable": (
        "cannot read `{path}`; expected a file that you may read",
        "impossible de lire « {path} » ; un fichier lisible était attendu",
    ),
    "unusable_key": (
        "`--key` is not a verifier key; expected NAME+IDENTIFIER+KEY, as the house publishes it",
        "« --key » n’est pas une clé de vérification ; NOM+IDENTIFIANT+CLÉ, telle que la maison la publie, était "
        "attendu",
    ),
}
_LABELS: dict[str, tuple[str, str]] = {
    "role": ("role", "qualité"),
    "controller": ("controller", "responsable du traitement"),
    "joint_controller": ("joint controller", "responsable conjoint"),
    "processor": ("processor", "sous-traitant"),
    "behalf": ("on behalf of", "pour le compte de"),
    "jointly": ("jointly with", "conjointement avec"),
    "by": ("recorded by", "enregistré par"),
    "house": ("house", "maison"),
    "origin": ("log", "journal"),
    "policy": ("policy", "politique"),
    "advice": ("advice of the data protection officer", "avis du délégué à la protection des données"),
    "not_sought": ("not sought", "non demandé"),
    "favourable": ("favourable", "favorable"),
    "reserved": ("with reservations", "réservé"),
    "unfavourable": ("unfavourable", "défavorable"),
    "advice_text": ("text of the advice", "texte de l’avis"),
    "advised_by": ("advised by", "avis donné par"),
    "rules": ("rules", "règles"),
    "decider": ("decider", "décideur"),
    "effective": ("effective", "effet"),
    "learned": ("learned", "appris"),
    "expires": ("expires", "expire"),
    "as_of": ("as of", "à la date du"),
    "until": ("set kept until", "ensemble gardé jusqu’au"),
    "within": ("within the use", "dans l’usage"),
    "evidence_until": ("evidence kept until", "preuves gardées jusqu’au"),
    "suppressed_until": ("kept out until", "tenu à l’écart jusqu’au"),
    "backups_until": ("in backups until", "dans les sauvegardes jusqu’au"),
    "kept": ("kept", "gardé"),
    "known": ("entries known", "écritures connues"),
    "notice": ("notice", "information"),
    "notice_version": ("version of the notice", "version de l’information"),
    "locale": ("language", "langue"),
    "name": ("name", "nom"),
    "picture": ("picture", "image"),
    "purpose": ("purpose", "finalité"),
    "purposes": ("purposes", "finalités"),
    "says": ("what else it says", "ce qu’elle dit de plus"),
    "categories": ("categories", "catégories"),
    "fields": ("fields", "champs"),
    "channel": ("channel", "canal"),
    "recipient": ("recipient", "destinataire"),
    "act": ("choice", "choix"),
    "given": ("given", "donné"),
    "refused": ("refused", "refusé"),
    "withdrawn": ("withdrawn", "retiré"),
    "objected": ("objected", "opposition"),
    "objection_lifted": ("objection lifted", "opposition levée"),
    "objection_overruled": ("objection overruled", "opposition écartée"),
    "restricted": ("restricted", "limitation"),
    "restriction_lifted": ("restriction lifted", "limitation levée"),
    "method": ("method", "moyen"),
    "grade": ("strength of the proof", "force de la preuve"),
    "voice": ("voice", "voix"),
    "self": ("the person", "la personne"),
    "guardian": ("the guardian", "le représentant légal"),
    "authenticated": ("authenticated", "authentifié"),
    "counts": ("counts", "comptes"),
    "permitted": ("permitted", "autorisés"),
    "candidates": ("candidates", "candidats"),
    "domain": ("domain", "domaine"),
    "reason": ("reason", "motif"),
    "scope": ("scope", "portée"),
    "step": ("step", "étape"),
    "epoch": ("key version", "version de clé"),
    "how": ("how", "comment"),
    "source": ("source", "source"),
    "dataset": ("dataset", "jeu de données"),
    "double_opt_in": ("double opt-in", "double opt-in, lien de confirmation"),
    "form": ("form", "formulaire"),
    "paper": ("paper", "papier"),
    "attested": ("attested by staff", "attestée par le personnel"),
    "none": ("none", "aucune"),
    "adult": ("adult", "personne majeure"),
    "minor": ("minor", "personne mineure"),
    "over_13": ("13 or over, as declared", "13 ans ou plus, selon sa déclaration"),
    "over_14": ("14 or over, as declared", "14 ans ou plus, selon sa déclaration"),
    "over_15": ("15 or over, as declared", "15 ans ou plus, selon sa déclaration"),
    "over_16": ("16 or over, as declared", "16 ans ou plus, selon sa déclaration"),
    "consumer": ("consumer", "clientèle à titre privé"),
    "professional": ("professional", "clientèle à titre professionnel"),
    "prospect": ("prospect", "prospect"),
    "former": ("former customer", "ancienne clientèle"),
    "deceased": ("deceased", "personne décédée"),
    "kinds_api_key": ("keys for programs", "clés pour programmes"),
    "kinds_choice": ("choices", "choix"),
    "kinds_collection": ("collections", "collectes"),
    "kinds_erasure": ("erasure steps", "étapes d’effacement"),
    "kinds_fact": ("facts", "faits"),
    "kinds_form": ("forms shown", "formulaires montrés"),
    "kinds_genesis": ("beginning", "début"),
    "kinds_keys": ("key changes", "changements de clé"),
    "kinds_load": ("loads", "chargements"),
    "kinds_look": ("looks", "consultations"),
    "kinds_look_aside": ("looks at rows set aside", "consultations de lignes écartées"),
    "kinds_notice": ("information texts", "informations"),
    "kinds_policy": ("policies", "politiques"),
    "kinds_preference": ("preferences", "préférences"),
    "kinds_recipient_told": ("recipients told", "destinataires informés"),
    "kinds_sought": ("searches that showed nobody", "recherches qui n’ont montré personne"),
    "kinds_stop": ("stops", "arrêts"),
    "kinds_stop_lifted": ("stops lifted", "arrêts levés"),
    "kinds_campaign": ("campaigns", "campagnes"),
    "kinds_export": ("lists for use outside", "listes pour servir ailleurs"),
    "kinds_list": ("partners’ lists", "listes de partenaires"),
    "kinds_message": ("messages", "messages"),
    "kinds_segment": ("segments", "segments"),
    "kinds_suppressed": ("suppressions", "mises en liste d’opposition"),
    "kinds_strange": ("not understood", "non comprises"),
    "kinds_told": ("people told", "personnes informées"),
    "kinds_use": ("uses", "usages"),
}


# --- the command line ------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one file and print what it shows; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="verifier", description="Verify a pacte proof, receipt or ledger export, alone."
    )
    parser.add_argument("file", help="a proof, a receipt or an export")
    parser.add_argument("--checkpoint", action="append", default=[], help="a checkpoint or receipt of another time")
    parser.add_argument("--key", help="the log's verifier key as you know it")
    parser.add_argument("--anchors", help="an anchors.log kept elsewhere")
    parser.add_argument("--details", action="store_true", help="say everything that was checked")
    parser.add_argument("--lang", choices=_LANGUAGES, default="en")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    say = _Words(options.lang)
    try:
        checkpoints = [_read(path) for path in options.checkpoint]
        anchors = _read(options.anchors) if options.anchors else None
    except OSError as error:
        return _cannot_start(say("unreadable", path=error.filename), options.json)
    if options.key is not None:
        try:
            _parse_key(options.key.strip())
        except _Refused:
            return _cannot_start(say("unusable_key"), options.json)
    outside = {"checkpoints": checkpoints, "key": options.key, "anchors": anchors, "lang": options.lang}
    try:
        with Path(options.file).open("rb") as file:
            report = verify_file(file, **outside)
    except OSError as error:
        return _cannot_start(say("unreadable", path=error.filename or options.file), options.json)
    if options.json:
        _print(json.dumps(asdict(report), ensure_ascii=False, indent=1))
    else:
        told = _in_full(report, say) if options.details else _in_brief(report, say)
        _print("\n".join([_title(report.ok, say), *told]))
    return VERIFIES if report.ok else DOES_NOT_VERIFY


def _title(ok: bool, say: _Words) -> str:
    """The first line: whether it verifies, in colour where somebody watches."""
    words = say("verifies" if ok else "fails")
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[1;{32 if ok else 31}m{words}\x1b[0m" if coloured else words


def _in_brief(report: Report, say: _Words) -> list[str]:
    brief = report.summary
    if not report.ok:
        shown = list(report.problems[:SHOWN_PROBLEMS])
        if more := len(report.problems) - len(shown):
            shown.append(say("more_problems", count=more))
        failed = say("head_failed", parts=", ".join(brief.failed))
        return [*_wrapped(failed), *_wrapped(*shown, mark="✗ "), "", *_wrapped(say("unreliable"))]
    unshown = say("head_brief_not", what=say.listed(brief.does_not_show))
    lines = [*_wrapped(*brief.warnings, mark="! "), ""] if brief.warnings else []
    lines += [*_wrapped(*brief.heading), "", *_wrapped(*brief.entries, hang=4), ""]
    lines += [*_wrapped(*brief.answers), ""] if brief.answers else []
    return [*lines, *_wrapped(unshown, say("more"))]


def _in_full(report: Report, say: _Words) -> list[str]:
    lines = _wrapped(*report.summary.warnings, mark="! ")
    for heading, parts in (
        ("head_problems", report.problems),
        ("head_shows", report.shows),
        ("head_not", report.does_not_show),
    ):
        if parts:
            lines += ["", say(heading), *_wrapped(*parts, mark="- ")]
    return lines


def _wrapped(*paragraphs: str, mark: str = "", hang: int = 0) -> list[str]:
    """Paragraphs as lines that fit the terminal; digests are never broken."""
    width = max(40, min(shutil.get_terminal_size().columns, WIDEST) - 2)
    hanging = " " * (hang or len(mark))
    fold = textwrap.TextWrapper(
        width, initial_indent=mark, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )
    return [line for paragraph in paragraphs for line in fold.wrap(paragraph)]


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def _print(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(errors="replace") + b"\n")
    sys.stdout.buffer.flush()


def _cannot_start(message: str, as_json: bool) -> int:
    error = {"error": message, "exit_code": CANNOT_START}
    sys.stderr.write((json.dumps(error, ensure_ascii=False) if as_json else f"✗ {message}") + "\n")
    return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
