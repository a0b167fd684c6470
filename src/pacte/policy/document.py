"""Loading the policy: one file, and those it names, in; one checked value out, or all of its mistakes at once."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path as FilePath

from pacte.kernel.errors import BadInput, NotFound, PolicyError
from pacte.policy.checks import check
from pacte.policy.extends import (
    DEEPEST_CHAIN,
    Directory,
    Files,
    Held,
    beside,
    bundle,
    check_name,
    is_file,
    is_name,
    merge,
    read_regular,
    unbundle,
    withdraw,
)
from pacte.policy.law_checks import check_own_exceptions
from pacte.policy.mistakes import Mistakes, validate
from pacte.policy.model import PolicyFile
from pacte.policy.tighter import check_tighter
from pacte.policy.tree import LARGEST_BYTES, Tree, Unreadable, read_tree, shown

__all__ = ["PolicyFile", "load_policy", "load_policy_text", "read_whole", "read_whole_text", "read_yaml"]

_MAIN = "policy.yaml"


def load_policy(path: FilePath) -> PolicyFile:
    """Read and check a policy file; raises `PolicyError` with every mistake as `policy.yaml:LINE: message`.

    Also raises `NotFound` when there is no such file, `BadInput` when it cannot be read.
    """
    content = read_limited(path)
    main = path.name if is_name(path.name) else _MAIN
    return _load(content, path.name, main, Directory(path.parent))


def load_policy_text(text: str, name: str = _MAIN) -> PolicyFile:
    """Read and check a policy given as text, or as the bundle of several files; `name` is how mistakes call it.

    A bundle names its own files. Nothing is read from disk: what the text does not hold does not exist.
    """
    try:
        found = unbundle(text)
    except BadInput as error:
        raise PolicyError([f"{name}:1: {error}"]) from None
    main, files = found or (_MAIN, {_MAIN: text})
    content = files[main].encode("utf-8", "surrogatepass")
    return _load(content, main if found else name, main, Held(files))


def read_whole(path: FilePath) -> Tree:
    """The tree of a policy file laid over what it extends, whatever its mistakes: to show one that is being written.

    Raises `PolicyError` for what is no YAML, `NotFound` and `BadInput` for files that cannot be read.
    """
    main = path.name if is_name(path.name) else _MAIN
    return _whole(read_limited(path), main, Directory(path.parent))


def read_whole_text(text: str) -> Tree:
    """The same of a policy given as text, or as the bundle of several files."""
    main, files = unbundle(text) or (_MAIN, {_MAIN: text})
    return _whole(files[main].encode("utf-8", "surrogatepass"), main, Held(files))


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
        return read_regular(path)
    except FileNotFoundError:
        raise NotFound(f"no file `{path.name}` here; `pacte init` writes one to start from") from None
    except OSError:
        raise BadInput(f"`{path.name}` cannot be read; expected a file that this user may read") from None


@dataclass(frozen=True, slots=True)
class _Level:
    """One file of a chain, laid over what it extends: the merged tree and the policy it makes."""

    tree: Tree
    document: PolicyFile


def _load(content: bytes, name: str, main: str, files: Files) -> PolicyFile:
    """Load the policy `content`; mistakes call it `name`, its bundle `main`."""
    read: dict[str, str] = {}
    level = _level(content, name, (main,), files, read)
    document = level.document
    document._files = read
    _read_packs(level, name, files, read)
    document._bundle = bundle(main, {main: content.decode(), **read})
    document._digest = sha256(document._bundle.encode()).hexdigest()
    document._name = name
    document._lines = level.tree.lines
    document._origins = level.tree.files
    return document


def _whole(content: bytes, name: str, files: Files, depth: int = 0) -> Tree:
    tree = read_yaml(content, name)
    wanted = tree.at(("extends",))
    if not isinstance(wanted, str) or not wanted.strip() or depth > DEEPEST_CHAIN:
        return tree
    target = beside(check_name(wanted), name)
    merged = merge(_whole(files.read(target), target, files, depth + 1), tree, target)
    withdraw(merged, Mistakes(merged))
    return merged


def _level(content: bytes, name: str, chain: tuple[str, ...], files: Files, read: dict[str, str]) -> _Level:
    """Read one file over what it extends; raises `PolicyError` with all mistakes, the base's before the extension's."""
    tree = read_yaml(content, name)
    mistakes = Mistakes(tree)
    if not isinstance(tree.value, dict):
        raise PolicyError([f"{name}:{tree.line(())}: expected a policy that begins with `pacte: 1`"])
    _anchor_packs(tree, chain[-1])
    base = _base(tree, mistakes, name, chain, files, read)
    if base is not None:
        tree = mistakes.tree = merge(base.tree, tree, base.document._name)
        withdraw(tree, mistakes)
    document = validate(PolicyFile, tree, mistakes)
    if document and document.without and not document.extends:
        mistakes.add(("without",), "`without` withdraws parts of another policy; say of which with `extends:`")
    check(tree, mistakes)
    if base is not None and document is not None:
        check_tighter(base.document, document, mistakes)
    problems = mistakes.lines(name)
    if problems or document is None:
        raise PolicyError(problems)
    document._name = name
    return _Level(tree, document)


def _base(
    tree: Tree, mistakes: Mistakes, name: str, chain: tuple[str, ...], files: Files, read: dict[str, str]
) -> _Level | None:
    """What the file extends; nothing can be said of an extension before its base is a policy."""
    wanted, here = tree.at(("extends",)), ("extends",)
    if not isinstance(wanted, str) or not wanted.strip():
        return None
    target = beside(wanted, chain[-1])
    try:
        check_name(wanted)
        if target in chain:
            circle = " → ".join(f"`{shown(link)}`" for link in [*chain[chain.index(target) :], target])
            raise BadInput(f"a policy that extends itself in the end: {circle}; one of them must stand alone")
        if len(chain) > DEEPEST_CHAIN:
            raise BadInput(f"more than {DEEPEST_CHAIN} policies that extend one another; merge some of them")
        content = files.read(target)
    except (BadInput, NotFound) as error:
        mistakes.add(here, str(error))
        raise PolicyError(mistakes.lines(name)) from None
    try:
        base = _level(content, target, (*chain, target), files, read)
    except PolicyError as error:
        mistakes.add(here, f"`{shown(target)}` is no policy to extend: it has mistakes; mend them first")
        raise PolicyError([*mistakes.lines(name), *error.problems]) from None
    read[target] = content.decode()
    return base


def _anchor_packs(tree: Tree, name: str) -> None:
    """Own packs are named from the file that lists them; from here on, from the policy's directory."""
    laws = tree.at(("laws",))
    if isinstance(laws, list):
        laws[:] = [beside(law, name) if isinstance(law, str) and is_file(law) else law for law in laws]


def _read_packs(level: _Level, name: str, files: Files, read: dict[str, str]) -> None:
    """Read the packs of its own that the policy applies: what is published holds them."""
    mistakes = Mistakes(level.tree)
    for place, law in enumerate(level.document.laws):
        if not is_file(law):
            continue
        try:
            content = files.read(check_name(law))
            if len(content) > LARGEST_BYTES:
                raise BadInput(f"`{law}` has more than {LARGEST_BYTES // 1024} KB; a pack is read by people")
            read[law] = content.decode()
        except UnicodeDecodeError:
            mistakes.add(("laws", place), f"`{law}` is not UTF-8; save the file as UTF-8")
        except (BadInput, NotFound) as error:
            mistakes.add(("laws", place), str(error))
    if not mistakes.found:
        check_own_exceptions(level.document, mistakes)
    if mistakes.found:
        raise PolicyError(mistakes.lines(name))
