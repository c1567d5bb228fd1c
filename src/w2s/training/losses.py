"""SFT, and one table of losses on preference pairs.

Shares of the parts add up to the loss of a step. On pairs, with weights w:

    pair_weight * sum(w * function(pair)) / pairs  +  nll_weight * sum(w * -log p(chosen)) / tokens of chosen
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from w2s.config import functions, trainers
from w2s.config.schema import Preference
from w2s.errors import UserError, one_of
from w2s.training import data
from w2s.training.data import IGNORE, Encoded


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the examples of a step.

    `log_probs` (sums, nats), `lengths` (tokens): (completions per example, examples), chosen first. `examples`: places.
    `step_tokens`: of first completions. `progress`: share of the training's steps before this one.
    """

    log_probs: Tensor
    lengths: Tensor
    examples: Sequence[int]
    step_examples: int
    step_tokens: int
    progress: float = 1.0


Loss = Callable[[Part], tuple[Tensor, Tensor]]
"""A part to (its share of the loss, the sum of its margins)."""

PairFunction = Callable[[Tensor, Tensor, Tensor, Tensor, Preference], Tensor]
"""(policy_chosen, policy_rejected, reference_chosen, reference_rejected, config) to losses, (pairs,).

The four: log-probabilities in nats, (pairs,); the reference's are 0 without `needs_reference`.
"""


@dataclass(frozen=True, slots=True)
class PreferenceLoss:
    """A loss on preference pairs.

    `normalisation`: log-probabilities as sums, or means per token.
    """

    function: PairFunction
    needs_reference: bool = True
    normalisation: Literal["sum", "mean"] = "sum"
    pair_weight: Callable[[Preference], float] = lambda config: 1.0
    nll_weight: Callable[[Preference], float] = lambda config: config.nll_weight

    def objective(self, config: Preference, reference: Tensor | None = None, weights: Tensor | None = None) -> Loss:
        """The loss as the loop calls it.

        `config`: from `Preference.of`. `reference`: summed log-probabilities, (2, pairs). `weights`: (pairs,).
        """

        def loss(part: Part) -> tuple[Tensor, Tensor]:
            policy = part.log_probs
            before = torch.zeros_like(policy) if reference is None else reference[:, part.examples]
            if self.normalisation == "mean":
                policy, before = policy / part.lengths, before / part.lengths
            each = self.function(policy[0], policy[1], before[0], before[1], config)
            if not isinstance(each, Tensor) or each.shape != policy[0].shape:
                raise _wrong_result(self.function, each, len(policy[0]))
            own = None if weights is None else weights[part.examples]
            pairs = (each if own is None else own * each).sum() / part.step_examples
            gain = (policy - before).detach()
            margin = config.beta * (gain[0] - gain[1]).sum()
            return self.pair_weight(config) * pairs + self.nll_weight(config) * _nll(part, own), margin

        return loss


def sft(part: Part) -> tuple[Tensor, Tensor]:
    """Mean NLL per completion token of the step; no margin."""
    loss = _nll(part)
    return loss, torch.zeros_like(loss)


RAMP = 0.2
"""Share of the steps in which weights go from first to last (a public re-implementation of Burns et al. 2023)."""


def weighted_sft(first: Tensor, last: Tensor) -> Loss:
    """`sft` with a weight per example, (examples,), that goes from `first` to `last`."""

    def loss(part: Part) -> tuple[Tensor, Tensor]:
        ramp = min(1.0, part.progress / RAMP)
        value = _nll(part, first[part.examples] * (1 - ramp) + last[part.examples] * ramp)
        return value, torch.zeros_like(value)

    return loss


def _nll(part: Part, weights: Tensor | None = None) -> Tensor:
    first = part.log_probs[0]
    return -(first if weights is None else weights * first).sum() / part.step_tokens


def dpo(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    config: Preference,
) -> Tensor:
    """DPO (Rafailov et al. 2023, arXiv 2305.18290, eq. 7)."""
    gains = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return -logsigmoid(config.beta * gains)


