"""NumPy files: pairs, archives and implicit's models, and what is wrong with some of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rcekd.errors import InputError
from rcekd.teachers.importing import RawFactors, read
from tests.teachers.importing.aid import npz, request, tables


def read_factors(*files: Path, **options: Any) -> RawFactors:
    found = read(request(*files, **options))
    assert isinstance(found, RawFactors)
    return found


def test_a_pair_of_npy(tmp_path: Path) -> None:
    user_UD, item_ID = tables()
    np.save(tmp_path / "u.npy", user_UD.double().numpy())
    np.save(tmp_path / "i.npy", item_ID.half().numpy())
    found = read(request(tmp_path / "u.npy", tmp_path / "i.npy"))
    assert isinstance(found, RawFactors)
    assert found.user_XD.dtype == found.item_YD.dtype == torch.float32
    assert torch.equal(found.user_XD, user_UD)
    torch.testing.assert_close(found.item_YD, item_ID, atol=2e-3, rtol=1e-3)


def test_an_implicit_model(tmp_path: Path) -> None:
    """What implicit 0.7.3 saves: the factors beside its settings, some of them texts."""
    user_UD, item_ID = tables()
    path = npz(tmp_path / "als.npz", user_factors=user_UD, item_factors=item_ID, alpha=1.0, dtype="float32", factors=3)
    found = read(request(path))
    assert isinstance(found, RawFactors)
    assert found.format == "implicit"
    assert torch.equal(found.item_YD, item_ID)


def test_an_archive_with_biases(tmp_path: Path) -> None:
    """Names as LightFM has them; the bias becomes one more factor, so scores are inner products still."""
    user_UD, item_ID = tables()
    bias_I = torch.arange(40.0)
    path = npz(
        tmp_path / "fm.npz",
        user_embeddings=user_UD,
        item_embeddings=item_ID,
        user_biases=torch.ones(30),
        item_biases=bias_I,
    )
    found = read(request(path))
    assert isinstance(found, RawFactors)
    assert found.format == "npz"
    torch.testing.assert_close(found.user_XD @ found.item_YD.T, user_UD @ item_ID.T + bias_I)
    assert any("biases" in note for note in found.notes)


@pytest.mark.parametrize("options", [{}, {"item_bias": "item_biases"}, {"format": "implicit"}])
def test_biases_beside_implicits_names_are_folded_in(tmp_path: Path, options: dict[str, Any]) -> None:
    user_UD, item_ID = tables()
    bias_I = torch.arange(40.0)
    path = npz(tmp_path / "m.npz", user_factors=user_UD, item_factors=item_ID, item_biases=bias_I)
    found = read_factors(path, **options)
    assert found.format == options.get("format", "npz")
    torch.testing.assert_close(found.user_XD @ found.item_YD.T, user_UD @ item_ID.T + bias_I)


def test_other_tables_beside_implicits_names_can_be_chosen(tmp_path: Path) -> None:
    user_UD, item_ID = tables()
    path = npz(tmp_path / "m.npz", user_factors=user_UD, item_factors=item_ID, user_final=2 * user_UD)
    with pytest.raises(InputError, match=r"several tables may be the users'.*--user-key"):
        read(request(path))
    assert torch.equal(read_factors(path, user_key="user_final").user_XD, 2 * user_UD)
    assert torch.equal(read_factors(path, format="implicit").user_XD, user_UD)
    assert torch.equal(read_factors(path, format="implicit", user_key="user_final").user_XD, 2 * user_UD)


def test_an_implicit_model_of_one_factor_may_have_its_tables_named(tmp_path: Path) -> None:
    user_UD, item_ID = tables(1)
    path = npz(tmp_path / "als.npz", user_factors=user_UD, item_factors=item_ID)
    assert torch.equal(read_factors(path).item_YD, item_ID)
    assert torch.equal(read_factors(path, item_key="item_factors").item_YD, item_ID)
    with pytest.raises(InputError, match="--item-key 'items' is not in it; did you mean 'item_factors'"):
        read(request(path, item_key="items"))


def test_names_are_asked_for_with_their_shapes(tmp_path: Path) -> None:
    user_UD, item_ID = tables()
    path = npz(tmp_path / "m.npz", user_gmf=user_UD, user_mlp=user_UD, item_gmf=item_ID)
    with pytest.raises(InputError, match=r"several tables may be the users'.*--user-key.*user_gmf \[30, 3\]"):
        read(request(path))
    found = read(request(path, user_key="user_mlp"))
    assert isinstance(found, RawFactors)
    with pytest.raises(InputError, match="--user-key 'user_mpl' is not in it; did you mean 'user_mlp'"):
        read(request(path, user_key="user_mpl"))
    path = npz(tmp_path / "n.npz", p=user_UD, q=item_ID)
    with pytest.raises(InputError, match=r"no table is plainly the users'.*q \[40, 3\], p \[30, 3\]"):
        read(request(path))


@pytest.mark.parametrize(
    ("user", "item", "says"),
    [
        (torch.ones(30, 3), torch.ones(40, 4), "users have 3 factors and items 4"),
        (torch.ones(30), torch.ones(40, 3), r"u.npy: expected a table of rows × factors, not an array of shape \[30\]"),
        (torch.ones(30, 3).index_fill(0, torch.tensor([7]), torch.nan), torch.ones(40, 3), r"u.npy, row 7 \(from 0\)"),
        (torch.ones(30, 3).bool(), torch.ones(40, 3), "expected numbers, not bool"),
    ],
)
def test_wrong_tables(tmp_path: Path, user: torch.Tensor, item: torch.Tensor, says: str) -> None:
    np.save(tmp_path / "u.npy", user.numpy())
    np.save(tmp_path / "i.npy", item.numpy())
    with pytest.raises(InputError, match=says):
        read(request(tmp_path / "u.npy", tmp_path / "i.npy"))


def test_python_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "u.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "i.npy", np.ones((40, 3)))
    with pytest.raises(InputError, match=r"u.npy: not a .npy file of numbers"):
        read(request(tmp_path / "u.npy", tmp_path / "i.npy"))


def test_files_and_formats_that_do_not_fit(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", user=np.ones((3, 2)), item=np.ones((3, 2)))
    broken = tmp_path / "broken.npz"
    broken.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"broken.npz: not an .npz archive"):
        read(request(broken))
    with pytest.raises(InputError, match="no such file"):
        read(request(tmp_path / "none.npz"))
    with pytest.raises(InputError, match="format npy is two files"):
        read(request(path, format="npy"))
    with pytest.raises(InputError, match="no matrix factorisation of implicit's"):
        read(request(path, format="implicit"))
    with pytest.raises(InputError, match="say --format, one of npy, npz"):
        read(request(tmp_path / "model.model"))


@pytest.mark.parametrize("place", [60, 70, 100, 200, 400])
def test_a_damaged_archive_is_refused(tmp_path: Path, place: int) -> None:
    user_UD, item_ID = tables(20)
    np.savez_compressed(tmp_path / "c.npz", user=user_UD.numpy(), item=item_ID.numpy())
    damaged = bytearray((tmp_path / "c.npz").read_bytes())
    damaged[place] ^= 255
    damaged[place + 1] ^= 255
    (tmp_path / "c.npz").write_bytes(damaged)
    with pytest.raises(InputError, match=r"c\.npz: "):
        read(request(tmp_path / "c.npz"))


def test_an_archive_called_npy_is_refused(tmp_path: Path) -> None:
    user_UD, item_ID = tables()
    npz(tmp_path / "u.npz", user=user_UD).rename(tmp_path / "u.npy")
    np.save(tmp_path / "i.npy", item_ID.numpy())
    with pytest.raises(InputError, match=r"u\.npy: an archive of arrays"):
        read(request(tmp_path / "u.npy", tmp_path / "i.npy"))
