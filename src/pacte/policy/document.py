"""Loading the policy: one file in, one checked value out, or all of its mistakes at once."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path as FilePath

from pacte.kernel.errors import BadInput, NotFound, PolicyError
from pacte.policy.checks import check
from pacte.policy.mistakes import Mistakes, validate
from pacte.policy.model import PolicyFile
from pacte.policy.tree import LARGEST_BYTES, Tree, Unreadable, read_tree

__all__ = ["PolicyFile", "load_policy", "load_policy_text", "read_yaml"]


def load_policy(path: FilePath) -> PolicyFile:
    """Read and check a policy file; raises `PolicyError` with every mistake as `policy.yaml:LINE: message`.

    Also raises `NotFound` when there is no such file, `BadInput` when it cannot be read.
    """
    return _load(read_limited(path), path.name)


def load_policy_text(text: str, name: str = "policy.yaml") -> PolicyFile:
    """Read and check a policy given as text; `name` is how mistakes call it."""
    return _load(text.encode("utf-8", "surrogatepass"), name)


def read_yaml(content: bytes, name: str) -> Tree:
    """Read the bytes of a YAML file into a tree with lines; raises `PolicyError` when nothing can be made of it."""
    if len(content) > LARGEST_BYTES:
        raise PolicyError([f"{name}:1: a file of more than {LARGEST_BYTES // 1024} KB; a policy is read by people"])
    try:
        return read_tree(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PolicyError([f"{name}:{line}: a character that is not UTF-8; save the file as UTF-8"]) from None
    except Unreadable as unreadable:
        raise PolicyError([f"{name}:{unreadable.line}: {unreadable.message}"]) from None


def read_limited(path: FilePath) -> bytes:
    """The bytes of a file that people wrote, and at most one byte more than allowed."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"no file `{path.name}` here; `pacte init` writes one to start from") from None
    except OSError:
        raise BadInput(f"`{path.name}` cannot be read; expected a file that this user may read") from None


def _load(content: bytes, name: str) -> PolicyFile:
    tree = read_yaml(content, name)
    mistakes = Mistakes(tree)
    if not isinstance(tree.value, dict):
        raise PolicyError([f"{name}:{tree.line(())}: expected a policy that begins with `pacte: 1`"])
    document = validate(PolicyFile, tree, mistakes)
    check(tree, mistakes)
    problems = mistakes.lines(name)
    if problems or document is None:
        raise PolicyError(problems)
    document._digest = sha256(content).hexdigest()
    document._name = name
    document._lines = tree.lines
    return document
