"""Whatever is given to the verifier, it answers; it never falls over."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pacte import verifier

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)
KEEP = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@given(st.binary(max_size=300), st.binary(max_size=60), st.text(max_size=60))
@example(b"", b"", "")
@example(b'{"format":"pacte-ledger/1"', b"\n", "+")
@example(b'{"format":"pacte-ledger/1","size":0,"vkey":""}\n{"checkpoint":""}\n', b"\n\n", "a+00000000+AA==")
def test_random_bytes(data: bytes, other: bytes, key: str) -> None:
    """Random bytes do not verify, as a file, a checkpoint, anchors or a key."""
    report = verifier.verify_bytes(data, checkpoints=[other], anchors=other, key=key)
    assert not report.ok
    assert report.problems


@given(JSON)
def test_random_json(value: Any) -> None:
    """Any JSON, in either spelling, does not verify."""
    for spelling in (json.dumps(value, sort_keys=True, indent=1), json.dumps(value), '{"format":"pacte-ledger/1",'):
        assert not verifier.verify_bytes((spelling + "\n").encode()).ok


@KEEP
@given(st.data())
def test_mutated_proofs_sealed_by_the_house(story: Any, data: st.DataObject) -> None:
    """A proof with values replaced by any others, sealed again by the log's key, never makes the verifier fall over."""
    document = json.loads(story.proof())
    places = list(_places(document))
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(places))
        replacement = data.draw(JSON | st.sampled_from([holder[k] for holder, k in places]))
        if isinstance(holder, list) and key >= len(holder):
            continue
        holder[key] = replacement
    try:
        bare = {name: value for name, value in document.items() if name != "seal"}
        seal = verifier.base64.b64encode(story.signer.sign(b"pacte-proof/1\n" + verifier._canonical(bare))).decode()
        sealed = verifier._pretty({**bare, "seal": seal})
    except (verifier._Refused, RecursionError, ValueError):
        return  # such a document has no bytes
    report = verifier.verify_bytes(sealed, checkpoints=[story.checkpoints[3]], anchors=story.anchors)
    assert report.ok == (not report.problems)


@KEEP
@given(st.data())
def test_mutated_exports(story: Any, data: st.DataObject) -> None:
    """An export with values replaced in its lines never makes the verifier fall over, and never verifies."""
    lines = story.export().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    item = json.loads(lines[number])
    holder, key = data.draw(st.sampled_from(list(_places(item))))
    before = holder[key]
    holder[key] = data.draw(JSON)
    try:
        lines[number] = verifier._canonical(item)
    except verifier._Refused:
        return
    report = verifier.verify_bytes(b"\n".join(lines) + b"\n")
    assert report.ok == (type(before) is type(holder[key]) and before == holder[key])


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 10_000_000,
        b'{"a":' * 1_000_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"9" * 10_000_000,
        b'{"index":' + b"9" * 100_000 + b"}",
        b"\x00" * 10_000_000,
        b'"' + b"a" * 10_000_000 + b'"\n',
        b"[" + b"1," * 2_000_000 + b"1]\n",
        b"\n" * 10_000_000,
        b'{"format":"pacte-ledger/1","size":1000000,"vkey":""}\n' + b"\n" * 1_000_000,
        b"1e400\n",
        b"NaN\n",
        b'"\\ud800"\n',
        b'{"a":1,"a":1}\n',
    ],
    ids=range(14),
)
def test_large_and_deep_garbage(data: bytes) -> None:
    """Ten megabytes, a million levels, an integer of ten million digits: refused, in seconds."""
    assert not verifier.verify_bytes(data).ok


def test_too_large_for_a_proof() -> None:
    """A file beyond the limit of proofs is refused unread."""
    assert "too large" in verifier.verify_bytes(bytes(verifier.LARGEST_PROOF + 1)).problems[0]


def test_it_stands_alone() -> None:
    """The verifier imports the standard library and `cryptography`, nothing else."""
    tree = ast.parse(Path(verifier.__file__).read_text(encoding="utf-8"))
    names = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in names}
    assert roots <= sys.stdlib_module_names | {"cryptography"}


def test_as_a_program(story: Any, tmp_path: Path) -> None:
    """Run as one file in an isolated interpreter it prints words or JSON and returns 0, 7 or 2."""
    (tmp_path / "proof.json").write_bytes(story.proof())
    (tmp_path / "export.jsonl").write_bytes(story.export())
    (tmp_path / "bad.json").write_bytes(b"{}\n")
    (tmp_path / "old.txt").write_text(story.checkpoints[3], encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        command = [sys.executable, "-I", verifier.__file__, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    outside = ("--checkpoint", "old.txt", "--key", story.signer.vkey, "--anchors", str(story.path / "anchors.log"))
    code, out, _ = run("proof.json", *outside, "--lang", "fr")
    assert (code, out.split("\n")[0]) == (0, "VÉRIFIÉ")
    code, out, _ = run("export.jsonl", *outside, "--json")
    assert code == 0
    assert json.loads(out)["ok"] is True
    code, out, _ = run("bad.json")
    assert (code, out.split("\n")[0]) == (7, "DOES NOT VERIFY")
    for wrong in (
        ("none.json",),
        ("proof.json", "--key", "x"),
        ("proof.json", "--lang", "de"),
        ("proof.json", "--x"),
        (),
    ):
        code, _, err = run(*wrong)
        assert code == 2
        assert err


def _places(value: Any) -> Any:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _places(inner)
