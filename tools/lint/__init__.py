"""Our own lint rules: mistakes that could hurt somebody, made impossible to repeat.

A rule is a module with `NAME` and `check(source)`. Each has valid and invalid cases in `tests/tools`.
An exemption is a comment on the line or the line above: `# pacte: allow <rule> because <reason>`.
"""
