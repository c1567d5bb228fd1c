"""The typed recipe. `Recipe` is identity: what is computed. `Runtime` is where and how: it never changes a result.

Every field says what it is, its unit and its source: the paper (section), the released code, or ours.
Files are read by `w2s.presets.load`; nothing here reads one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from w2s import references
from w2s.choices import Device as Device
from w2s.choices import Dtype as Dtype
from w2s.choices import Match as Match
from w2s.choices import Prompt as Prompt

Baseline = Literal[
    "weak_floor", "strong_zero_shot", "weak_icl", "full_weak_ft", "strong_ceiling", "control_strong_only"
]
PositiveInt = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Model = Annotated[str, BeforeValidator(lambda value: str(references.of(value)))]
"""A model reference (see `w2s.references`), or a mapping {model, layers, quantize}; kept as its canonical text."""

PATIENCE_SECONDS = 6 * 3600
"""How long the processes of one training wait for each other (ours). The first one merges and writes the model while
the others stand at a barrier, and 280 GB (70B in float32) at 100 MB/s take 47 minutes; torch gives up after 10 minutes
with NCCL and 30 with gloo, Ray Train after 30. It is no watch over the dead: Ray Train and torchrun notice a process
that is gone, and end the others."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ArithTask(_Frozen):
    """The procedural task: unlimited, splits disjoint by construction."""

    name: Literal["arith"] = "arith"
    train_1: PositiveInt = 300
    """Questions with gold for the weak model (ours)."""
    train_2: PositiveInt = 500
    """Questions without gold for the strong model (ours)."""
    test: PositiveInt = 500
    """Held-out questions (ours)."""
    data_seed: int = 0
    """Which draw of questions; separate from the run's seed."""
    test_split: Literal["test", "validation"] = "test"
    """`validation` is for choosing settings, so that nothing is tuned on test."""


class FilesTask(_Frozen):
    """Questions in JSON Lines files: a benchmark in its published format, or (`jsonl`) a user's own.

    A split without file comes from the hub, except with `jsonl`, and except train_1 of `olympicarena`, which has none.
    """

    name: Literal["gsm8k", "math", "olympicarena", "jsonl"]
    train_1: str | None = None
    """File with questions and gold for the weak model."""
    train_2: str | None = None
    """File with questions; gold in it is read only by the ceiling and by reports."""
    test: str | None = None
    """File with questions and gold."""
    gold: dict[Literal["train_1", "train_2", "test"], str] = Field(default_factory=dict)
    """Separate gold files ({"id", "answer"}), where gold is not in the question files."""
    answer: Literal["gsm8k", "math", "number", "text", "olympicarena"] = "gsm8k"
    """How a final answer is read from a response: the task's answer style. Unsaid, that of `math` and `olympicarena` is
    their own."""
    overlap: Literal["refuse", "drop", "allow"] = "drop"
    """What to do with questions of one split that are also in an earlier one (order: test, train_1, train_2)."""
    overlap_masked: bool = False
    """Also count questions as shared when they differ in numbers only (digits masked)."""

    @model_validator(mode="before")
    @classmethod
    def _own_style(cls, data: Any) -> Any:
        if isinstance(data, dict) and "answer" not in data and data.get("name") in ("math", "olympicarena"):
            return {**data, "answer": data["name"]}
        return data


class WordProblemsTask(_Frozen):
    """Arithmetic word problems that people wrote, which docs/word_problems.md says how to get. Splits are ours."""

    name: Literal["word_problems"] = "word_problems"
    folder: str | None = None
    """Folder with one JSON Lines file a set. None: the environment's W2S_WORD_PROBLEMS, else `word_problems` here, else
    that in W2S_REFERENCE_DATA."""
    sets: tuple[Literal["svamp", "asdiv", "multiarith", "addsub", "singleeq", "mawps"], ...] = (
        "svamp", "asdiv", "multiarith", "addsub", "singleeq", "mawps",
    )  # fmt: skip
    """Which files are read."""
    integers: bool = True
    """Only questions whose answer is a whole number."""
    train_1: PositiveInt = 1500
    """Questions with gold for the weak model."""
    train_2: PositiveInt = 800
    """Questions without gold for the strong model."""
    test: PositiveInt = 600
    """Held-out questions."""
    data_seed: int = 0
    """Which split; separate from the run's seed."""
    test_split: Literal["test", "validation"] = "test"
    """`validation` is for choosing settings, so that nothing is tuned on test; it is drawn from what no split uses."""


