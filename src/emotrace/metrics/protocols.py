"""The named protocols: what is scored, on which tables, how it is averaged, and where that was read. One plain dict.

A published protocol keeps its faults. Its name is printed with the official tables and its own zero rule only; anything
else turns it into `custom(...)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emotrace.labels.label_table import INNER, MIDDLE
from emotrace.labels.official_tables import LEVEL_1, LEVEL_2, TARGETS

Kind = Literal["classes", "value", "classes+value", "sets", "hitrate", "sentiment", "preference", "groups"]
ZeroDivision = Literal["nan", "zero"]

NOT_COMPARABLE = "emotrace wheel: not comparable with OV-MERD, MER-UniBench, MER2025 or MER2026 numbers."
RECALL_ONLY = (
    "Recall only: extra labels cost nothing; an answer naming every basic emotion for every clip gets a perfect or "
    "almost perfect score."
)
NEUTRAL_IS_NEGATIVE = "Clips with truth 0 are left out; an answer of neutral, or any other word, counts as negative."


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way of turning answers into a number."""

    name: str
    kind: Kind
    formula: str
    source: str
    main: str
    """Name of the headline score."""
    tables: Literal["v1", "v2", "own"] | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    """Targets whose F are averaged; the score is the mean of the groups' means."""
    zero_division: ZeroDivision = "zero"
    """What 0/0, and a target without scored clips, gives."""
    scheme: str | None = None
    """Label scheme whose labels are the classes; None where `--scheme` names it."""
    value_range: tuple[float, float] | None = None
    note: str = ""
    """A sentence printed with every score."""


def _classes(name: str, main: str, *, scheme: str | None, source: str, formula: str) -> Protocol:
    return Protocol(name=name, kind="classes", main=main, scheme=scheme, source=source, formula=formula)


_WAF = "WAF = sum_c (n_c / n) F1_c"
_MER = "arXiv 2304.08981, 2404.17113, 2504.19423; zeroQiaoba/MERTools [field]"
_AFFECTGPT = "arXiv 2501.16566; zeroQiaoba/AffectGPT [field]"

_ALL = (
    _classes("closed", "uar", scheme=None, source="scikit-learn", formula="UAR, WAR, WAF, macro-F1 of --scheme NAME"),
    _classes("dfer", "uar", scheme=None, source="DFEW, FERV39k, MAFW [field]", formula="UAR and WAR of --scheme NAME"),
    Protocol(
        name="mer2023-multi",
        kind="classes+value",
        main="combined",
        scheme="mer6",
        value_range=(-5.0, 5.0),
        source=_MER,
        formula="combined = WAF - 0.25 MSE; a truth of -10 has no value",
    ),
    _classes("mer2023-semi", "waf", scheme="mer6", source=_MER, formula=_WAF),
    _classes("mer2024", "waf", scheme="mer6", source=_MER, formula=_WAF),
    _classes("mer2025-semi", "waf", scheme="mer6", source=_MER, formula=_WAF),
    _classes("mer2026-semi", "waf", scheme="mer6", source=_MER, formula=_WAF),
    Protocol(name="valence", kind="value", main="ccc", source="ours", formula="CCC and MSE, population moments"),
    Protocol(
        name="hitrate",
        kind="hitrate",
        main="hit_rate",
        tables="v1",
        groups=(LEVEL_1,),
        zero_division="nan",
        source=_AFFECTGPT,
        formula="share of clips whose one true word is in the answer's level-1 clusters, mean over five wheels",
        note=RECALL_ONLY,
    ),
    Protocol(
        name="sentiment",
        kind="sentiment",
        main="waf",
        source=_AFFECTGPT,
        formula="WAF and accuracy of (truth > 0) against (answer > 0), clips with truth 0 left out",
        note=NEUTRAL_IS_NEGATIVE,
    ),
    Protocol(
        name="preference",
        kind="preference",
        main="waf",
        source="zeroQiaoba/MERTools [field]",
        formula="WAF and accuracy of two classes: which of two descriptions is the better one",
    ),
    Protocol(
        name="ovmer-12",
        kind="sets",
        main="m_avg",
        tables="v1",
        groups=(TARGETS,),
        zero_division="nan",
        source=_AFFECTGPT,
        formula="M-avg = mean of 12 F: words, wheel words, five wheels at two levels",
    ),
    Protocol(
        name="unibench",
        kind="sets",
        main="f",
        tables="v1",
        groups=(LEVEL_1,),
        zero_division="nan",
        source=_AFFECTGPT,
        formula="OV-MERD+: mean of 5 F at level 1; with --dataset, hit rate or WAF of the other sets",
    ),
    Protocol(
        name="mer2025",
        kind="sets",
        main="f",
        tables="v1",
        groups=(LEVEL_1, LEVEL_2),
        zero_division="nan",
        source=_MER,
        formula="(mean of 5 F at level 1 + mean of 5 F at level 2) / 2",
    ),
    Protocol(
        name="mer2026",
        kind="sets",
        main="f",
        tables="v2",
        groups=(LEVEL_1,),
        source="arXiv 2604.19417; zeroQiaoba/MERTools [field]",
        formula="mean of 5 F at level 1; 0/0 is 0",
    ),
    Protocol(
        name="mer2024-ov",
        kind="groups",
        main="score",
        source=_MER,
        formula="mean of mean precision and mean recall after stored synonym groups",
    ),
    Protocol(
        name="emotrace-wheel",
        kind="sets",
        main="f",
        tables="own",
        groups=((INNER,), (MIDDLE,)),
        source="ours",
        formula="(F at the inner ring + F at the middle ring) / 2 on emotrace's own wheel",
        note=NOT_COMPARABLE,
    ),
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}
"""Name -> protocol, in the order in which `--list` prints them."""
