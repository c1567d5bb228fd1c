"""Damage to a file, by a random source: bytes, lines, JSON fields, words, or the file as such."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

ODD = (
    "null", "true", "0", "-1", "-0.0", "3.5", "1e999", "-1e999", "NaN", "1" + 30 * "0", "9" * 5000, "0.1e-400", '""',
    '" "', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\u200b"', '"../../x"', '"/"', '"nan"', '"<script>"', "[]",
    "{}", "[[]]",
    '[{"": null}]', '{"content": 7}', "[null, 1, \"a\"]", '"' + "x" * 70_000 + '"', "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "0" + "}" * 3000, "[" * 200_000, "!!python/object:os.system x", "&a [*a]", "2026-02-30", "'", "{{",
    "~", "0x1F", "1_000", "*", "@", "%", "\t", "\u2028", '"\\x"',
)  # fmt: skip
"""Values of other types, sizes and notations, as JSON, YAML or neither."""

_WORD = re.compile(rb'"[^"\n]{0,80}"|[A-Za-z_]+|-?[0-9.]+')
_MARK = "\ue000odd\ue000"


def damage(random: random.Random, path: Path) -> str:
    """Damage a file and say how. Its bytes change, or it is no file any more."""
    content = path.read_bytes()
    if random.random() < 0.06:
        kind = random.choice(list(_KINDS))
        path.unlink()
        _KINDS[kind](path)
        return kind
    for _ in range(20):
        name = random.choice(_BYTES)
        spoilt = name(random, content)
        if random.random() < 0.15:
            second = random.choice(_BYTES)
            spoilt = second(random, spoilt)
        if spoilt != content:
            break
    path.unlink()  # it may be linked
    path.write_bytes(spoilt)
    return name.__name__


def bit(random: random.Random, content: bytes) -> bytes:
    spoilt = bytearray(content or b"\0")
    for _ in range(random.choice((1, 1, 1, 8))):
        spoilt[random.randrange(len(spoilt))] ^= 1 << random.randrange(8)
    return bytes(spoilt)


def cut(random: random.Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def zeros(random: random.Random, content: bytes) -> bytes:
    start = random.randrange(len(content) + 1)
    size = min(random.choice((1, 8, 512, 4096)), len(content) - start)
    return content[:start] + bytes(size) + content[start + size :]


def noise(random: random.Random, content: bytes) -> bytes:
    start = random.randrange(len(content) + 1)
    return content[:start] + random.randbytes(random.choice((1, 8, 300))) + content[start:]


def empty(random: random.Random, content: bytes) -> bytes:
    return random.choice((b"", b"\n", b" \n\n", b"\0", b"null", b"[]", b"{}", b"{}\n", b"0\n", b"[{}]", b'"x"'))


def other_bytes(random: random.Random, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    return random.choice((
        lambda: b"\xef\xbb\xbf" + content,
        lambda: text.encode("utf-16", "replace"),
        lambda: text.encode("utf-16-le", "replace"),
        lambda: text.encode("utf-32", "replace"),
        lambda: text.encode("latin-1", "replace"),
        lambda: content.replace(b"\n", b"\r\n"),
        lambda: content.replace(b"\n", b"\r"),
        lambda: content.replace(b"\n", b""),
        lambda: gzip.compress(content),
        lambda: cut(random, gzip.compress(content)),
        lambda: bit(random, gzip.compress(content)),
        lambda: b"PK\x03\x04" + content,
        lambda: b"PAR1" + content,
        lambda: b"id,question,response\n1,2,3\n",
        lambda: content + b"x" * 300_000,
        lambda: content + content,
    ))()  # fmt: skip


def lines(random: random.Random, content: bytes) -> bytes:
    rows = content.splitlines(keepends=True) or [b""]
    one, other = random.randrange(len(rows)), random.randrange(len(rows))
    kind = random.randrange(5)
    if kind == 0:
        rows.insert(other, rows[one])
    elif kind == 1:
        del rows[one]
    elif kind == 2:
        rows[one], rows[other] = rows[other], rows[one]
    elif kind == 3:
        rows[one] = rows[one].rstrip(b"\n")
    else:
        rows[one] = cut(random, rows[one])
    return b"".join(rows)


def word(random: random.Random, content: bytes) -> bytes:
    """Put an odd value in place of a word, a number or a string."""
    found = [match.span() for match in _WORD.finditer(content[:200_000])]
    if not found:
        return content
    start, end = random.choice(found)
    return content[:start] + random.choice(ODD).encode("utf-8", "surrogatepass") + content[end:]


def field(random: random.Random, content: bytes) -> bytes:
    """Change, drop, rename or swap fields of a JSON file, or of one line."""
    rows = [content] if random.random() < 0.5 else content.splitlines()
    places = list(range(len(rows)))
    random.shuffle(places)
    for place in places[:3]:
        try:
            value = json.loads(rows[place])
        except (ValueError, RecursionError):
            continue
        if not isinstance(value, dict | list) or not value:
            continue
        odd = random.choice(ODD)
        _change(random, value)
        rows[place] = json.dumps(value).replace(f'"{_escaped(_MARK)}"', odd).encode("utf-8", "surrogatepass")
        break
    return b"\n".join(rows) + b"\n"


def _change(random: random.Random, value: Any) -> None:
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = random.choice(keys)
    if isinstance(value[key], dict | list) and value[key] and random.random() < 0.7:
        _change(random, value[key])
        return
    kind = random.randrange(5)
    if kind == 0:
        del value[key]
    elif kind == 1 and isinstance(value, dict):
        value[random.choice((key.upper(), key + "_", "", "id"))] = value.pop(key)
    elif kind == 2:
        other = random.choice(keys)
        value[key], value[other] = value[other], value[key]
    else:
        value[key] = _MARK


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


_BYTES = (bit, cut, zeros, noise, empty, other_bytes, lines, lines, word, word, word, field, field, field, field)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


_KINDS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "link to itself": _loop,
    "link to a folder": lambda path: path.symlink_to(".."),
    "device": lambda path: path.symlink_to("/dev/null"),
    "pipe": lambda path: os.mkfifo(path),
    "unreadable": lambda path: (path.write_bytes(b"{}\n"), path.chmod(0)),
}


def remove(path: Path) -> None:
    """Whatever stands there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
