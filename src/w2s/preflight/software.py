"""Libraries and their versions that a run needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from w2s.config import trainers
from w2s.config.schema import Recipe, Runtime, Trl
from w2s.engines import vllm
from w2s.errors import EXTRAS
from w2s.findings import Finding
from w2s.flow.track import LIBRARIES
from w2s.models import Model
from w2s.models.kinds import Gguf, Package
from w2s.preflight.machine import Machine

TRAINING = ("torch", "transformers", "peft", "safetensors")
"""Of every training, and of the engines transformers and vllm."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is to be done.

    Args:
        engine: that generates; None: nothing is generated.
        trains: whether a model is trained.
        models: base models by the field that names them: "weak", "strong", "models.NAME", "--model".
        trl: of trainer trl.
    """

    engine: str | None
    trains: bool
    runtime: Runtime
    models: Mapping[str, Model]
    trl: Trl | None = None

    @property
    def loads(self) -> bool:
        """Whether a model is loaded here."""
        return self.trains or self.engine in ("transformers", "vllm")


def findings(job: Job, machine: Machine) -> Iterator[Finding]:
    """Refusals: libraries that are missing or too old."""
    for libraries, field, what in _needs(job):
        yield from _missing(libraries, machine, field, what)
        yield from _too_old(libraries, machine, field)
    if job.engine == "vllm":
        yield from _vllm(job.runtime, machine)


def trackers(runtime: Runtime, machine: Machine) -> Iterator[Finding]:
    """Refusals of trackers whose client is missing or too old."""
    for name in runtime.track:
        libraries = (LIBRARIES[name],)
        yield from _missing(libraries, machine, "runtime.track", f"runtime.track={name}")
        yield from _too_old(libraries, machine, "runtime.track")


def _needs(job: Job) -> Iterator[tuple[tuple[str, ...], str | None, str]]:
    """(libraries, the field that asks for them, for what)."""
    if job.loads:
        yield TRAINING, None, "this"
    if job.engine in ("openai", "vllm"):
        yield ("openai", "tenacity") if job.engine == "openai" else ("vllm",), "engine", f"engine={job.engine}"
    if job.runtime.launcher == "ray":
        yield ("ray", "pandas", "pyarrow"), "runtime.launcher", "runtime.launcher=ray"
    if job.trains and job.trl is not None:
        yield ("trl", "accelerate", "datasets"), "trainer", "trainer=trl"
        if job.trl.liger:
            yield ("liger_kernel",), "trl.liger", "trl.liger=true"
        if job.trl.flash_attention:
            yield ("flash_attn",), "trl.flash_attention", "trl.flash_attention=true"
        if trainers.accelerate_config(job.runtime).get("distributed_type") == "DEEPSPEED":
            yield ("deepspeed",), "runtime.accelerate", "this accelerate config"
    for field, model in job.models.items():
        if model.quantize and job.loads:
            yield ("bitsandbytes",), field, f"quantize={model.quantize}"
        if isinstance(model.kind, Gguf | Package) and model.local() is None:
            yield ("gguf",), field, "a GGUF file"


def adapters(recipe: Recipe) -> Iterator[Finding]:
    """Refusals of adapters that the engine could not load."""
    for field in ("weak_training", "training", "preference") if recipe.engine == "vllm" else ():
        lora = getattr(recipe, field).lora
        if lora is not None and lora.save == "adapter" and lora.rank > vllm.LORA_RANKS[-1]:
            yield Finding(
                f"vLLM knows no adapters of rank {lora.rank}",
                f"{field}.lora.rank",
                f"use {field}.lora.save=merged",
                f"at most {vllm.LORA_RANKS[-1]}",
                refusal=True,
            )


def _too_old(libraries: Sequence[str], machine: Machine, field: str | None) -> Iterator[Finding]:
    for library in libraries:
        version, bound = machine.versions.get(library), machine.bounds.get(library)
        if not version or bound is None:
            continue
        from packaging.specifiers import SpecifierSet  # it is here where `bounds` were read

        if not SpecifierSet(bound).contains(version, prereleases=True):
            problem = f"{library} {version} is installed, and {library}{bound} is needed"
            yield Finding(problem, field, _install(library, "install --upgrade"), refusal=True)


def _missing(
    libraries: Sequence[str], machine: Machine, field: str | None = None, what: str = "this"
) -> Iterator[Finding]:
    """One refusal for all: one command installs them."""
    missing = [library for library in libraries if library not in machine.versions]
    if missing:
        *rest, last = missing
        named = f"{', '.join(rest)} and {last}, which are" if rest else f"{last}, which is"
        yield Finding(f"{what} needs {named} not installed", field, hint=_install(missing[0]), refusal=True)


def _install(library: str, how: str = "install") -> str:
    return f"pip {how} 'w2s-reasoning[{EXTRAS[library]}]'"


def _vllm(runtime: Runtime, machine: Machine) -> Iterator[Finding]:
    """VLLM's builds run on the CPU or on GPUs, not on both."""
    version = machine.versions.get("vllm", "")
    cpu = "cpu" in version.partition("+")[2]
    if version and runtime.device != "auto" and cpu != (runtime.device == "cpu"):
        yield Finding(
            f"the installed vLLM runs on {'the CPU' if cpu else 'GPUs'} only",
            "runtime.device",
            "use runtime.device=auto, or install the other build of vLLM",
            refusal=True,
        )
