"""Options that several commands share, and the settings they add up to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer

from rcekd import devices, methods, models
from rcekd.commands.console import Output, TrainingView
from rcekd.config import Values, parse_assignment, read_config, split_run_config
from rcekd.datasets import CATALOG
from rcekd.errors import InputError
from rcekd.experiments.layers import Layer, with_preset
from rcekd.experiments.place import Place
from rcekd.experiments.plan import ready
from rcekd.kernels.cuda_library import why_unavailable
from rcekd.training.sinks import SINKS, parse_sink


def complete_dataset(incomplete: str) -> list[str]:
    """Names of known datasets for the shell; it completes paths by itself."""
    return sorted(name for name in CATALOG if name.startswith(incomplete))


def complete_model(incomplete: str) -> list[str]:
    """Names of backbones for the shell."""
    return sorted(name for name in models.MODELS if name.startswith(incomplete))


def complete_method(incomplete: str) -> list[str]:
    """Names of methods for the shell, each part of a combination anew."""
    done, plus, part = incomplete.rpartition("+")
    return sorted(f"{done}{plus}{name}" for name in methods.METHODS if name.startswith(part))


def complete_ready(incomplete: str) -> list[str]:
    """Names of ready experiments for the shell."""
    return [name for name in ready() if name.startswith(incomplete)]


def complete_sink(incomplete: str) -> list[str]:
    """Names of sinks for the shell."""
    return sorted(name for name in SINKS if name.startswith(incomplete))


Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset", help="known dataset (see `rcekd data list`) or path [ml-100k]", autocompletion=complete_dataset
    ),
]
Teacher = Annotated[str | None, typer.Option("--teacher", help="teacher's model", autocompletion=complete_model)]
Teachers = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher",
        help="teacher's model, or the run folder of a trained or imported one; several folders are mixed",
        autocompletion=complete_model,
    ),
]
Student = Annotated[str | None, typer.Option("--student", help="student's model", autocompletion=complete_model)]
Method = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="distillation method (see `rcekd methods`), or several: rcekd+de",
        autocompletion=complete_method,
    ),
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="folder of raw data [RCEKD_DATA_DIR, else cache]")]
SeenItems = Annotated[
    str, typer.Option("--seen", help="which known items lists leave out: all, train+valid, train, none")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="set a dotted key; repeatable")]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings, like a run's config.yaml")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="seed of the run [0]")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="threads of native and torch code [all cores]")]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="folder that run folders are made in")]
Resume = Annotated[Path | None, typer.Option("--resume", metavar="RUN_DIR", help="go on with the run in this folder")]
LogTo = Annotated[
    list[str] | None,
    typer.Option(
        "--log-to",
        metavar="SINK[:PLACE]",
        help="curves while training: tensorboard[:FOLDER] or mlflow[:URI]; repeatable",
        autocompletion=complete_sink,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="print errors only")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on stdout, all else on stderr")]
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]

RUNS_DIR = Path("runs")


@dataclass(frozen=True)
class Environment:
    """Where and how a command works, apart from what it computes."""

    output: Output
    place: Place


def environment(
    *,
    data_dir: Path | None,
    runs_dir: Path,
    device: str,
    threads: int | None,
    quiet: bool,
    as_json: bool,
    log_to: list[str] | None = None,
) -> Environment:
    """Set up output, threads, device and sinks. InputError for a device or a sink that is not there."""
    chosen = devices.choose(device, why_unavailable)
    if threads is not None:
        torch.set_num_threads(threads)
    output = Output(as_json=as_json, quiet=quiet)
    if chosen.warning is not None:
        output.note(chosen.warning)
    sinks = tuple(parse_sink(text) for text in log_to or [])
    view = TrainingView(output)
    place = Place(runs_dir, data_dir, view, sinks=sinks, device=chosen.device, tell=output.note)
    return Environment(output, place)


def on_the_cpu(command: str, device: str) -> str:
    """The device of a command that computes on the CPU only. InputError where another is asked for."""
    if device == "cuda":
        raise InputError(f"--device cuda: {command} computes on the CPU; leave --device out")
    return "cpu" if device == "auto" else device


def check_resume(settings: Sequence[object], runs_dir: Path, **options: bool) -> None:
    """InputError where anything beside --resume was given that the run folder says already.

    settings: None or empty where not given. options: whether each was given, by its name with _ for -.
    """
    if any(value not in (None, []) for value in settings):
        raise InputError("--resume takes its settings from the run folder; leave the other settings out")
    given = [name for name, is_given in {**options, "runs_dir": runs_dir != RUNS_DIR}.items() if is_given]
    if given:
        word = given[0].replace("_", "-")
        raise InputError(f"--{word} beside --resume: a run goes on in its folder as it was started; leave --{word} out")


class ConfigFile(NamedTuple):
    """A --config file, read once: a pipe cannot be read again.

    asked: what one that was a run's says beside its settings, its teachers' folders and options.
    """

    path: Path
    asked: Values
    settings: Values


def config_file(config: Path | None) -> ConfigFile | None:
    """The --config file, where one was given."""
    return None if config is None else ConfigFile(config, *split_run_config(read_config(config)))


def check_folder_of(option: str, file: Path | None) -> None:
    """InputError where a file is to be written, after long work, into a folder that is not there."""
    if file is not None and not file.absolute().parent.is_dir():
        raise InputError(f"{option} {file}: there is no folder {file.parent}; make it first")


def _teachers_of(config: ConfigFile, assignments: list[str] | None) -> list[Path]:
    """The teachers' folders that a --config file names. InputError where --set asks for another teacher."""
    found = config.asked.get("teacher_dirs", [])
    if not isinstance(found, list) or not all(isinstance(folder, str) for folder in found):
        raise InputError(f"{config.path}: teacher_dirs: expected a list of run folders, not {found!r}")
    for text in assignments or [] if found else []:
        asked = parse_assignment(text).get("teacher", {})
        if not isinstance(asked, dict) or asked.keys() - {"mix", "temperature"}:
            raise InputError(
                f"--set {text}: {config.path} names its teacher's folder under teacher_dirs; give --teacher NAME to "
                "train another, or leave this out"
            )
    return [Path(folder) for folder in found]


