"""The model as ONNX: two small graphs over the tables in factors.safetensors, which they point into.

Written node by node: the graphs are a dozen nodes each, and the tables, which a tracer would copy into each graph, stay
in one file that onnxruntime maps into memory. External data has no limit of 2 GB.

model.onnx    user int64 [B], seen int64 [B, S], k int64 [1]     → item int64 [B, K], score float32 [B, K]
history.onnx  history int64 [B, H], seen int64 [B, S], k [1]     → the same; a vector is folded in for every history

All ids are places in the tables. Rows of `seen` and `history` are padded with −1, S and H may be 0 and 1; an item of a
history counts once for each time it is there. Where fewer than k items are left, item is −1 and score −inf.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from rcekd.extras import require

OPSET, IR_VERSION = 17, 8  # onnxruntime 1.12 and later
FLOAT, INT64 = 1, 7  # onnx.TensorProto's codes


class StoredTensor(NamedTuple):
    """Where a safetensors file holds a float32 tensor."""

    file: str
    shape: list[int]
    offset: int
    length: int


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """Name → place of every tensor in a safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: StoredTensor(
            path.name, entry["shape"], 8 + length + entry["data_offsets"][0],
            entry["data_offsets"][1] - entry["data_offsets"][0],
        )
        for name, entry in header.items()
    }  # fmt: skip


def write_user_model(path: Path, tables: dict[str, StoredTensor]) -> None:
    """model.onnx, beside the file that holds the tables `user` and `item`."""
    make = require("onnx.helper", "serving", otherwise="give --no-onnx")
    nodes = [make.make_node("Gather", ["user_table", "user"], ["vector"]), *_ranking(make)]
    inputs = [make.make_tensor_value_info("user", INT64, ["B"]), *_ranking_inputs(make)]
    _write(path, "top_n_of_users", nodes, inputs, {"user_table": tables["user"], "item_table": tables["item"]}, [])


def write_history_model(path: Path, tables: dict[str, StoredTensor], power: float, typical: float) -> None:
    """history.onnx, beside the file that holds `item` and the fold-in's map (see rcekd.serving.fold_in)."""
    make = require("onnx.helper", "serving", otherwise="give --no-onnx")
    node = make.make_node
    nodes = [
        node("GreaterOrEqual", ["history", "zero"], ["is_there"]),
        node("Cast", ["is_there"], ["there"], to=FLOAT),
        node("Unsqueeze", ["there", "last_axis"], ["there_BH1"]),
        node("Max", ["history", "zero"], ["place"]),
        node("Gather", ["item_table", "place"], ["met_BHD"]),
        node("Mul", ["met_BHD", "there_BH1"], ["counted_BHD"]),
        node("ReduceSum", ["counted_BHD", "one"], ["sum_BD"], keepdims=0),
        node("ReduceSum", ["there", "one"], ["length_B1"], keepdims=1),
        node("Max", ["length_B1", "one_float"], ["divisor_B1"]),
        node("Pow", ["divisor_B1", "power"], ["power_B1"]),
        node("Mul", ["power_B1", "typical"], ["scale_B1"]),
        node("Div", ["sum_BD", "scale_B1"], ["feature_BD"]),
        node("Gemm", ["feature_BD", "fold_in_weight", "fold_in_bias"], ["vector"]),
        *_ranking(make),
    ]
    inputs = [make.make_tensor_value_info("history", INT64, ["B", "H"]), *_ranking_inputs(make)]
    constants = [
        make.make_tensor("last_axis", INT64, [1], [2]),
        make.make_tensor("one_float", FLOAT, [], [1.0]),
        make.make_tensor("power", FLOAT, [], [power]),
        make.make_tensor("typical", FLOAT, [], [typical ** (1 - power)]),
    ]
    names = {"item_table": "item", "fold_in_weight": "fold_in_weight", "fold_in_bias": "fold_in_bias"}
    _write(path, "top_n_of_histories", nodes, inputs, {ours: tables[name] for ours, name in names.items()}, constants)


def _ranking_inputs(make: Any) -> list[Any]:
    return [make.make_tensor_value_info("seen", INT64, ["B", "S"]), make.make_tensor_value_info("k", INT64, [1])]


def _ranking(make: Any) -> list[Any]:
    """From `vector` [B, D] to item and score. A column of −inf at the end takes the padding of `seen`."""
    node = make.make_node
    return [
        node("Gemm", ["vector", "item_table"], ["all_scores"], transB=1),
        node("Shape", ["all_scores"], ["rows"], start=0, end=1),
        node("Concat", ["rows", "one"], ["column_shape"], axis=0),
        node("Expand", ["lowest", "column_shape"], ["column"]),
        node("Concat", ["all_scores", "column"], ["open_scores"], axis=1),
        node("Shape", ["seen"], ["seen_shape"]),
        node("Expand", ["lowest", "seen_shape"], ["hidden"]),
        node("ScatterElements", ["open_scores", "seen", "hidden"], ["scores"], axis=1),
        node("Shape", ["scores"], ["columns"], start=1, end=2),
        node("Min", ["k", "columns"], ["length"]),
        node("TopK", ["scores", "length"], ["score", "place_in_scores"], axis=1, largest=1, sorted=1),
        node("IsInf", ["score"], ["ended"], detect_positive=0),
        node("Where", ["ended", "nothing", "place_in_scores"], ["item"]),
    ]


def _write(
    path: Path, name: str, nodes: list[Any], inputs: list[Any], tables: dict[str, StoredTensor], constants: list[Any]
) -> None:
    onnx = require("onnx", "serving", otherwise="give --no-onnx")
    make = onnx.helper
    constants = [
        *constants,
        make.make_tensor("zero", INT64, [], [0]),
        make.make_tensor("one", INT64, [1], [1]),
        make.make_tensor("nothing", INT64, [], [-1]),
        make.make_tensor("lowest", FLOAT, [], [float("-inf")]),
        *(_external(onnx, ours, tensor) for ours, tensor in tables.items()),
    ]
    used = {given for node in nodes for given in node.input}
    kinds = {"item": INT64, "score": FLOAT}
    outputs = [make.make_tensor_value_info(output, kind, ["B", "K"]) for output, kind in kinds.items()]
    constants = [tensor for tensor in constants if tensor.name in used]
    graph = make.make_graph(nodes, name, inputs, outputs, initializer=constants)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", OPSET)], producer_name="rcekd")
    model.ir_version = IR_VERSION
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(path))  # by its path: the checker looks the tables up


def _external(onnx: Any, name: str, stored: StoredTensor) -> Any:
    """An initialiser whose numbers are in another file of the same folder."""
    tensor = onnx.TensorProto(name=name, data_type=FLOAT, dims=stored.shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", stored.file), ("offset", stored.offset), ("length", stored.length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
