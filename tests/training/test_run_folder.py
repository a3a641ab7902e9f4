"""Run folders: whole files, one process at a time, and one line for whatever is wrong with them."""

import multiprocessing
from pathlib import Path

import pytest
import torch

from rcekd.errors import InputError
from rcekd.training.files import write_json, write_whole
from rcekd.training.run_folder import RunFolder, next_free
from tests.training.workbench import make_folder


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")

    def half(file: object) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, half)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    write_whole(path, lambda file: file.write(b"after"))
    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "file"
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(path, lambda file: file.write(b""))
    assert caught.value.filename == str(path)


def test_json_holds_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_metrics_go_on_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    for epoch in range(4):
        folder.append_metrics({"epoch": epoch})
    with folder.metrics_file.open("a") as file:
        file.write('{"epoch": 4, "lo')
    assert len(folder.read_metrics()) == 4
    folder.truncate_metrics(2)
    folder.append_metrics({"epoch": 2})
    assert folder.metrics_file.read_text() == '{"epoch": 0}\n{"epoch": 1}\n{"epoch": 2}\n'


@pytest.mark.parametrize("garbage", [b"\xff\xfe\n", b"[1]\n", b'{"loss": 1}\n', b'{"epoch": 7}\n', b""])
def test_metrics_that_are_none_are_passed_over(tmp_path: Path, garbage: bytes) -> None:
    folder = make_folder(tmp_path)
    folder.metrics_file.write_bytes(b'{"epoch": 0}\n' + garbage)
    assert folder.read_metrics() == [{"epoch": 0}]


WEIGHTS = {"user": torch.arange(6.0).reshape(2, 3), "item": torch.ones(4, 3)}


def test_model_round_trip_in_the_same_bytes(tmp_path: Path) -> None:
    folder, other = make_folder(tmp_path / "a"), make_folder(tmp_path / "b")
    folder.write_model(WEIGHTS, {"model": "mf"})
    other.write_model(dict(reversed(WEIGHTS.items())), {"model": "mf"})
    assert folder.model_file.read_bytes() == other.model_file.read_bytes()
    weights, metadata = folder.read_model()
    assert metadata == {"model": "mf"}
    assert all(torch.equal(weights[name], WEIGHTS[name]) for name in WEIGHTS)


def test_every_changed_bit_of_a_model_is_noticed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    folder.write_model(WEIGHTS, {})
    content = folder.model_file.read_bytes()
    for place in range(len(content) - 18 * 4, len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1
        folder.model_file.write_bytes(bytes(damaged))
        with pytest.raises(InputError, match=r"model\.safetensors: damaged"):
            folder.read_model()


def test_no_model_yet(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trained model here; finish the run with --resume"):
        make_folder(tmp_path).read_model()


def test_one_folder_one_holder(tmp_path: Path) -> None:
    first, second = make_folder(tmp_path), RunFolder(tmp_path)
    first.lock()
    with pytest.raises(InputError, match="another process is running in this folder"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_a_lock_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder that can be written"):
        RunFolder(tmp_path / "none").lock()


def take(parent: Path, barrier: "multiprocessing.synchronize.Barrier", taken: "multiprocessing.Queue[str]") -> None:
    barrier.wait()
    for _ in range(10):
        taken.put(next_free(parent, "run").name)


def test_next_free_gives_every_process_folders_of_its_own(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, taken = context.Barrier(3), context.Queue()
    workers = [context.Process(target=take, args=(tmp_path / "runs", barrier, taken)) for _ in range(3)]
    for worker in workers:
        worker.start()
    names = sorted(taken.get(timeout=60) for _ in range(30))
    for worker in workers:
        worker.join()
    assert names == [f"run-{number:03d}" for number in range(1, 31)]


def test_next_free_fills_the_lowest_gap(tmp_path: Path) -> None:
    for number in (1, 3):
        (tmp_path / f"run-{number:03d}").mkdir()
    assert next_free(tmp_path, "run").name == "run-002"


def test_next_free_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot make a run folder here"):
        next_free(tmp_path / "file" / "runs", "run")


@pytest.mark.parametrize(
    ("seed", "says"), [("2020-13-45", "month must be in"), ("!!bool foo", "fit its tag"), ("0\nseed: 1", "'seed'")]
)
def test_settings_that_are_no_yaml_are_named(tmp_path: Path, seed: str, says: str) -> None:
    (tmp_path / "config.yaml").write_text(f"kind: distill\nseed: {seed}\n")
    with pytest.raises(InputError, match=f"config.yaml: not YAML .*{says}"):
        RunFolder(tmp_path).read_config()
