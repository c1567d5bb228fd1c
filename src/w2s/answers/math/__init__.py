"""Mathematical answers by value: equal answers have equal keys (`canonical.canonical`).

Spelling: `latex`, `text`, `number`, `systems`, `qualifier`. Trees: `lexer`, `grammar`, `arithmetic`. Keys: `points`,
`fingerprint`, `relation`, `form`. Worker processes only: `symbolic`.
"""
