"""A policy that extends another: which files may be read, and how two trees become one.

A subsidiary's policy names its group's with `extends: group.yaml` and says only what differs. Mappings are merged key
by key, lists and single values are replaced, and `without: [purposes.newsletter]` withdraws. Whether that only tightens
is for `tighter` to say.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Protocol

from pacte.kernel.canonical import canonical
from pacte.kernel.errors import BadInput, NotFound
from pacte.policy.mistakes import Mistakes, meant
from pacte.policy.tree import LARGEST_BYTES, Node, Path, Tree, shown

DEEPEST_CHAIN = 8
"""As many policies as may extend one another: a promise that is spread over more is read by nobody."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*){0,7}")
_BUNDLE = '{"files":{'
_NOT_INHERITED = ("extends", "open_to", "without")
"""What a file says of itself and its own extensions, and does not pass on."""


class Files(Protocol):
    """Where the files of one policy are read from: a directory, or the text that was published."""

    def read(self, name: str) -> bytes:
        """The bytes of a file; raises `NotFound` and `BadInput`, in words for the person who named it."""
        ...


class Directory:
    """Files on disk: in the policy's directory or below it, nowhere else."""

    def __init__(self, root: FilePath) -> None:
        self.root = root.resolve()

    def read(self, name: str) -> bytes:
        """At most one byte more than is allowed, so that a larger file is refused by its size."""
        try:
            path = (self.root / check_name(name)).resolve()
            if not path.is_relative_to(self.root):
                raise BadInput(f"`{shown(name)}` lies outside the policy's directory; keep a copy of it inside")
            return read_regular(path)
        except FileNotFoundError:
            raise NotFound(f"no file `{shown(name)}` in the policy's directory") from None
        except (OSError, RuntimeError):
            raise BadInput(f"`{shown(name)}` cannot be read; expected a file that this user may read") from None


class Held:
    """Files that are held in memory: those of a published text, and no other."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def read(self, name: str) -> bytes:
        """The file of this name, if the text holds it."""
        if name not in self.files:
            raise NotFound(
                f"`{shown(name)}` is not part of this text; a policy of several files is read from its directory, or "
                "from the text that was published"
            )
        return self.files[name].encode("utf-8", "surrogatepass")


def read_regular(path: FilePath) -> bytes:
    """The bytes of a file, and at most one byte more than allowed; raises `OSError`, also for what is no file.

    A pipe or a device is not waited for: it is opened without blocking, and not read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("no regular file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LARGEST_BYTES + 1)


def is_name(name: str) -> bool:
    """Whether this can be the name of a file inside the policy's directory: no `..`, no absolute path, no hidden one.

    >>> is_name("packs/ch.yaml"), is_name("../ch.yaml")
    (True, False)
    """
    return len(name) <= 200 and _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Return the name of a file inside the policy's directory; raises `BadInput` for any other path."""
    if not is_name(name):
        raise BadInput(f"`{shown(name)}` is no file of the policy's directory; expected a name such as `group.yaml`")
    return name


def beside(name: str, of: str) -> str:
    """What `name` is called from the policy's directory when the file `of` names it.

    >>> beside("root.yaml", "group/base.yaml")
    'group/root.yaml'
    """
    folder, slash, _ = of.rpartition("/")
    return f"{folder}{slash}{name}"


def is_file(law: str) -> bool:
    """Whether an item of `laws` names a file rather than a pack of pacte's own."""
    return "/" in law or law.endswith((".yaml", ".yml"))


def bundle(main: str, files: Mapping[str, str]) -> str:
    """One text for all files of a policy: the file's own where there is only one, canonical JSON otherwise."""
    if set(files) == {main}:
        return files[main]
    return canonical({"files": dict(files), "main": main}).decode()


def unbundle(text: str) -> tuple[str, dict[str, str]] | None:
    """The main file's name and all files of a bundle; `None` where the text is a policy itself.

    Raises `BadInput` for a bundle that was not written by `bundle`.
    """
    if not text.startswith(_BUNDLE):
        return None
    try:
        found = json.loads(text)
        main, files = found["main"], found["files"]
        whole = main in files and bundle(main, files) == text
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadInput):
        whole = False
    if not whole or not all(isinstance(content, str) for content in files.values()):
        raise BadInput("a published policy whose files cannot be told apart; expected the text as it was published")
    return main, files


def merge(base: Tree, own: Tree, base_name: str) -> Tree:
    """The base with the extension laid over it; every path remembers the file and the line it comes from."""
    merged = Tree(problems=list(own.problems), doubled=set(own.doubled))
    merged.value = _laid(base, own, (), merged, base_name)
    return merged


def withdraw(merged: Tree, mistakes: Mistakes) -> None:
    """Take away what `without` names, and remember where that was said; a name of nothing is a mistake."""
    for place, words in merged.texts("without"):
        path: Path = tuple(words.split("."))
        node = merged.at(path[:-1])
        known = list(node) if isinstance(node, dict) else []
        if len(path) < 2 or path[-1] not in known:
            hint = "" if len(path) < 2 else meant(str(path[-1]), known)
            mistakes.add(place, f"`{shown(words)}` is nothing that can be withdrawn{hint or _EXPECTED}")
        elif isinstance(node, dict):
            del node[str(path[-1])]
            merged.withdrawn[path] = place


_EXPECTED = "; expected the path of something that the extended policy declares, such as `purposes.newsletter`"


def _laid(base: Tree, own: Tree, path: Path, merged: Tree, base_name: str) -> Node:
    below, above = base.at(path), own.at(path)
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return _copied(own, above, path, merged, "")
    _mark(own, path, merged, "")
    found: dict[str, Node] = {}
    for key in [*below, *(key for key in above if key not in below)]:
        here = (*path, key)
        if key in above:
            inherits = key in below and here not in [(word,) for word in _NOT_INHERITED]
            found[key] = (
                _laid(base, own, here, merged, base_name) if inherits else _copied(own, above[key], here, merged, "")
            )
        elif path or key not in _NOT_INHERITED:
            found[key] = _copied(base, below[key], here, merged, base_name)
    return found


def _copied(source: Tree, node: Node, path: Path, merged: Tree, name: str) -> Node:
    _mark(source, path, merged, name)
    if isinstance(node, dict):
        return {key: _copied(source, value, (*path, key), merged, name) for key, value in node.items()}
    if isinstance(node, list):
        return [_copied(source, item, (*path, place), merged, name) for place, item in enumerate(node)]
    return node


def _mark(source: Tree, path: Path, merged: Tree, name: str) -> None:
    if path in source.lines:
        merged.lines[path] = source.lines[path]
        if file := source.files.get(path, name):
            merged.files[path] = file
