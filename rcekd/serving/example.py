"""The scoring example that every export holds: score.py, some thirty lines, numpy and nothing else."""

SCORE_PY = '''\
"""Top-N with numpy alone:  python score.py USER [N]  or  python score.py --history ITEM,ITEM,… [N], or tabs between"""
import json
import sys
from pathlib import Path
import numpy as np

HERE, TYPES = Path(__file__).parent, {"F32": "<f4", "I64": "<i8", "I32": "<i4"}
def read(name):  # safetensors: the header's length in 8 bytes, the header in JSON, then the numbers, mapped not loaded
    raw = np.memmap(HERE / name, np.uint8, "r")
    start = 8 + int(raw[:8].view("<u8")[0])
    told = json.loads(raw[8:start].tobytes())
    return {key: raw[start + (at := value["data_offsets"])[0]:start + at[1]].view(TYPES[value["dtype"]])
            .reshape(value["shape"]) for key, value in told.items() if key != "__metadata__"}

model, seen = read("factors.safetensors"), read("seen.safetensors")
ids, card = (json.loads((HERE / name).read_text("utf-8")) for name in ("ids.json", "card.json"))
new, names, fold_in = sys.argv[1:2] == ["--history"], [str(name) for name in ids["items"]], card["fold_in"]
count = (sys.argv[2 + new:] or ["10"])[0]
if len(sys.argv) < 2 + new or not count.isdecimal():
    sys.exit(__doc__)
def place_of(known, name):
    return known.index(name) if name in known else sys.exit(f"{name!r} is no id here (between items: commas, or tabs)")

if new:  # the history's mean item vector, through the map that the model card describes
    written = sys.argv[2].split("\\t" if "\\t" in sys.argv[2] else ",")
    met = [place_of(names, item) for item in dict.fromkeys(map(str.strip, written)) if item]  # each once
    weight = (len(met) / fold_in["typical_length"]) ** (1 - fold_in["power"])
    vector = weight * model["item"][met].mean(0) @ model["fold_in_weight"] + model["fold_in_bias"]
else:
    user = place_of([str(name) for name in ids["users"]], sys.argv[1])
    vector, met = model["user"][user], seen["item"][seen["indptr"][user]:seen["indptr"][user + 1]]
score = model["item"] @ vector
score[[] if card["seen"] == "none" else met] = -np.inf  # what is left out is no candidate, however long the list
best = np.argsort(-score, kind="stable")[:int(count)]
for place in best[score[best] > -np.inf]:
    print(ids["items"][place], score[place], sep="\\t")
'''
