"""Tensors by name, from safetensors and from torch's checkpoints, whose code is never run."""

import contextlib
import io
import os
import tempfile
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from rcekd.errors import InputError
from rcekd.teachers.importing import RawFactors, read
from rcekd.teachers.importing.inert_pickle import Inert, read_checkpoint
from tests.teachers.importing.aid import ITEMS, USERS, lines, request, tables


class Config:
    """Stands for RecBole's: an object that torch.load(weights_only=True) refuses, with nested settings."""

    def __init__(self, model: str) -> None:
        self.final_config_dict = {"model": model, "learning_rate": 0.001}
        self.device = torch.device("cpu")
        self.kind = types.SimpleNamespace(values={1, 2}, order=OrderedDict(a=1))


class Malicious:
    """Unpickled the usual way, this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def read_factors(*files: Path, **options: Any) -> RawFactors:
    found = read(request(*files, **options))
    assert isinstance(found, RawFactors)
    return found


def checkpoint(model: str, other: dict[str, Any] | None) -> dict[str, Any]:
    """As RecBole's trainer saves."""
    user_UD, item_ID = tables()
    state = OrderedDict([("user_embedding.weight", user_UD), ("item_embedding.weight", nn.Parameter(item_ID))])
    return {"config": Config(model), "epoch": 3, "state_dict": state, "other_parameter": other, "optimizer": {"s": {}}}


def id_files(folder: Path) -> dict[str, Path]:
    return {f"{side}_ids": lines(folder / side, range(100, 100 + n)) for side, n in (("user", USERS), ("item", ITEMS))}


def test_safetensors(tmp_path: Path) -> None:
    user_UD, item_ID = tables()
    save_file({"user": user_UD, "item": item_ID}, tmp_path / "model.safetensors")
    found = read_factors(tmp_path / "model.safetensors")
    assert torch.equal(found.user_XD, user_UD)
    (tmp_path / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not a safetensors file"):
        read_factors(tmp_path / "model.safetensors")


@pytest.mark.parametrize("told", ['{"model": "mf"}', '{"kind": "imported"}', "[]", "no JSON"])
def test_safetensors_of_a_run_of_our_own(tmp_path: Path, told: str) -> None:
    """An MF scores with its tables; LightGCN first propagates them, so that they are another model's."""
    user_UD, item_ID = tables()
    path = tmp_path / "model.safetensors"
    save_file({"user": user_UD, "item": item_ID}, path, {"rcekd": told})
    assert torch.equal(read_factors(path).item_YD, item_ID)
    save_file({"user": user_UD, "item": item_ID}, path, {"rcekd": '{"model": "lightgcn"}'})
    with pytest.raises(InputError, match=r"a lightgcn of rcekd's, .* `distill --teacher") as caught:
        read_factors(path, user_key="user", item_key="item")
    assert str(caught.value).endswith(f"factors.safetensors of `rcekd export {tmp_path}`")


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"epoch": 1, "state_dict": state}])
def test_a_state_dict(tmp_path: Path, wrap: Any) -> None:
    user_UD, item_ID = tables()
    state = {"user.weight": user_UD.bfloat16(), "item.weight": item_ID, "item_bias.weight": torch.ones(ITEMS, 1)}
    torch.save(wrap(state), tmp_path / "model.pt")
    found = read_factors(tmp_path / "model.pt")
    assert found.user_XD.shape == (USERS, 4)
    assert torch.equal(found.item_YD, torch.cat([item_ID, torch.ones(ITEMS, 1)], 1))


def test_sparse_tables_are_refused(tmp_path: Path) -> None:
    torch.save({"user": torch.ones(3, 2).to_sparse(), "item": torch.ones(3, 2)}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="user: a sparse or quantized tensor"):
        read_factors(tmp_path / "model.pt")


def test_a_recbole_checkpoint(tmp_path: Path) -> None:
    torch.save(checkpoint("BPR", {}), tmp_path / "BPR.pth", pickle_protocol=4)
    with pytest.raises(InputError, match=r"give --user-ids FILE.*field2id_token\['user_id'\]"):
        read_factors(tmp_path / "BPR.pth")
    found = read_factors(tmp_path / "BPR.pth", **id_files(tmp_path))
    assert found.format == "recbole"
    assert torch.equal(found.item_YD, tables()[1])
    assert found.notes[-1] == "RecBole's BPR"


