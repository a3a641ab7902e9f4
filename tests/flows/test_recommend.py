"""`rcekd recommend`: lists for a few, for all, for strangers, and what is refused."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rcekd.serving.shards import held
from tests.flows.conftest import Outcome

Command = Callable[..., Outcome]


def test_a_few_users(rcekd: Command, finished: Path) -> None:
    done = rcekd("recommend", finished, "--users", "0,7", "-k", 3, "--json")
    assert done.code == 0
    assert [entry["user"] for entry in done.result["recommendations"]] == [0, 7]
    for entry in done.result["recommendations"]:
        scores = [item["score"] for item in entry["items"]]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
    twice = rcekd("recommend", finished, "--users", "0,7,0", "-k", 3, "--json")
    assert twice.result == done.result
    shown = rcekd("recommend", finished, "--users", "0,7", "-k", 3)
    assert (shown.code, "synthetic, top 3" in shown.out, shown.err) == (0, True, "")


def test_the_lists_are_those_that_evaluation_judges(rcekd: Command, finished: Path) -> None:
    """Recall@10 of the lists under the evaluation's mask is the run's own."""
    Path("users").write_text("\n".join(map(str, range(50))))
    words = ("recommend", finished, "--users-file", "users", "--seen", "train", "--to", "lists.parquet", "--json")
    assert rcekd(*words).result["rows"] == 500
    from rcekd.experiments.opening import open_run
    from rcekd.experiments.place import Place
    from rcekd.training.loop import Silent

    run = open_run(finished, Place(Path("runs"), None, Silent()))
    lists = pl.read_parquet("lists.parquet").group_by("user", maintain_order=True).agg("item")
    recall = 0.0
    for user, items in lists.iter_rows():
        start, stop = run.data.test.indptr[user : user + 2].tolist()
        targets = {run.data.item_ids[item] for item in run.data.test.indices[start:stop].tolist()}
        recall += len(targets & set(items)) / max(len(targets), 1)
    assert recall / 50 == pytest.approx(run.summary["test"]["recall@10"])


def test_seen_items_are_left_out_unless_kept(rcekd: Command, finished: Path) -> None:
    kept = rcekd("recommend", finished, "--users", "3", "-k", 80, "--keep-seen", "--json").result
    left = rcekd("recommend", finished, "--users", "3", "-k", 80, "--json").result
    endless = rcekd("recommend", finished, "--users", "3", "-k", 10**11, "--json").result
    assert endless["recommendations"] == left["recommendations"]
    assert len(kept["recommendations"][0]["items"]) == 80
    assert 0 < len(left["recommendations"][0]["items"]) < 80
    assert (kept["seen"], left["seen"]) == ("none", "all")


def test_all_users_in_shards_and_going_on(rcekd: Command, finished: Path) -> None:
    words = ("recommend", finished, "--all", "--to", "lists", "--shard-users", 20, "--json", "-k", 5)
    first = rcekd(*words)
    assert (first.code, first.result["shards"], first.result["kept"], first.result["rows"]) == (0, 3, 0, 250)
    whole = pl.read_parquet("lists/*.parquet")
    Path("lists/part-00001-of-00003.parquet").unlink()
    again = rcekd(*words)
    assert (again.result["kept"], again.result["rows"]) == (2, 250)
    assert pl.read_parquet("lists/*.parquet").equals(whole)
    some = rcekd("recommend", finished, "--users", "41", "-k", 5, "--json").result["recommendations"][0]
    mine = whole.filter(pl.col("user") == 41)
    assert mine["item"].to_list() == [item["item"] for item in some["items"]]
    with held(Path("lists")):
        busy = rcekd(*words)
    assert (busy.code, "another process is writing lists here" in busy.error) == (2, True)
    other = rcekd("recommend", finished, "--all", "--to", "lists", "--shard-users", 20, "-k", 6)
    assert (other.code, "another top" in other.error) == (2, True)
    assert rcekd("recommend", finished, "--all", "--to", "lists", "-k", 6, "--force", "--json").result["rows"] == 300


@pytest.mark.slow
def test_killed_and_started_again(rcekd: Command, finished: Path) -> None:
    """SIGKILL between two shards: the next run keeps the first and ends with the lists of an undisturbed one."""
    words = ["recommend", str(finished), "--all", "--shard-users", "10", "--quiet", "--to"]
    script = (
        "import os, signal, sys\nfrom rcekd.serving import shards\nfrom rcekd.commands.application import run\n"
        "write, left = shards.write_frame, [3]\n"
        "def counted(*arguments):\n    left[0] -= 1\n"
        "    os.kill(os.getpid(), signal.SIGKILL) if left[0] == 0 else write(*arguments)\n"
        "shards.write_frame = counted\nrun(sys.argv[1:])"
    )
    ended = subprocess.run([sys.executable, "-c", script, *words, "lists"], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(Path("lists").glob("part-*"))) == 2
    assert not Path("lists/_SUCCESS").exists()
    done = rcekd(*words[:-2], "--json", "--to", "lists")
    assert (done.result["kept"], done.result["shards"]) == (2, 5)
    assert rcekd(*words, "whole").code == 0
    assert pl.read_parquet("lists/*.parquet").equals(pl.read_parquet("whole/*.parquet"))


def test_strangers_on_stdin(rcekd: Command, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(written: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written)))

    write("\ufeff1,2,5\n7 8\n".encode())
    found = rcekd("recommend", finished, "--history", "-", "-k", 4, "--json").result["recommendations"]
    assert [entry["user"] for entry in found] == [1, 2]
    assert all(len(entry["items"]) == 4 for entry in found)
    assert not {1, 2, 5} & {item["item"] for item in found[0]["items"]}
    write(b"1,\xe9\n")
    done = rcekd("recommend", finished, "--history", "-")
    assert (done.code, "stdin: not UTF-8 text" in done.error) == (2, True)


def test_who_has_met_everything_has_an_empty_list(rcekd: Command, finished: Path) -> None:
    Path("histories").write_text(f"{','.join(map(str, range(80)))}\n1,2\n")
    words = ("recommend", finished, "--history", "histories", "-k", 2)
    found = rcekd(*words, "--json").result
    assert found["users"] == 2
    assert [(entry["user"], len(entry["items"])) for entry in found["recommendations"]] == [(1, 0), (2, 2)]
    assert "nothing is left to list for 1 of 2 users" in rcekd(*words).out
    Path("met.csv").write_text("user,item\n" + "".join(f"{user},{item}\n" for user in "ab" for item in "xyz"))
    small = ("--set", "teacher.dim=2", "--set", "teacher.train.epochs=1", "--threads", 1, "--json")
    run = rcekd("train-teacher", "--dataset", "met.csv", *small).result["run_dir"]
    found = rcekd("recommend", run, "--users", "b,a", "--json").result["recommendations"]
    assert found == [{"user": "b", "items": []}, {"user": "a", "items": []}]


def test_titles(rcekd: Command, finished: Path) -> None:
    Path("items.csv").write_text("item,title\n" + "\n".join(f"{item},film {item}" for item in range(80)))
    words = ("recommend", finished, "--users", "1", "--titles", "items.csv")
    assert "film " in rcekd(*words).out
    for item in rcekd(*words, "--json").result["recommendations"][0]["items"]:
        assert item["title"] == f"film {item['item']}"
    Path("items.csv").write_text("item,title\nfilm-1,Heat\n")
    done = rcekd(*words, "--json")
    assert (done.code, done.result["recommendations"][0]["items"][0]["title"]) == (0, None)
    assert (
        "items.csv: no id in it is an item of this model, so there are no titles; the data's are like 0\n" in done.err
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "whom the lists are for"),
        (("--users", "1", "--all"), "whom the lists are for"),
        (("--users", "1,99,x"), "user '99' is not in the data this model was trained on, and 1 more of 3"),
        (("--users", ","), "--users ',': no ids in it"),
        (("--users", "99,x", "--skip-unknown"), "--users: no user that this model knows"),
        (("--users", "1", "--seen", "tests"), "--seen 'tests'"),
        (("--users", "1", "--to", "folder"), ".parquet"),
        (("--all",), "--to DIR"),
        (("--users-file", "none"), "none: cannot read"),
        (("--history", "histories", "--history-times", "histories"), "reads no times, only an HSTU"),
        (("--history", "histories"), "histories, line 2: item '999' is not"),
        (("--history", "histories"), "correct it (between the items of a line stand tabs, else commas"),
        (("--users", "1", "--titles", "none.csv"), "none.csv"),
    ],
)
def test_what_is_refused(rcekd: Command, finished: Path, words: tuple[str, ...], says: str) -> None:
    Path("histories").write_text("1 2\n3 999\n")
    done = rcekd("recommend", finished, *words)
    assert done.code == 2
    assert says in done.error


def test_skipping_what_is_unknown(rcekd: Command, finished: Path) -> None:
    Path("histories").write_text("1 2\n3 999\n")
    for words in (("--users", "1,99,2"), ("--history", "histories")):
        done = rcekd("recommend", finished, *words, "--skip-unknown", "--json")
        assert done.code == 0
        assert len(done.result["recommendations"]) == 2
    Path("histories").write_text("999\n")
    assert (
        "no item that this model knows"
        in rcekd("recommend", finished, "--history", "histories", "--skip-unknown").error
    )


def test_a_run_that_has_not_finished(rcekd: Command, finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    (finished / "summary.json").unlink()
    assert "has not finished" in rcekd("recommend", finished, "--users", "1").error
    assert rcekd("recommend", summary["teacher"]["run_dir"], "--users", "1").code == 0