def orpo(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    config: Preference,
) -> Tensor:
    """ORPO's odds ratio (Hong et al. 2024, arXiv 2403.07691, eq. 4 and 7), of means per token.

    Unlike TRL's, the NLL beside it is not over the prompt.
    """
    return -logsigmoid(_log_odds(policy_chosen) - _log_odds(policy_rejected))


def _log_odds(log_prob: Tensor) -> Tensor:
    """ln(p / (1 - p)), finite up to p = 1.

    A softmax near 1 is 1 / (1 + d), and 1 + d is rounded to the dtype's `eps`: above p = 1 - eps neither value nor
    gradient differ from those of 1. So odds end there, at 1 / eps (float32: ln 2^23 = 15.9). Below, `expm1` is exact.
    """
    log_prob = log_prob.clamp(max=-torch.finfo(log_prob.dtype).eps)
    return log_prob - torch.log(-torch.expm1(log_prob))


def ipo(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    config: Preference,
) -> Tensor:
    """IPO (Azar et al. 2023, arXiv 2310.12036, eq. 17), tau = beta, on means per token as in TRL."""
    gains = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return (gains - 1 / (2 * config.beta)) ** 2


def simpo(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    config: Preference,
) -> Tensor:
    """SimPO (Meng et al. 2024, arXiv 2405.14734, eq. 6), on means per token."""
    return -logsigmoid(config.beta * (policy_chosen - policy_rejected) - config.simpo.gamma)


LOSSES: dict[str, PreferenceLoss] = {
    "dpo": PreferenceLoss(dpo),
    "orpo": PreferenceLoss(
        orpo,
        needs_reference=False,
        normalisation="mean",
        pair_weight=lambda config: config.beta,
        nll_weight=lambda config: 1.0,
    ),
    "ipo": PreferenceLoss(ipo, normalisation="mean"),
    "simpo": PreferenceLoss(simpo, needs_reference=False, normalisation="mean"),
    # Pang et al. 2024, arXiv 2404.19733, eq. 1. Their NLL is a mean per completion, and of its tokens; here it is that
    # of a step's tokens, as in SFT.
    "dpo_nll": PreferenceLoss(dpo, nll_weight=lambda config: config.nll_weight or 1.0),
}


def find(name: str) -> PreferenceLoss:
    """The loss of a name, or a user's `PairFunction` as `module:function`.

    A function's options are attributes: `needs_reference`, `normalisation`.

    Raises:
        UserError: no such name, the import fails, or other arguments.
    """
    if name in LOSSES:
        return LOSSES[name]
    if not functions.is_reference(name):
        one_of("loss", name, LOSSES, "loss", ", or module:function")
    function = trainers.own_loss(name, "loss")
    options = {name: functions.option(function, name, of, "loss") for name, of in trainers.LOSS_OPTIONS.items()}
    return PreferenceLoss(function, **options)


def _wrong_result(function: PairFunction, result: Any, pairs: int) -> UserError:
    shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
    return UserError(
        f"the loss {function.__module__}:{function.__qualname__} returned {shape}",
        field="loss",
        expected=f"a tensor of shape ({pairs},): the loss of each pair",
        hint="return the losses before any mean or sum",
    )


def log_probs(
    model: Any,
    rows: Sequence[Encoded],
    pad_id: int,
    device: torch.device,
    *,
    packed: bool,
    share_prompts: bool = False,
) -> Tensor:
    """Summed log-probability of each row's completion in nats, (rows,).

    `packed`: rows end to end; `share_prompts`: equal prompts once (`data.pack`).
    """
    batch = data.pack(rows, share_prompts=share_prompts) if packed else data.pad(rows, pad_id)
    batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
    if packed:
        targets, owners = batch.pop("targets"), batch.pop("owners")
        logits = model(**batch, use_cache=False).logits[0]
        each = -cross_entropy(logits.float(), targets, reduction="none")
        return each.new_zeros(len(rows)).index_add(0, owners, each)
    keep = batch["input_ids"].shape[1] - min(len(row.prompt) for row in rows)
    labels = batch["labels"][:, -keep:]
    logits = model(input_ids=batch["input_ids"][:, :-1], use_cache=False, logits_to_keep=keep).logits
    return -cross_entropy(logits.transpose(1, 2).float(), labels, ignore_index=IGNORE, reduction="none").sum(dim=1)
