"""`rcekd export`: a finished run as a folder that can be put into service without rcekd and without torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import save_file
from torch import Tensor

from rcekd.datasets.download import file_sha256
from rcekd.experiments.machine import machine
from rcekd.experiments.opening import FinishedRun
from rcekd.serving import card, index, onnx_check, onnx_graph
from rcekd.serving.example import SCORE_PY
from rcekd.serving.fold_in import FoldIn, fit
from rcekd.serving.folder import whole_folder
from rcekd.serving.latency import latency, visitors
from rcekd.serving.rows import between
from rcekd.serving.seen import Seen, seen_between, seen_of
from rcekd.serving.top import Lists, rank
from rcekd.training.files import write_json, write_text

TOP = 10
CARD = "model_card.md"
MOST_COMPARED = 256  # users whose lists onnxruntime and the index are compared on
REQUESTS = 300

WHAT = {
    "factors.safetensors": "user [U, D] and item [I, D], float32; fold_in_weight, fold_in_bias for new users",
    "user_factors.parquet": "columns place, id, vector: a row per user, place being its row in the factors",
    "item_factors.parquet": "the same for items",
    "ids.json": "users and items: the original id at every place",
    "seen.parquet": "columns user, item (original ids): what a user's list leaves out",
    "seen.safetensors": "the same by place: items of user u are item[indptr[u]:indptr[u + 1]]",
    "model.onnx": "user, seen, k → item, score; needs factors.safetensors beside it",
    "history.onnx": "history, seen, k → item, score; needs factors.safetensors beside it",
    "index.usearch": "items, inner product, for usearch; vectors have one more coordinate, 0 for users",
    "score.py": "top-N for a user or a history (commas or tabs between its items) with numpy alone",
    "card.json": "this page, for programs",
}


@dataclass(frozen=True)
class Wanted:
    """What an export is to hold. seen: which known items its lists leave out."""

    seen: Seen = "all"
    with_onnx: bool = True
    with_index: bool = True


def export(run: FinishedRun, to: Path, wanted: Wanted, *, force: bool = False) -> dict[str, Any]:
    """Write the run into the folder `to`, whole or not at all. Returns the model card.

    InputError where `to` holds something (but for an export under `force`) or the run itself, an extra is missing, or
    onnxruntime's scores are not ours.
    """
    with whole_folder(to, force=force, replaces={*WHAT, CARD}, spared=[run.path]) as folder:
        measured: dict[str, Any] = {"seen": wanted.seen, "onnx": {}}
        map_ = fit(run.tables, run.data)
        _write_tables(folder, run, map_, wanted.seen)
        measured["fold_in"] = _fold_in_facts(map_)
        measured["latency"] = _latency(run, wanted.seen)
        if wanted.with_onnx:
            measured["onnx"] = _write_onnx(folder, run, map_, wanted.seen)
        if wanted.with_index:
            measured["index"] = _write_index(folder, run, wanted.seen)
        write_text(folder / "score.py", SCORE_PY)
        measured["files"] = _files(folder)
        facts = card.facts(run, measured)
        write_json(folder / "card.json", facts)
        write_text(folder / CARD, card.as_markdown(facts))
    return facts


def _write_tables(folder: Path, run: FinishedRun, map_: FoldIn, seen: Seen) -> None:
    """Factors, ids and seen items, each for programs that know places and for tables that know original ids."""
    data, tables = run.data, run.tables
    factors = {"user": tables.user_UD, "item": tables.item_ID}
    factors |= {"fold_in_weight": map_.weight_DD, "fold_in_bias": map_.bias_D}
    save_file({name: tensor.contiguous() for name, tensor in factors.items()}, folder / "factors.safetensors")
    for name, ids in (("user", data.user_ids), ("item", data.item_ids)):
        _vectors(ids, factors[name]).write_parquet(folder / f"{name}_factors.parquet")
    original = {"users": data.user_ids.to_list(), "items": data.item_ids.to_list()}
    write_text(folder / "ids.json", json.dumps(original, ensure_ascii=False))
    left_out = seen_between(data, seen, 0, data.n_users)
    save_file({"indptr": left_out.indptr, "item": left_out.indices}, folder / "seen.safetensors")
    pairs = {"user": _at(data.user_ids, left_out.rows()), "item": _at(data.item_ids, left_out.indices)}
    pl.DataFrame(pairs).write_parquet(folder / "seen.parquet")


def _vectors(ids: pl.Series, factor_ND: Tensor) -> pl.DataFrame:
    vector = pl.Series(factor_ND.numpy().reshape(-1)).reshape((len(ids), factor_ND.shape[1]))
    return pl.DataFrame({"id": ids, "vector": vector}).with_row_index("place")


def _at(ids: pl.Series, place: Tensor) -> pl.Series:
    return ids.gather(pl.Series(place.numpy()))


def _fold_in_facts(map_: FoldIn) -> dict[str, Any]:
    facts = {"power": map_.power, "typical_length": map_.typical, "ridge": map_.ridge}
    return facts | {"valid_ndcg@10": map_.valid, "valid_ndcg@10_trained": map_.trained}


def _latency(run: FinishedRun, seen: Seen) -> dict[str, Any]:
    """One user's list on one thread."""
    users = visitors(run.data.n_users, REQUESTS)
    left_out, vector_BD = seen_of(run.data, seen, users), run.tables.user_UD[users.long()]

    def answer(row: int) -> Lists:
        return rank(vector_BD[row : row + 1], run.tables.item_ID, TOP, between(left_out, row, row + 1))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        took = latency(answer, list(range(REQUESTS)))
    finally:
        torch.set_num_threads(threads)
    return {"top": TOP, **took._asdict(), "machine": machine()}


