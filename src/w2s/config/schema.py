"""The typed recipe. Reads no file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from w2s.config import references
from w2s.config.choices import Device as Device
from w2s.config.choices import Dtype as Dtype
from w2s.config.choices import Match as Match
from w2s.config.choices import Prompt as Prompt
from w2s.config.fields import Frozen, PathPart, PositiveInt, Several, Share
from w2s.config.task import ArithTask as ArithTask
from w2s.config.task import FilesTask as FilesTask
from w2s.config.task import Task as Task
from w2s.config.task import WordProblemsTask as WordProblemsTask
from w2s.config.training import Lora as Lora
from w2s.config.training import Preference as Preference
from w2s.config.training import Training as Training
from w2s.config.training import Trl as Trl

Baseline = Literal[
    "weak_floor", "strong_zero_shot", "weak_icl", "full_weak_ft", "strong_ceiling", "control_strong_only"
]
ModelReference = Annotated[str, BeforeValidator(lambda value: str(references.of(value)))]
"""A reference or mapping, as canonical text."""

TIMEOUT_SECONDS = 6 * 3600
"""Wait at a barrier (ours); 70B takes 47 minutes to write."""


class Sampling(Frozen):
    """Stage II samples."""

    n: PositiveInt = 10
    """Samples per question (paper: 10)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Temperature (paper: 1)."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus sampling; 1 is off (released code: 1)."""
    adaptive: bool = False
    """Stop where more samples change no decision (ours); pairs may differ from the paper's."""


class Selection(Frozen):
    """Agreement and pairs."""

    by: str = "agreement"
    """What Stage I keeps: `agreement` (paper), or your `module:function` (`w2s.method.selector`, ours)."""
    match: Match = "equivalent"
    """How two final answers compare (released code: `string`)."""
    confidence: Share = 0.6
    """Least majority share of kept questions (paper: tau = 0.6)."""
    reject_confidence: Share = 0.8
    """Least vote that may reject weak completions (released code: 0.8). No effect below `confidence`."""
    max_pairs: PositiveInt = 1
    """Most pairs per question (released code: GSM8K 1, else up to 3)."""
    augment_to: PositiveInt | None = None
    """Questions wanted in Stage I, iteration 1 (released data, MATH: 1,000 Gemma-2b, 2,000 Mistral-7b). Null: off."""
    augment: Literal["sampled", "disagreeing"] = "sampled"
    """Added questions: one of `sampling.n` more samples agrees (`sampled`, ours), or answers disagree (`disagreeing`,
    released data)."""


class FewShot(Frozen):
    """Weak ICL demonstrations."""

    k: Annotated[int, Field(ge=1, le=64)] = 4
    """How many (released code: 4)."""
    mode: Literal["random", "selected"] = "selected"
    """`selected` prefers self-consistent answers (ours); `random` takes any."""


class Evaluation(Frozen):
    """Measurements on test beside greedy accuracy."""

    samples: Annotated[int, Field(ge=0, le=10**5)] = 0
    """Samples per question for pass@k and maj@k; 0: neither."""
    models: Several[str] = ("m_plus", "m_pro_dpo")
    """Models to sample."""
    k: Several[PositiveInt] = (1, 5, 10)
    """Values of k."""