def test_a_graph_model_of_recbole_s_has_final_vectors(tmp_path: Path) -> None:
    """Its embeddings are not what it scores with; what it kept of its last evaluation is."""
    final = {"restore_user_e": tables()[0] + 1, "restore_item_e": tables()[1] * 2}
    torch.save(checkpoint("LightGCN", final), tmp_path / "m.pth")
    found = read_factors(tmp_path / "m.pth", **id_files(tmp_path))
    assert torch.equal(found.user_XD, final["restore_user_e"])
    torch.save(checkpoint("LightGCN", dict.fromkeys(final)), tmp_path / "m.pth")
    found = read_factors(tmp_path / "m.pth", **id_files(tmp_path))
    assert torch.equal(found.user_XD, tables()[0])
    assert "right only if its score is the inner product" in found.notes[-1]


def test_no_code_of_a_checkpoint_is_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    torch.save({**checkpoint("BPR", {}), "extra": Malicious(trap)}, tmp_path / "m.pth")
    found = read_factors(tmp_path / "m.pth", **id_files(tmp_path))
    assert not trap.exists()
    assert torch.equal(found.user_XD, tables()[0])
    # The trap does work where it is let.
    torch.load(tmp_path / "m.pth", weights_only=False)
    assert trap.exists()


def test_slices_and_shared_storages_are_read_as_they_are(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    parts = {"a": whole[1:3, ::2], "b": whole.T, "c": torch.empty(0, 3), "d": whole.half(), "e": torch.tensor(3)}
    torch.save({"odd": Config("x"), **parts}, tmp_path / "m.pt")
    found = read_checkpoint(tmp_path / "m.pt")
    assert isinstance(found["odd"], Inert)
    for name, tensor in parts.items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.int16])
def test_masks_and_states_beside_the_tables_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    mask = torch.tensor([1, 0, 1]).to(dtype)
    torch.save({**checkpoint("BPR", {}), "mask": mask}, tmp_path / "m.pth")
    found = read_checkpoint(tmp_path / "m.pth")["mask"]
    assert (found.dtype, torch.equal(found, mask)) == (dtype, True)
    assert torch.equal(read_factors(tmp_path / "m.pth", **id_files(tmp_path)).item_YD, tables()[1])


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e4m3fn, torch.uint16])
def test_tensors_of_other_kinds_beside_the_tables_stay_inert(tmp_path: Path, dtype: torch.dtype) -> None:
    torch.save({**checkpoint("BPR", {}), "other": torch.ones(3).to(dtype)}, tmp_path / "m.pth")
    assert isinstance(read_checkpoint(tmp_path / "m.pth")["other"], Inert)
    assert torch.equal(read_factors(tmp_path / "m.pth", **id_files(tmp_path)).item_YD, tables()[1])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**31), st.binary(min_size=1, max_size=3)), min_size=1, max_size=4))
def test_a_damaged_checkpoint_is_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    """Whatever bytes of the pickle are overwritten: some content, or the user's error."""
    buffer = io.BytesIO()
    torch.save(checkpoint("BPR", {}), buffer)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.pth")
        with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                data = bytearray(old.read(name))
                if name.endswith("data.pkl"):
                    for place, piece in changes:
                        at = place % len(data)
                        data[at : at + len(piece)] = piece
                new.writestr(name, bytes(data))
        with contextlib.suppress(InputError):
            read_checkpoint(path)


def test_a_place_beyond_the_pickle_takes_up_no_memory(tmp_path: Path) -> None:
    """A byte of a file overwritten, and Python would make room for two thousand million values."""
    with zipfile.ZipFile(tmp_path / "m.pth", "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02X\x01\x00\x00\x00ar\x00\x00\x00\x70.")
    with pytest.raises(InputError, match=r"m.pth: damaged, .* \(ValueError\)"):
        read_checkpoint(tmp_path / "m.pth")


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    torch.save({"model": 3, "name": "x"}, path)
    with pytest.raises(InputError, match="holds no tensors by name"):
        read_factors(path)
    torch.save(checkpoint("BPR", {}), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"m.pt: "):
        read_factors(path, **id_files(tmp_path))
    path.write_bytes(b"\x80\x02cposix\nmkdir\nX\x01\x00\x00\x00tq\x00\x85R.")
    with pytest.raises(InputError, match=r"m.pt: "):
        read_factors(path)
    torch.save({"user": torch.ones(3, 2)}, path)
    with pytest.raises(InputError, match="not a checkpoint of RecBole's"):
        read_factors(path, format="recbole")
