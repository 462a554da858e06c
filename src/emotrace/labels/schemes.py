"""Every corpus's label set, by name: the owner's labels in the owner's order, codes in the files, other orders about.

    >>> scheme("dfew").read("3")
    ('neutral',)
    >>> scheme("ferv39k").order("alphabetical")[0]
    'angry'
    >>> scheme("mosi-7").of_value(-1.8)
    '-2'

Facts, not files: nothing here is copied from a corpus, and each scheme names where it was read. The canonical words
(`concepts`) are our own; in them two schemes meet (see `labels/mapping.py`). Pure Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from emotrace.errors import UnknownChoice
from emotrace.labels.affects import AFFECT_NAMES, SECTORS
from emotrace.labels.label_scheme import Bins, LabelScheme

CONCEPTS: dict[str, str] = {
    "angry": "anger",
    "happy": "joy",
    "happiness": "joy",
    "sad": "sadness",
    "fearful": "fear",
    "disgusted": "disgust",
    "surprised": "surprise",
    "worried": "worry",
    "anxiety": "worry",
    "nervousness": "worry",
    "excited": "excitement",
    "frustrated": "frustration",
    "annoyance": "irritation",
    "love": "affection",
    "curiosity": "interest",
    "embarrassment": "shame",
}
"""Label -> canonical word, where the two differ."""


def _scheme(
    name: str,
    labels: str,
    source: str,
    *,
    written: Mapping[str, str] | None = None,
    orders: Mapping[str, str] | None = None,
    values: Mapping[str, tuple[float, float]] | None = None,
    bins: Bins | None = None,
    multi: bool = False,
    is_open: bool = False,
) -> LabelScheme:
    names = tuple(labels.split())
    return LabelScheme(
        name=name,
        labels=names,
        concepts=tuple("+".join(CONCEPTS.get(part, part) for part in label.split("_")) for label in names),
        written={**_spellings(names), **(written or {})},
        orders={order: tuple(text.split()) for order, text in (orders or {}).items()},
        values=values or {},
        bins=bins,
        multi=multi,
        open=is_open,
        source=source,
    )


_FAMILIES = (
    "happy happiness joy joyful",
    "sad sadness",
    "angry anger",
    "fear fearful afraid",
    "disgust disgusted",
    "surprise surprised",
    "worried worry anxiety anxious",
    "neutral",
    "contempt contemptuous",
    "excited excitement",
    "frustrated frustration",
    "calm",
    "boredom bored",
)


def _spellings(labels: Sequence[str]) -> dict[str, str]:
    """The noun for the adjective and the other way round, where one label alone can be meant."""
    found: dict[str, str] = {}
    for family in _FAMILIES:
        forms = family.split()
        meant = [label for label in labels if label in forms]
        if len(meant) == 1:
            found.update({form: meant[0] for form in forms if form != meant[0]})
    return found


def _numbered(labels: str, *, first: int = 1, width: int = 0) -> dict[str, str]:
    return {str(number).zfill(width): label for number, label in enumerate(labels.split(), start=first)}


_DFEW = "happy sad neutral angry surprise disgust fear"
_MAFW = "anger disgust fear happiness neutral sadness surprise contempt anxiety helplessness disappointment"
_MAFW_COMPOUND = """
    anger_anxiety anger_disgust anger_disgust_anxiety anger_disgust_contempt anger_helplessness anger_sadness
    anger_surprise anxiety_helplessness anxiety_helplessness_disappointment disgust_anxiety
    disgust_anxiety_helplessness disgust_contempt disgust_disappointment disgust_helplessness
    disgust_helplessness_disappointment disgust_sadness disgust_surprise fear_anxiety fear_sadness fear_sadness_anxiety
    fear_surprise fear_surprise_anxiety happiness_contempt happiness_surprise helplessness_disappointment
    sadness_anxiety sadness_anxiety_helplessness sadness_disappointment sadness_helplessness
    sadness_helplessness_disappointment sadness_surprise surprise_anxiety"""
_MER6 = "neutral angry happy sad worried surprise"
_RAVDESS = "neutral calm happy sad angry fearful disgust surprised"
_AFFECTNET = "neutral happy sad surprise fear disgust anger contempt"
_GOEMOTIONS = """
    admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval disgust
    embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief remorse
    sadness surprise neutral"""
_IEMOCAP_CODES = {
    "ang": "angry",
    "hap": "happy",
    "sad": "sad",
    "neu": "neutral",
    "fru": "frustrated",
    "exc": "excited",
    "fea": "fearful",
    "sur": "surprised",
    "dis": "disgusted",
    "oth": "other",
    "xxx": "undecided",
}
_MER_SOURCE = "zeroQiaoba/MERTools: emos_mer in toolkit/globals.py; MER2023 valence scale [-5, 5]"
_MMSA_SOURCE = "thuiar/MMSA and CMU-MultimodalSDK: label.csv, and how their code makes classes of values"


def _codes(labels: str, codes: Mapping[str, str] = _IEMOCAP_CODES) -> dict[str, str]:
    return {code: label for code, label in codes.items() if label in labels.split()}


def _sentiment_classes(corpus: str) -> tuple[LabelScheme, ...]:
    """The classes that the field makes of a value on [-3, 3]."""
    return (
        _scheme(f"{corpus}-2", "negative non-negative", _MMSA_SOURCE + " (0 counts as not negative)", bins=_BELOW_ZERO),
        _scheme(f"{corpus}-2-nonzero", "negative positive", _MMSA_SOURCE + " (0 is left out)", bins=_NONZERO),
        _scheme(f"{corpus}-3", "negative neutral positive", _MMSA_SOURCE, bins=_SIGN),
        _scheme(f"{corpus}-5", "-2 -1 0 1 2", _MMSA_SOURCE, bins=Bins(reach=2)),
        _scheme(f"{corpus}-7", "-3 -2 -1 0 1 2 3", _MMSA_SOURCE, bins=Bins(reach=3)),
    )


_BELOW_ZERO = Bins(edges=(-5e-324,))  # the greatest number below zero: zero itself is the other class
_NONZERO = Bins(edges=(0.0,), skip=0.0)
_SIGN = Bins(edges=(-5e-324, 0.0))

SCHEMES: tuple[LabelScheme, ...] = (
    _scheme(
        "dfew",
        _DFEW,
        "jiangxingxun/DFEW: EmoLabel_DataSplit, labels 1 to 7",
        written=_numbered(_DFEW),
        orders={"alphabetical": "angry disgust fear happy neutral sad surprise"},
    ),
    _scheme(
        "ferv39k",
        _DFEW,
        "wangyanckxx/FERV39k: the words in 4_setups; orders: sunlicai/MAE-DFER (owner's), M3DFEL (alphabetical)",
        orders={"alphabetical": "angry disgust fear happy neutral sad surprise"},
    ),
    _scheme(
        "mafw",
        _MAFW,
        "MAFW-database/MAFW; orders: MAE-DFER and EmoCLIP (owner's), DFER-CLIP, and the owners' own baseline T-ESFL",
        orders={
            "dfer-clip": "happiness sadness neutral anger surprise disgust fear contempt anxiety helplessness "
            "disappointment",
            "t-esfl": "sadness happiness helplessness anxiety disgust contempt disappointment surprise fear neutral "
            "anger",
        },
    ),
    _scheme(
        "mafw-compound",
        f"{_MAFW} {_MAFW_COMPOUND}",
        "MAFW-database/MAFW: 11 single and 32 compound classes; names as the owners' baseline T-ESFL spells them",
    ),
    _scheme("mer6", _MER6, _MER_SOURCE, values={"valence": (-5.0, 5.0)}),
    _scheme("ov-merd", "", "OV-MERD, arXiv 2410.01495: open vocabulary", multi=True, is_open=True),
    _scheme(
        "meld",
        "anger disgust sadness joy neutral surprise fear",
        "declare-lab/MELD: README (owner's order); orders: the baseline's, and zeroQiaoba/MERTools preprocess/meld.py",
        orders={
            "baseline": "neutral surprise fear sadness joy disgust anger",
            "mertools": "anger joy sadness neutral disgust fear surprise",
        },
    ),
    _scheme(
        "iemocap",
        "angry happy sad neutral frustrated excited fearful surprised disgusted other undecided",
        "IEMOCAP release: dialog/EmoEvaluation (ang hap sad neu fru exc fea sur dis oth xxx)",
        written=_IEMOCAP_CODES,
        values={"valence": (1.0, 5.0), "activation": (1.0, 5.0), "dominance": (1.0, 5.0)},
    ),
    _scheme(
        "iemocap-4",
        "happy sad neutral angry",
        "the field's four classes, 5,531 utterances: excited is counted as happy",
        written={**_codes("happy sad neutral angry"), "exc": "happy"},
    ),
    _scheme(
        "iemocap-6",
        "happy sad neutral angry excited frustrated",
        "the field's six classes (arXiv 1811.00405)",
        written=_codes("happy sad neutral angry excited frustrated"),
    ),
    _scheme(
        "crema-d",
        "anger disgust fear happy neutral sad",
        "CheyneyComputerScience/CREMA-D: README, codes in the file names",
        written={"ang": "anger", "dis": "disgust", "fea": "fear", "hap": "happy", "neu": "neutral"},
    ),
    _scheme(
        "ravdess", _RAVDESS, "RAVDESS, Zenodo 1188976: file name identifiers", written=_numbered(_RAVDESS, width=2)
    ),
    _scheme(
        "emodb",
        "anger boredom disgust fear happiness sadness neutral",
        "Berlin EmoDB, Interspeech 2005: sixth character of the file name (the initial of the German word)",
        written={
            "w": "anger",
            "l": "boredom",
            "e": "disgust",
            "a": "fear",
            "f": "happiness",
            "t": "sadness",
            "n": "neutral",
        },
    ),
    _scheme(
        "basic-7",
        "anger disgust fear happiness neutral sadness surprise",
        "emotrace: the six of Ekman 1992 and neutral, as heads/face.py names them",
    ),
    _scheme(
        "affectnet-8",
        _AFFECTNET,
        "AffectNet, arXiv 1708.03985: expression 0 to 7",
        written=_numbered(_AFFECTNET, first=0),
        values={"valence": (-1.0, 1.0), "arousal": (-1.0, 1.0)},
    ),
    _scheme(
        "affectnet-7",
        _AFFECTNET.removesuffix(" contempt"),
        "AffectNet without contempt: expression 0 to 6",
        written=_numbered(_AFFECTNET.removesuffix(" contempt"), first=0),
    ),
    _scheme(
        "goemotions",
        _GOEMOTIONS,
        "GoEmotions, arXiv 2005.00547: emotions.txt, ids 0 to 27",
        written=_numbered(_GOEMOTIONS, first=0),
        multi=True,
    ),
    _scheme(
        "goemotions-ekman",
        "anger disgust fear joy sadness surprise neutral",
        "GoEmotions, arXiv 2005.00547: ekman_mapping.json",
        multi=True,
    ),
    _scheme("mosi", "", _MMSA_SOURCE, values={"sentiment": (-3.0, 3.0)}),
    _scheme("mosei", "", _MMSA_SOURCE, values={"sentiment": (-3.0, 3.0)}),
    *_sentiment_classes("mosi"),
    _scheme(
        "mosei-emotions",
        "happy sad anger surprise disgust fear",
        "A2Zadeh/CMU-MultimodalSDK issue 134: order of the released emotion labels, each rated 0 to 3",
        orders={"paper": "happy sad anger fear disgust surprise"},
        multi=True,
    ),
    _scheme("sims", "", _MMSA_SOURCE, values={"sentiment": (-1.0, 1.0)}),
    _scheme("sims-2", "negative positive", _MMSA_SOURCE, bins=Bins(edges=(0.0,))),
    _scheme("sims-3", "negative neutral positive", _MMSA_SOURCE, bins=Bins(edges=(-0.1, 0.1))),
    _scheme(
        "sims-5",
        "negative weakly-negative neutral weakly-positive positive",
        _MMSA_SOURCE,
        bins=Bins(edges=(-0.7, -0.1, 0.1, 0.7)),
    ),
    _scheme("wheel-affects", " ".join(AFFECT_NAMES), "emotrace: the middle ring, labels/affects.py"),
    _scheme("wheel-sectors", " ".join(SECTORS), "emotrace: the inner ring, labels/affects.py"),
)

ALSO_CALLED: dict[str, str] = {
    "mer2023": "mer6",
    "mer2024": "mer6",
    "mer2025": "mer6",
    "mer2026": "mer6",
    "ovmerd": "ov-merd",
    "ov-merd-plus": "ov-merd",
    "fer-v39k": "ferv39k",
    "iemocap4": "iemocap-4",
    "iemocap6": "iemocap-6",
    "cremad": "crema-d",
    "affectnet": "affectnet-8",
    "affectnet7": "affectnet-7",
    "affectnet8": "affectnet-8",
    "goemotions-28": "goemotions",
    "goemotions-7": "goemotions-ekman",
    "cmu-mosi": "mosi",
    "cmu-mosei": "mosei",
    "ch-sims": "sims",
    "ch-sims-v2": "sims",
    "simsv2": "sims",
    "sims-v2": "sims",
    "wheel": "wheel-affects",
    **{f"mosei-{kind}": f"mosi-{kind}" for kind in ("2", "2-nonzero", "3", "5", "7")},
}
"""Other names of the same scheme."""


@cache
def schemes() -> dict[str, LabelScheme]:
    """Every scheme by its name."""
    return {each.name: each for each in SCHEMES}


def scheme(name: str) -> LabelScheme:
    """The label scheme of that name, in any case and with `_` or `-`.

    Raises:
        UnknownChoice: There is none; the message lists those that there are.
    """
    key = name.strip().casefold().replace("_", "-")
    known = schemes()
    key = ALSO_CALLED.get(key, key)
    if key not in known:
        raise UnknownChoice(f"no label scheme is called {name!r}", hint=f"Known schemes: {', '.join(known)}")
    return known[key]