class Recipe(Frozen):
    """What decides a run's results."""

    name: PathPart
    """Name, one part of a path (default: the file's)."""
    seed: int = 0
    """Seed of example order, adapters, dropout and sampling."""
    task: Task
    """Questions."""
    weak: ModelReference = "w2s:tiny-weak"
    """Weak model: shipped, folder, hub id[@revision] or other source (docs/models.md)."""
    strong: ModelReference = "w2s:tiny-strong"
    """Strong base model, likewise."""
    models: dict[str, ModelReference] = Field(default_factory=dict)
    """More models, for strategies (ours)."""
    prompt: Prompt = "plain"
    """Strong model's prompt: `plain` (paper), or `chat`, its template (ours)."""
    weak_prompt: Prompt | None = None
    """Weak model's prompt. Null: `prompt`."""
    engine: Literal["transformers", "vllm", "openai", "scripted"] = "transformers"
    """What generates (docs/scaling.md)."""
    trainer: Literal["w2s", "trl"] = "w2s"
    """What fine-tunes: our loop, or TRL's trainers (docs/trainers.md)."""
    trl: Trl = Trl()
    """TRL's own settings."""
    dtype: Dtype = "float32"
    """Dtype of generation and training's matrix products; weights train in float32."""
    max_new_tokens: PositiveInt = 512
    """Most tokens per response (released code, GSM8K: 1024)."""
    strategies: Several[str] = ("weak_to_strong",)
    """What is trained: built-in names, `all`, your `module:function`."""
    stage1_iterations: Annotated[int, Field(ge=1, le=100)] = 2
    """Stage I iterations (paper: 2, on MATH 1)."""
    crossfit: Literal[1, 2] = 1
    """2: in Stage II two models vote, each trained on the half of the questions that the other judges (ours)."""
    few_shot: FewShot = FewShot()
    """Demonstrations."""
    weak_training: Training = Training()
    """Fine-tuning of the weak model."""
    training: Training = Training()
    """Fine-tuning of the strong model."""
    preference: Preference = Preference()
    """Stage II."""
    sampling: Sampling = Sampling()
    """Stage II samples."""
    selection: Selection = Selection()
    """Agreement and pairs."""
    baselines: Several[Baseline] = (
        "weak_floor", "strong_zero_shot", "weak_icl", "full_weak_ft", "strong_ceiling", "control_strong_only",
    )  # fmt: skip
    """Comparisons (`control_strong_only`: ours)."""
    stage1_variants: bool = True
    """Also train Stage I models for reports alone."""
    evaluation: Evaluation = Evaluation()
    """Measurements."""
    limit: PositiveInt | None = None
    """Most questions per split."""
    trust_remote_code: bool = False
    """Generation runs a model folder's own code; training never does."""

    @model_validator(mode="after")
    def _one_prompt_a_model(self) -> Recipe:
        if self.weak == self.strong and self.weak_prompt not in (None, self.prompt):
            raise ValueError("weak_prompt differs from prompt, and weak and strong are one model")
        return self

    @model_validator(mode="after")
    def _quantised_only_with_adapters(self) -> Recipe:
        trained = {"weak": ("weak_training",), "strong": ("training", "preference")}
        for role, parts in trained.items():
            quantize = references.parse(getattr(self, role)).quantize
            without = [part for part in parts if getattr(self, part).lora is None]
            if quantize and without:
                raise ValueError(
                    f"{role} has quantize={quantize}, and a quantised model is trained through adapters only: "
                    f"set {' and '.join(f'{part}.lora' for part in without)} (as {without[0]}.lora.rank=8), "
                    "or leave quantize out"
                )
        return self

    def prompt_of(self, model: str) -> Prompt:
        return self.prompt if model == self.strong else self.weak_prompt or self.prompt


class Runtime(Frozen):
    """Where and how; changes no result."""

    device: Device = "auto"
    """`auto`: CUDA if available, else CPU."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0: torch chooses."""
    progress: bool = True
    """Show progress on standard error."""
    offline: bool = False
    """Never contact a model hub."""
    tensor_parallel: PositiveInt = 1
    """Devices per model (engine vllm)."""
    device_memory: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of device memory for generation (engine vllm)."""
    check_engine: bool = True
    """Compare first tokens of 4 prompts with transformers (engine vllm), of 64 with a trained adapter's training."""
    server: str | None = None
    """Server URL (engine openai). Null: OPENAI_BASE_URL."""
    concurrency: PositiveInt = 32
    """Requests in flight (engine openai)."""
    launcher: Literal["local", "ray"] = "local"
    """`ray`: several workers generate, train and run steps."""
    address: str | None = None
    """Ray cluster (HOST:PORT or auto). Null: a local one."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Ray workers for generation. 0: one per `tensor_parallel` GPUs, else per node."""
    train_workers: PositiveInt = 1
    """Processes per training (launcher ray), a GPU each."""
    micro_batch: Annotated[int, Field(ge=0)] = 0
    """Examples per forward pass. 0: the process's batch share, on CPU with padding a quarter."""
    sharding: Literal["none", "fsdp"] = "none"
    """Training processes each hold the whole model (`none`) or a part."""
    accelerate: str | None = None
    """Accelerate config file (trainer trl): several processes, FSDP2, DeepSpeed."""
    gradient_checkpointing: bool = False
    """Recompute activations: less memory, a third slower."""
    save_minutes: Annotated[float, Field(ge=0)] = 10
    """Minutes between saved states of a training, from which a killed one goes on (docs/scaling.md). 0: never."""
    side_by_side: PositiveInt = 4
    """Parallel steps (launcher ray)."""
    track: Several[Literal["tensorboard", "wandb", "trackio", "mlflow"]] = ()
    """Trackers that get what trainings and evaluations measure (docs/scaling.md)."""


RENAMED = {("runtime", "canary"): "check_engine"}
"""Old field names, until the next release."""


class Run(Frozen):
    """A recipe file."""

    recipe: Recipe
    """What is computed."""
    runtime: Runtime = Runtime()
    """Where and how."""