def split_teachers(
    words: list[str] | None, config: ConfigFile | None, assignments: list[str] | None
) -> tuple[str | None, list[Path]]:
    """--teacher as a model's name, or as run folders, which without it are those of the --config file.

    InputError where names and folders, or two names, are mixed.
    """
    if not words:
        return None, [] if config is None else _teachers_of(config, assignments)
    folders = [Path(word) for word in words if "/" in word or Path(word).is_dir()]
    if folders and len(folders) < len(words):
        name = next(word for word in words if Path(word) not in folders)
        raise InputError(f"--teacher {name!r}: no folder of this name; several teachers are given by their run folders")
    if len(words) > 1 and not folders:
        raise InputError("--teacher was given twice; train each teacher, then give their run folders")
    return (None, folders) if folders else (words[0], [])


def run_layers(
    dataset: str | None,
    *,
    teacher: str | None = None,
    student: str | None = None,
    method: str | None = None,
    config: ConfigFile | None,
    assignments: list[str] | None,
    seed: int | None,
    alias: Callable[[Values], Values] = lambda values: values,
) -> list[Layer]:
    """The preset of the dataset, --config, --set and the flags, in rising order of precedence, for config.resolve.

    alias: what the keys of --set are short for in this command.
    """
    flags = flag_values(dataset, teacher=teacher, student=student, method=method, seed=seed)
    return with_preset(given_layers(config, assignments, alias), flags)


def given_layers(
    config: ConfigFile | None, assignments: list[str] | None, alias: Callable[[Values], Values] = lambda values: values
) -> list[Layer]:
    """--config and every --set, each a layer of its own."""
    given: list[Layer] = [] if config is None else [(str(config.path), config.settings)]
    return given + [(f"--set {text}", alias(parse_assignment(text))) for text in assignments or []]


def check_rooms(assignments: list[str] | None, rooms: tuple[str, ...], command: str) -> None:
    """InputError where --set says something that the command does not read."""
    for text in assignments or []:
        if not parse_assignment(text).keys() <= {"dataset", *rooms}:
            taken = " and ".join(f"{room}.…" for room in rooms)
            raise InputError(f"--set {text}: {command} takes only {taken} settings")


def flag_values(
    dataset: str | None, *, teacher: str | None, student: str | None, method: str | None, seed: int | None
) -> Values:
    """The settings that have flags of their own, where these were given."""
    flags: Values = {"teacher": {"model": teacher}, "student": {"model": student}, "method": {"name": method}}
    flags = {room: values for room, values in flags.items() if None not in values.values()}
    flags |= {"seed": seed} if seed is not None else {}
    return flags | ({"dataset": dataset} if dataset is not None else {})
