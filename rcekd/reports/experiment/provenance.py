"""Where numbers come from: how they were judged, and for every cell its run, settings, code, data and machine."""

import os
from collections.abc import Sequence
from pathlib import Path

from rcekd.reports.experiment import texts
from rcekd.reports.experiment.blocks import Block
from rcekd.reports.experiment.quality import anchor, row_name
from rcekd.reports.experiment.records import Record
from rcekd.reports.experiment.sheets import Column, Entry, Sheet

COLUMNS = ("row", "seed", "run", "cell", "settings", "code", "data", "epochs", "torch", "machine")


def protocol_lines(blocks: Sequence[Block]) -> list[str]:
    """One line per dataset and protocol: who is averaged over what, how it was split, how much of the test is cold."""
    return list(dict.fromkeys(_protocol(record) for block in blocks for record in block.records))


def provenance_sheet(name: str, block: Block, folder: Path, to: Path) -> Sheet:
    """A row per cell of a block; the first of each of the block's rows carries the anchor that its numbers lead to.

    folder: of the experiment. to: where the report is written, which links start from.
    """
    rows = [
        [Entry(row_name(row), anchor=anchor(name, place) if first else ""), *_cell(record, seed, folder, to)]
        for place, row in enumerate(block.rows)
        for first, seed, record in zip([True] + [False] * len(row.records), row.seeds, row.records, strict=False)
    ]
    columns = [Column(heading, numeric=heading in ("seed", "epochs")) for heading in COLUMNS]
    notes = ["settings: digest of all that the cell depends on but its seeds; data: fingerprint of the split"]
    return Sheet(f"{name}-provenance", f"{block.title}: provenance", columns, rows, notes=notes)


def _cell(record: Record, seed: int, folder: Path, to: Path) -> list[Entry]:
    facts = record.summary
    run = run_folder(facts.run_dir, folder)
    best = "" if facts.best_epoch is None else f" (best {facts.best_epoch + 1})"
    epochs = texts.NOTHING if facts.epochs is None else f"{facts.epochs}{best}"
    return [
        Entry(str(seed), order=seed),
        Entry(facts.run_dir, link=relative(run, to) if run is not None else ""),
        Entry(record.id, link=relative(record.file, to)),
        Entry(record.settings_digest),
        Entry(facts.code),
        Entry(facts.dataset.fingerprint[:16]),
        Entry(epochs, order=facts.epochs),
        Entry(facts.versions.torch),
        Entry(facts.machine),
    ]


def run_folder(run_dir: str, folder: Path) -> Path | None:
    """The run folder where its summary says it is, else beside the experiments: the whole may have been moved."""
    places = [Path(run_dir)]
    places += [parent / Path(run_dir).name for parent in folder.resolve().parents[1:2]]
    return next((place for place in places if place.is_dir()), None)


def relative(path: Path, to: Path) -> str:
    """The way from the folder `to` to the file, with forward slashes."""
    return Path(os.path.relpath(path.resolve(), to.resolve())).as_posix()


def _protocol(record: Record) -> str:
    data, protocol = record.summary.dataset, record.summary.protocol
    who = "all users" if protocol.users == "all" else "users with a target"
    read = "" if protocol.history == "train" else f"Sequential models have read {protocol.history} before the test. "
    return (
        f"{data.name}, split {data.split}: {data.users:,} users × {data.items:,} items, "
        f"{data.train:,} / {data.valid:,} / {data.test:,} interactions to train, validate and test; "
        f"{data.cold_test_share:.1%} of test pairs concern items never trained on. "
        f"All items ranked, {protocol.mask} items masked, averaged over {who}. {read}"
        f"Data {data.fingerprint[:16]}."
    )