def _write_onnx(folder: Path, run: FinishedRun, map_: FoldIn, seen: Seen) -> dict[str, Any]:
    """Both models, each compared with our own lists."""
    tables, data = run.tables, run.data
    stored = onnx_graph.stored_tensors(folder / "factors.safetensors")
    onnx_graph.write_user_model(folder / "model.onnx", stored)
    onnx_graph.write_history_model(folder / "history.onnx", stored, map_.power, map_.typical)
    users = onnx_check.spread(data.n_users, MOST_COMPARED)
    left_out, history = seen_of(data, seen, users), data.seen.take(users)
    sources = {
        "model.onnx": ("user", users.long().numpy(), tables.user_UD[users.long()]),
        "history.onnx": ("history", onnx_check.padded(history), map_(history, tables.item_ID)),
    }
    found = {}
    for name, (source, ids, vector_BD) in sources.items():
        session = onnx_check.session(folder / name)
        theirs = onnx_check.run(session, source, ids, left_out, TOP)
        parity = onnx_check.compare(theirs, rank(vector_BD, tables.item_ID, TOP, left_out))
        onnx_check.require_parity(folder / name, parity)
        found[name] = parity._asdict()
    return found


def _write_index(folder: Path, run: FinishedRun, seen: Seen) -> dict[str, Any]:
    """The index, and the share of exact lists it finds."""
    threads = torch.get_num_threads()
    built = index.build(run.tables.item_ID, threads)
    built.save(str(folder / "index.usearch"))
    users = onnx_check.spread(run.data.n_users, MOST_COMPARED)
    vector_BD, left_out = run.tables.user_UD[users.long()], seen_of(run.data, seen, users)
    exact = rank(vector_BD, run.tables.item_ID, TOP, left_out)
    found = index.search(built, vector_BD, TOP, left_out, threads)
    return {"top": TOP, "recall": index.recall(found, exact), "rows": users.numel()}


def _files(folder: Path) -> dict[str, Any]:
    """Size and digest of every file but the cards."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": file_sha256(folder / name), "what": what}
        for name, what in WHAT.items()
        if (folder / name).exists()
    }