Task = Annotated[ArithTask | FilesTask | WordProblemsTask, Field(discriminator="name")]


class Lora(_Frozen):
    """Low-rank adapters instead of full fine-tuning."""

    rank: PositiveInt = 8
    """Rank (derived from the size of the released adapters)."""
    alpha: PositiveInt = 16
    """Scale (LLaMA-Factory's default, twice the rank)."""
    dropout: Share = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Modules (the release's README)."""
    save: Literal["merged", "adapter"] = "merged"
    """`merged`: the model's folder holds a whole model, and Stage II puts a fresh adapter on it. `adapter`: it holds
    the adapter alone (megabytes; vLLM loads their base once while no training comes between), and Stage II trains that
    adapter on (ours)."""


class Training(_Frozen):
    """Supervised fine-tuning. The paper gives none of these values: they are ours unless a preset says otherwise."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    epochs: Annotated[float, Field(gt=0)] = 3
    batch_size: PositiveInt = 16
    """Examples an optimiser step, over all devices and accumulation steps."""
    warmup_ratio: Share = 0.03
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    max_length: PositiveInt = 1024
    """Tokens of prompt and completion together; longer examples are an error, never cut."""
    lora: Lora | None = None
    """None: every parameter is trained."""


class Preference(Training):
    """Stage II (paper, section on preference optimisation)."""

    losses: tuple[Literal["dpo", "orpo"], ...] = ("dpo",)
    """Each gives one model: m_pro_dpo, m_pro_orpo (paper: both)."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """DPO's beta; ORPO's lambda (the usual default of both; not in the paper)."""
    nll_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of an NLL term on the chosen text in DPO (ours, off)."""
    max_chosen_drop: Annotated[float, Field(gt=0)] | None = 1.0
    """Training stops where the chosen texts' log-probability a token has fallen by more than this, in nats below the
    reference, mean over the last 10 steps; None: never (ours). DPO lowers it by some tenths as a rule (trl#800), which
    is no fault; by 1 nat each token has a third of its probability (1/e), and the model is falling apart."""


class Sampling(_Frozen):
    """Stage II sampling (paper: n=10 at T=1; released code: top_p 1)."""

    n: PositiveInt = 10
    temperature: Annotated[float, Field(gt=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    adaptive: bool = False
    """Draw no more of a question's samples once the others cannot change what becomes of it (ours; exact, see
    method.adaptive). Off for figures that are to be the paper's: other texts may be drawn into pairs."""


class Selection(_Frozen):
    """Agreement and pairs."""

    match: Match = "equivalent"
    """How two final answers are compared; `string` is the released code's rule."""
    confidence: Share = 0.6
    """Questions whose vote is below this are dropped (paper: tau = 0.6)."""
    reject_confidence: Share = 0.8
    """From here on the weak text may stand as rejected (released code's default); no effect below `confidence`."""
    max_pairs: PositiveInt = 1
    """Pairs a question (released code: 1 on GSM8K, up to 3 on MATH and OlympicArena)."""
    augment_to: PositiveInt | None = None
    """Questions that the Stage I set of iteration 1 is to have; None: those of agreement, however few (released data:
    1,000 on MATH with Gemma-2b, 2,000 with Mistral-7b)."""
    augment: Literal["sampled", "disagreeing"] = "sampled"
    """What is added until there are `augment_to`: questions on which one of `sampling.n` more strong answers agrees
    (ours), or questions on which the two answers disagree (what the released data show). See method.augment."""


class FewShot(_Frozen):
    """Demonstrations for weak ICL, from the weak model's answers (released code: 4, fixed)."""

    k: Annotated[int, Field(ge=1, le=64)] = 4
    mode: Literal["random", "selected"] = "selected"
    """`selected` prefers weak answers that check themselves; it never sees gold (see method.demonstrations)."""


class Evaluation(_Frozen):
    """What is measured on test, besides greedy accuracy."""

    samples: Annotated[int, Field(ge=0)] = 0
    """Samples a question for pass@k and maj@k; 0 measures neither."""
    models: tuple[str, ...] = ("m_plus", "m_pro_dpo")
    """Which models are sampled."""
    k: tuple[PositiveInt, ...] = (1, 5, 10)


class Recipe(_Frozen):
    """All that decides the results of a run."""

    name: str
    seed: int = 0
    task: Task
    weak: Model = "w2s:tiny-weak"
    """The weak model: shipped, a folder, a hub id with an optional @revision, or another source (docs/models.md)."""
    strong: Model = "w2s:tiny-strong"
    """The strong base model, likewise."""
    prompt: Prompt = "plain"
    """How the strong model is asked, and trained: "plain" is "Question: ..." and "Answer:", for base models (paper);
    "chat" is the model's own chat template, for instruct models (ours)."""
    weak_prompt: Prompt | None = None
    """How the weak model is asked and trained; None: as `prompt`."""
    engine: Literal["transformers", "vllm", "openai", "scripted"] = "transformers"
    dtype: Dtype = "float32"
    """Number format of generation; training keeps float32 weights and uses this for matrix products."""
    max_new_tokens: PositiveInt = 512
    """Tokens a response may have (released code: 1024 on GSM8K)."""
    few_shot: FewShot = FewShot()
    weak_training: Training = Training()
    training: Training = Training()
    preference: Preference = Preference()
    sampling: Sampling = Sampling()
    selection: Selection = Selection()
    baselines: tuple[Baseline, ...] = (
        "weak_floor", "strong_zero_shot", "weak_icl", "full_weak_ft", "strong_ceiling", "control_strong_only",
    )  # fmt: skip
    stage1_variants: bool = True
    """Also train and report the three Stage I models that nothing builds on (they stand in the paper's tables)."""
    evaluation: Evaluation = Evaluation()
    limit: PositiveInt | None = None
    """Keep only this many questions of each split (for trying things out)."""
    trust_remote_code: bool = False
    """Let a model folder run its own Python code where it generates. Off unless asked. Training never does: a model
    that is to be trained and is not of transformers' own kinds is refused, whatever stands here."""

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
        """How the weak or the strong model, by its reference, is asked."""
        return self.prompt if model == self.strong else self.weak_prompt or self.prompt


class Runtime(_Frozen):
    """Where and how a run happens. Nothing here may change what is computed."""

    device: Device = "auto"
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 leaves the choice to torch."""
    progress: bool = True
    offline: bool = False
    """Never ask a model hub."""
    tensor_parallel: PositiveInt = 1
    """Devices that share one model (engine vllm)."""
    device_memory: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of a device's memory that generation may take (engine vllm)."""
    canary: bool = True
    """Before a big run, compare the first tokens of a few prompts with those of transformers (engine vllm). Before any
    run with a model of trained adapters, compare those of 64 prompts with what it said when it was trained."""
    server: str | None = None
    """Base URL of an OpenAI-compatible server (engine openai); None: the environment's OPENAI_BASE_URL."""
    concurrency: PositiveInt = 32
    """Requests under way at once (engine openai)."""
    launcher: Literal["local", "ray"] = "local"
    """`ray`: generation over a pool of workers, training on several, steps that do not need each other side by side."""
    address: str | None = None
    """The Ray cluster (HOST:PORT or auto); None starts one on this machine."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Ray workers for generation; 0: one for each `tensor_parallel` GPUs, or one a node without GPUs."""
    train_workers: PositiveInt = 1
    """Processes that share one training (launcher ray; one GPU each where there are GPUs)."""
    micro_batch: Annotated[int, Field(ge=0)] = 0
    """Examples a process takes through the model at once in training; 0: its share of the batch, or a quarter of that
    on a CPU where texts have to be padded (models whose texts cannot go end to end, see training.attention)."""
    sharding: Literal["none", "fsdp"] = "none"
    """How processes that share one training hold the model: each all of it, or each a part (FSDP)."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, about a third more time."""
    side_by_side: PositiveInt = 4
    """Steps under way at once (launcher ray)."""


class Run(_Frozen):
    """A recipe file: identity and runtime side by side."""

    recipe: Recipe
    runtime: Runtime = Runtime()
