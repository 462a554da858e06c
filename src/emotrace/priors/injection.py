"""How traces enter the network: `concat`, `expert` and `gated`, each silent at the start. Section 5.2 [ours].

The last layer of each starts at zero: at step 0 a network with traces says what the network without them says. And
where every reliability is 0 nothing is added at any time, so that one set of weights serves clips without traces.
The paper says that priors enter during fusion and enrich cross-modal interaction [paper]; no formula is known to us.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from emotrace.priors.config import FEATURES, SECTIONS, PriorsConfig
from emotrace.priors.projections import softmax_over

_JOINT = SECTIONS.index("joint")


@dataclass(frozen=True, kw_only=True)
class Injected:
    """What traces change."""

    tokens: Float[Tensor, "clip modality dim"]
    logits: Float[Tensor, "clip label"] | None = None
    """To be added to the network's logits."""
    attention: Float[Tensor, "clip modality section"] | None = None
    gates: Float[Tensor, "clip modality"] | None = None


class ConcatInjection(nn.Module):
    """h'_m = h_m + W_c [rho_m e_m ; rho_j e_j]. No bias: silence must add nothing."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.last = _zeroed(nn.Linear(2 * dim, dim, bias=False))

    def forward(
        self,
        tokens: Float[Tensor, "clip modality dim"],
        sections: Float[Tensor, "clip section dim"],
        rho: Float[Tensor, "clip section"],
    ) -> Injected:
        """Each modality gets its own section and the joint one."""
        trusted = rho[..., None] * sections
        own, joint = trusted[:, :_JOINT], trusted[:, _JOINT:].expand(-1, _JOINT, -1)
        return Injected(tokens=tokens + self.last(torch.cat([own, joint], dim=-1)))


class ExpertInjection(nn.Module):
    """o + W_e·mlp([rho_s e_s]): the traces as one more expert [field: zhuyjan/MER2025-MRAC25], tied to reliability."""

    def __init__(self, dim: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(len(SECTIONS) * dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.last = _zeroed(nn.Linear(dim, labels))

    def forward(
        self,
        tokens: Float[Tensor, "clip modality dim"],
        sections: Float[Tensor, "clip section dim"],
        rho: Float[Tensor, "clip section"],
    ) -> Injected:
        """Adds to the logits; the tokens stay as they are."""
        trusted = (rho[..., None] * sections).flatten(1)
        logits = self.last(self.dropout(functional.gelu(self.first(trusted))))
        heard = (rho > 0).any(dim=1, keepdim=True)
        return Injected(tokens=tokens, logits=torch.where(heard, logits, torch.zeros_like(logits)))


class GatedInjection(nn.Module):
    """h'_m = h_m + rho_bar · g_m ⊙ W_o c_m, with c_m what modality m finds in the sections it looks at.

    alpha_ms = softmax_s(q_m·k_s/sqrt(d_head) + ln rho_s), c_m = sum_s alpha_ms v_s, g_m = sigmoid(W_g [h_m ; c_m]), and
    rho_bar = 1 - prod_s (1 - rho_s) over the sections m may look at. A section with rho = 0 gets exactly 0.
    """

    may_look: Tensor

    def __init__(self, config: PriorsConfig) -> None:
        super().__init__()
        dim = config.dim
        self.heads = config.heads
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.gate = nn.Linear(2 * dim, dim)
        self.last = _zeroed(nn.Linear(dim, dim))
        all_of_them = torch.ones(len(FEATURES), len(SECTIONS), dtype=torch.bool)
        own_and_joint = torch.eye(len(FEATURES), len(SECTIONS), dtype=torch.bool)
        own_and_joint[:, _JOINT] = True
        chosen = all_of_them if config.keys == "all" else own_and_joint
        self.register_buffer("may_look", chosen, persistent=False)

    def forward(
        self,
        tokens: Float[Tensor, "clip modality dim"],
        sections: Float[Tensor, "clip section dim"],
        rho: Float[Tensor, "clip section"],
    ) -> Injected:
        """Each modality of a clip looks at the sections of that clip alone."""
        allowed = (rho > 0)[:, None, :] & self.may_look
        usable = allowed.any(dim=-1, keepdim=True)
        attention = self._attention(tokens, sections, rho, allowed)
        found = torch.einsum("bhms,bhsd->bmhd", attention, self._heads(self.value(sections))).flatten(2)
        gate = torch.sigmoid(self.gate(torch.cat([tokens, found], dim=-1)))
        trust = 1 - torch.where(allowed, 1 - rho[:, None, :], torch.ones_like(rho[:, None, :])).prod(
            dim=-1, keepdim=True
        )
        added = trust * gate * self.last(found)
        return Injected(
            tokens=torch.where(usable, tokens + added, tokens),
            attention=attention.mean(dim=1) * usable,
            gates=(trust * gate).mean(dim=-1),
        )

    def _attention(
        self,
        tokens: Float[Tensor, "clip modality dim"],
        sections: Float[Tensor, "clip section dim"],
        rho: Float[Tensor, "clip section"],
        allowed: Tensor,
    ) -> Float[Tensor, "clip head modality section"]:
        query, key = self._heads(self.query(tokens)), self._heads(self.key(sections))
        log_rho = torch.where(rho > 0, rho, torch.ones_like(rho)).log()  # ln 0 must not reach a gradient
        scores = query @ key.transpose(-1, -2) / key.shape[-1] ** 0.5 + log_rho[:, None, None, :]
        return softmax_over(scores, allowed[:, None].expand_as(scores))

    def _heads(self, x: Float[Tensor, "clip item dim"]) -> Float[Tensor, "clip head item part"]:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def build_injection(config: PriorsConfig) -> ConcatInjection | ExpertInjection | GatedInjection | None:
    """The part of a mode; None for `none`."""
    if config.injection == "none":
        return None
    if config.injection == "concat":
        return ConcatInjection(config.dim)
    if config.injection == "expert":
        return ExpertInjection(config.dim, len(config.labels), config.hidden_dropout)
    return GatedInjection(config)


def _zeroed(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
