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
}
