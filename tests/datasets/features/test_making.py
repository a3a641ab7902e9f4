"""From what is asked for to a table, whatever it is made of."""

from pathlib import Path

import numpy as np
import pytest

from rcekd.datasets.features.making import FeatureRequest, make_features
from tests.datasets.features.aid import refused


def test_of_tags(tmp_path: Path) -> None:
    """Items 1 and 2 share their tags, 3 and 4 theirs: two directions tell them apart."""
    path = tmp_path / "tags.dat"
    path.write_text("2 1 2\n2 2 1\n2 3 4\n2 4 3\n1 4\n")
    found = make_features(FeatureRequest(tags=path, width=2))
    assert found.item_ids.to_list() == [1, 2, 3, 4]
    assert np.allclose(found.value_XF @ found.value_XF.T, np.kron(np.eye(2), np.ones((2, 2))), atol=1e-6)


def test_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item,title,plot\n1,red,dog cat\n2,red,cat dog\n3,red,sun moon\n4,red,moon sun\n")
    found = make_features(FeatureRequest(text=path, text_column="plot", width=2))
    assert np.allclose(found.value_XF @ found.value_XF.T, np.kron(np.eye(2), np.ones((2, 2))), atol=1e-6)


@pytest.mark.parametrize("as_array", [True, False])
def test_of_a_matrix_with_ids(as_array: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([[1.0, 2.0], [3.0, 4.0]]))
    ids = tmp_path / ("ids.npy" if as_array else "ids.txt")
    if as_array:
        np.save(ids, np.array([30, 7]))
    else:
        ids.write_text("30\n7\n")
    found = make_features(FeatureRequest(vectors=tmp_path / "v.npy", item_ids=ids))
    assert found.item_ids.to_list() == [30, 7]
    assert found.value_XF.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_of_a_table_of_vectors(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("asin,a,b\nx,1,2\n")
    assert make_features(FeatureRequest(vectors=tmp_path / "v.csv")).item_ids.to_list() == ["x"]


def test_what_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((2, 2)))
    np.savez(tmp_path / "z.npz", a=np.ones(2))
    (tmp_path / "z.npy").write_bytes((tmp_path / "z.npz").read_bytes())
    (tmp_path / "ids.txt").write_text("1\n\n")
    (tmp_path / "text.npy").write_text("no array")
    assert "give --item-ids" in refused(make_features, FeatureRequest(vectors=tmp_path / "v.npy"))
    for vectors, message in [("v.npy", "line 2: blank"), ("z.npy", "archive"), ("text.npy", "not a .npy file")]:
        if vectors != "v.npy":
            (tmp_path / "ids.txt").write_text("1\n2\n")
        request = FeatureRequest(vectors=tmp_path / vectors, item_ids=tmp_path / "ids.txt")
        assert message in refused(make_features, request)
    both = FeatureRequest(tags=tmp_path / "v.npy", text=tmp_path / "v.npy")
    for request in (FeatureRequest(), both):
        assert "give --tags, --text or --vectors" in refused(make_features, request)
