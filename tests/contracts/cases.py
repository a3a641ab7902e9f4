"""Settings that each method needs on a catalogue of 20 items, and its variants worth a run of their own."""

from typing import Any

CASES: dict[str, list[dict[str, Any]]] = {
    "ce": [{"K": 6}, {"K": 6, "items": "student"}, {"items": "all"}],
    "rcekd": [
        {"K": 6, "L": 5},
        {"K": 6, "L": 5, "variant": "code", "horizon": 12},
        *({"K": 6, "L": 5, "without": part} for part in ("split", "student", "teacher")),
        {"K": 6, "L": 5, "mask": "train"},
    ],
    "bd": [{"eps_tanh": 0.1}, {"variant": "code", "eps_tanh": 0.1, "tau": 1.0}],
    "hetcomp": [{"K": 6, "depth": 5}, {"K": 6, "depth": 5, "p": 1}, {"K": 6, "p": 1, "variant": "code"}],
    "promptmm": [{"N": 5}, {"N": 5, "parts": "whole"}],
    "rankdistil": [{"K": 4, "n": 6, "L": 5}, {"K": 6, "n": 6, "L": 0, "S": 3, "mask": "none"}],
    "rd": [{"K": 6, "Q": 8}, {"K": 6, "Q": 8, "warm_up": 0}, {"K": 6, "Q": 8, "warm_up": 0, "variant": "code"}],
    "cd": [
        {"n": 5, "t1": 2.0},
        {"n": 5, "t1": 2.0, "guide": "teacher", "R": 8},
        {"n": 5, "t1": 2.0, "variant": "code"},
        {"n": 5, "t1": 1.0},
    ],
    "rrd": [
        {"K": 4, "L": 3, "M": 5, "T": 2.0},
        {"K": 4, "L": 3, "M": 5, "rho": 0.5, "item_top_k": 4, "item_draws": 3, "item_pool": 6},
        {"K": 4, "L": 3, "M": 5, "rho": 0.5, "item_top_k": 4, "item_draws": 3, "item_pool": 6, "items_of": "batch"},
    ],
    "dcd": [
        {"K": 3, "L": 3, "pool": 8, "rho": 1.0},
        {"K": 3, "L": 3, "pool": None, "rho": 1.0},
        {"K": 3, "L": 3, "pool": 8, "variant": "code"},
    ],
    "unkd": [{"G": 2, "n": 6}, {"G": 3, "n": 6, "lamda": 1.0}],
    "tarec": [{"K": 6, "L": 5}, {"K": 6, "L": 5, "contrast": 0.5, "mask": "train"}],
    "de": [{"E": 3}, {"E": 1}, {"E": 3, "anneal": {"start": 1e-9, "end": 1e-10}}],
    "ftd": [{}],
    "htd": [{"K": 3}, {"K": 2, "groups": "prototypes", "through_prototypes": True, "negative": "keep"}],
    "freqd": [{}, {"variant": "neighbours", "K": 3}, {"distance": "squared"}],
    "pckd": [{"E": 3, "mxK": 10, "Q": 4}, {"E": 2, "mxK": 6, "Q": 2, "regulariser": "pair"}],
}

# Dense matrix products: BLAS adds in an order of its own for each number of threads, so results agree to rounding only.
ROUNDED = {"de", "ftd", "htd", "freqd", "pckd", "hetcomp", "tarec"}

_ONCE = "an entity counts once in each batch that it occurs in, as in the paper"
_PROJECTED = "the projector has still to learn to be the identity"
_CERTAIN = "it draws nothing"

# Contracts that cannot hold by the mathematics of a method: which, with which settings, and why. See that they fail.
EXEMPT: dict[str, list[tuple[str, dict[str, Any], str]]] = {
    "batches add up": [
        ("rrd", {"rho": 0.5}, "an item that both halves speak of is ranked once in the whole"),
        ("dcd", {"rho": 1.0}, "an item that both halves hold is ranked once in the whole"),
        ("tarec", {"contrast": 0.5}, "InfoNCE contrasts with whoever else is in the batch"),
        ("de", {}, _ONCE),
        ("ftd", {}, "pairs of entities of different batches are in no batch"),
        ("htd", {}, "pairs of entities of different batches are in no batch"),
        ("freqd", {}, _ONCE),
        ("pckd", {}, _ONCE),
    ],
    "another seed": [
        ("ce", {}, _CERTAIN),
        ("ftd", {}, _CERTAIN),
        ("hetcomp", {}, _CERTAIN),
        ("rcekd", {"without": "student"}, _CERTAIN),
        ("rcekd", {"without": "teacher"}, _CERTAIN),
    ],
    "nothing left to learn": [
        ("de", {}, _PROJECTED),
        ("htd", {}, _PROJECTED),
        ("freqd", {}, _PROJECTED),
        ("pckd", {}, _PROJECTED),
        ("rd", {}, "the teacher's list is to have probability 1, which no score has"),
        ("cd", {"t1": 2.0}, "the teacher's scores are halved before they are copied"),
        ("dcd", {"variant": "code"}, "its student's ranks count training items too, and every weight has a floor"),
        ("rrd", {}, "the likelihood of an order rises for ever as its scores draw apart"),
        ("unkd", {}, "the likelihood of an order rises for ever as its scores draw apart"),
        ("hetcomp", {}, "the likelihood of an order rises for ever as its scores draw apart"),
        ("rankdistil", {}, "only over all permutations, not over a few drawn ones, is the teacher the best student"),
        ("promptmm", {"parts": "whole"}, "a modality's scores and factors are not the fused ones"),
        ("tarec", {"contrast": 0.5}, "InfoNCE wants other rows' cosines lower than the teacher has them"),
    ],
}
