"""The examples in docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pacte
import tools

RUN_BY_OTHERS = {"pacte.app.migrations.env"}
"""Alembic runs this file when it walks the steps; it cannot be imported, and has no examples."""

MODULES = sorted(
    found.name
    for package in (pacte, tools)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.name.endswith("__main__") and found.name not in RUN_BY_OTHERS
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_say_what_they_show(name: str) -> None:
    """A module can be imported, and the examples in its docstrings are true."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
