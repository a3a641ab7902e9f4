"""Settings from layers: what wins, how values are read, and what the one line of an error says."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rcekd.config import RunSettings, TeacherSettings, Values, merge, parse_assignment, preset, read_config, resolve
from rcekd.errors import InputError
from rcekd.methods import RCEKDSettings
from rcekd.models import MODELS

BASE: Values = {"dataset": "synthetic"}


def resolved(*assignments: str, **values: Any) -> RunSettings:
    given = [(f"--set {text}", parse_assignment(text)) for text in assignments]
    return resolve([("the test", {**BASE, **values}), *given])


def refusal(*assignments: str, **values: Any) -> str:
    with pytest.raises(InputError) as caught:
        resolved(*assignments, **values)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults() -> None:
    settings = resolved()
    assert (settings.teacher.backbone.model, settings.student.model, settings.method.name) == ("mf", "mf", "rcekd")
    assert settings.to_values()["teacher"]["dim"] == 400
    assert settings.to_values()["student"]["dim"] == 20


def test_later_layers_win_key_by_key() -> None:
    settings = resolved("train.epochs=5", "train.patience=2", "train.epochs=7", train={"epochs": 3, "batch_size": 9})
    assert (settings.train.epochs, settings.train.batch_size, settings.train.patience) == (7, 9, 2)


def test_merge_changes_neither_side() -> None:
    base, over = {"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "e": [5]}
    merged = merge(base, over)
    merged["a"]["b"] = 9
    merged["c"].append(9)
    merged["e"].append(9)
    assert (base, over) == ({"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}, "e": [5]})


def test_values_round_trip_through_yaml() -> None:
    settings = resolved("method.variant=code", "method.horizon=null", "teacher.train.epochs=3", "teacher.seed=4")
    values = yaml.safe_load(yaml.safe_dump(settings.to_values()))
    assert resolve([("config.yaml", values)]) == settings
    assert settings.teacher_seed == 4
    assert settings.train.epochs != settings.teacher.train.epochs == 3


def test_the_teacher_seed_is_the_run_seed_unless_given() -> None:
    assert resolved("seed=7").teacher_seed == 7
    assert resolved("seed=7", "teacher.seed=0").teacher_seed == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=5", {"a": {"b": 5}}),
        ("a=0.5", {"a": 0.5}),
        ("a=null", {"a": None}),
        ("a=true", {"a": True}),
        ("a=[1, 2]", {"a": [1, 2]}),
        ("a=", {"a": ""}),
        ("a=-", {"a": "-"}),
        ("a=x=y", {"a": "x=y"}),
        ("a.b.c=text", {"a": {"b": {"c": "text"}}}),
    ],
)
def test_assignments(text: str, expected: Values) -> None:
    assert parse_assignment(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "=5",
        ".a=5",
        "a.=5",
        "a..b=5",
        "a=[1",
        "a={",
        "a: b",
        "a='x",
        "a=2020-13-45",
        "a=0x_",
        "a={b: 1, b: 2}",
        "a=!!bool foo",
        "a=!!timestamp foo",
        "a=!!int ''",
        "a=" + 2000 * "[" + 2000 * "]",
    ],
)
def test_bad_assignments(text: str) -> None:
    with pytest.raises(InputError, match=r"--set "):
        parse_assignment(text)


def test_numbers_in_scientific_notation() -> None:
    assert resolved("train.learning_rate=1e-4", "train.weight_decay=1e-05").train.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("trian=3", "train"),
        ("train.epoch=3", "epochs"),
        ("student.dimm=3", "dim"),
        ("teacher.init_sdt=3", "init_std"),
        ("teacher.train.epoch=3", "epochs"),
        ("teacher.sed=3", "seed"),
        ("method.gama=3", "gamma"),
        ("method.gamma.shap=linear", "shape"),
        ("method.lamda=3", "lambda"),
        ("method.k=3", "K"),
        ("data.splt=random", "split"),
        ("data.columns.usr=who", "user"),
        ("data.synthetic.usrs=3", "users"),
        ("eval.maks=train", "mask"),
    ],
)
def test_unknown_keys_at_any_depth_name_the_nearest(text: str, nearest: str) -> None:
    key = text.split("=", maxsplit=1)[0]
    message = refusal(text)
    assert f"unknown setting {key!r} (from --set {text}); did you mean {nearest!r}?" in message
    assert "backbone" not in message


def test_known_keys_follow_the_chosen_method() -> None:
    message = refusal("method.tua=3", method={"name": "ce"})
    assert "known: K, items, lambda, logit_tau, name, weighting" in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train.epochs=many", "train.epochs='many'"),
        ("train.epochs=2.5", "train.epochs=2.5"),
        ("train.epochs=0", "greater than 0"),
        ("train.epochs=true", "train.epochs=True"),
        ("train.epochs=null", "train.epochs=None"),
        ("train.learning_rate=-1", "greater than 0"),
        ("train.learning_rate=.inf", "finite"),
        ("train.learning_rate=.nan", "finite"),
        ("train.learning_rate=true", "true or false"),
        ("train.watch=auc", "'ndcg@10'"),
        ("train.reduction=max", "'sum' or 'mean'"),
        ("student.dim=0", "greater than or equal to 1"),
        ("student.dim=99999", "16384"),
        ("student.dim=[3]", "student.dim=[3]"),
        ("seed=-1", "greater than or equal to 0"),
        ("seed=9223372036854775808", "less than"),
        ("teacher.seed=-1", "teacher.seed=-1"),
        ("method.beta=-1", "method.beta=-1"),
        ("method.variant=text", "'paper' or 'code'"),
        ("method.variant=[paper]", "'paper' or 'code'"),
        ("method.horizon=10", "horizon 10 is shorter than K = 50"),
        ("method.by_rank=true", "by_rank needs a horizon"),
        ("method.gamma=3", "setting method.gamma=3"),
        ("method.gamma.value=2", "less than or equal to 1"),
        ("train=3", "setting train=3"),
        ("eval.users=some", "'all' or 'with-targets'"),
        ("data.valid_share=0.6", "setting data"),
        ("data.separator=ab", "single ASCII character"),
        ("student.model=fm", "unknown model 'fm'; did you mean 'mf'"),
        ("method.name=rcekdd", "unknown method 'rcekdd'; did you mean 'rcekd'"),
        ("dataset=[a]", "dataset"),
    ],
)
def test_wrong_values_are_named(text: str, says: str) -> None:
    extra = {"data": {"test_share": 0.5}} if "share" in text else {}
    message = refusal(text, **extra)
    assert says in message
    assert len(message) < 300
    if "unknown" not in message:
        assert f"(from --set {text})" in message


def test_the_layer_that_is_wrong_is_the_one_named() -> None:
    with pytest.raises(InputError, match=r"\(from my\.yaml\)"):
        resolve([("a preset", {**BASE, "train": {"epochs": 3}}), ("my.yaml", {"train": {"epochs": "x"}})])


def test_a_missing_dataset_is_asked_for() -> None:
    with pytest.raises(InputError, match="setting 'dataset' is missing"):
        resolve([("nothing", {})])


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "my.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_config_file(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "train:\n  epochs: 3\n")) == {"train": {"epochs": 3}}
    assert read_config(write(tmp_path, "# nothing\n")) == {}
    deep = "base: &b {epochs: 1}\nouter: {deep: &a {<<: *b, epochs: 2}}\ntrain: {<<: *a, patience: 3}\n"
    assert read_config(write(tmp_path, deep))["train"] == {"epochs": 2, "patience": 3}
    merged = "base: &base {epochs: 3, patience: 5}\ntrain: {<<: *base, epochs: 4}\n"
    assert read_config(write(tmp_path, merged))["train"] == {"epochs": 4, "patience": 5}, "a merge may be said anew"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("train:\n  epochs: [3\n", "line 3"),
        ("train:\n\tepochs: 3\n", "line 2"),
        ("a: b: c\n", "line 1"),
        ("- 3\n", "expected settings by key"),
        ("just words\n", "expected settings by key"),
        (b"\xff\xfe\x00", "my.yaml"),
        ("a: !!python/object:os.system {}\n", "line 1"),
        ("a: &x [*x, *y]\n", "line 1"),
        ("a: \x07\n", "my.yaml"),
        ("{a: 1, [b]: 2, {c: 3}: 4}\n", "line 1"),
        ("train:\n  epochs: 3\n  patience: 2\n  epochs: 4\n", "line 4: not valid YAML (the key 'epochs' stands here a"),
        (
            "train: {epochs: 3}\nseed: 1\ntrain: {patience: 5}\n",
            "line 3: not valid YAML (the key 'train' stands here a",
        ),
        ("seed: 2020-13-45\n", "my.yaml: not valid YAML (month must be in 1..12"),
    ],
)
def test_malformed_config_file(tmp_path: Path, content: str | bytes, says: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["missing.yaml", "."])
def test_config_file_that_cannot_be_read(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match="cannot read this config file"):
        read_config(tmp_path / path)


def test_no_model_has_a_setting_that_a_teacher_has_beside_it() -> None:
    """`teacher.KEY` would mean two things."""
    beside = set(TeacherSettings.model_fields) - {"backbone"}
    assert not [name for name, entry in MODELS.items() if beside & set(entry.settings.model_fields)]


def test_presets_hold_valid_settings() -> None:
    values = preset("citeulike", "mf", "mf", "rcekd")
    settings = resolve([("the preset", {"dataset": "citeulike", **values})])
    assert isinstance(settings.method, RCEKDSettings)
    assert settings.to_values()["teacher"]["dim"] == 400


def of_preset(dataset: str, pair: str) -> Values:
    """All settings of RCE-KD between TEACHER-STUDENT by the dataset's preset."""
    teacher, student = pair.split("-")
    values = {"dataset": dataset, **preset(dataset, teacher, student, "rcekd")}
    chosen = {"teacher": {"model": teacher}, "student": {"model": student}}
    return resolve([("the preset", values), ("models", chosen)]).to_values()


@pytest.mark.parametrize("dataset", ["citeulike", "gowalla", "yelp", "ml-100k", "ml-1m"])
@pytest.mark.parametrize("pair", ["hstu-hstu", "hstu-mf", "sasrec-sasrec"])
def test_presets_of_the_sequential_pairs(dataset: str, pair: str) -> None:
    """The teacher is the larger of two alike, and RCE-KD's lists are set."""
    (teacher, student), settings = pair.split("-"), of_preset(dataset, pair)
    assert settings["method"]["K"] > 20
    assert settings["train"]["negatives"] == (1 if student == "mf" else 128)
    assert student == "mf" or settings["teacher"]["blocks"] > settings["student"]["blocks"]
    if teacher == "hstu":
        assert settings["teacher"]["time_bias"] == ("auto" if dataset == "ml-1m" else False)


@pytest.mark.parametrize("pair", ["mf-mf", "lightgcn-lightgcn", "lightgcn-mf"])
@pytest.mark.parametrize("dataset", ["citeulike", "gowalla", "yelp", "ml-100k", "ml-1m"])
def test_presets_of_the_other_pairs(dataset: str, pair: str) -> None:
    settings = of_preset(dataset, pair)
    assert settings["teacher"]["dim"] > settings["student"]["dim"] == 20


def test_no_preset_for_what_is_no_known_dataset(tmp_path: Path) -> None:
    write(tmp_path, "students: {mf: {student: {dim: 3}}}\n")
    assert preset(str(tmp_path / "my"), "mf", "mf", "rcekd") == {}
    assert preset("synthetic", "mf", "mf", "rcekd") == {}


@pytest.mark.parametrize("key", ["method.weight", "method.rcekd.top_k"])
def test_a_setting_has_one_name(key: str) -> None:
    """The name that stands in the code is no second one: beside a preset's own it would be two values for one."""
    method = "rcekd+de" if "rcekd" in key else "rcekd"
    assert f"unknown setting {key!r}" in refusal(f"method.name={method}", f"{key}=3")


def test_a_method_that_would_never_begin_is_refused() -> None:
    layers = [("test", {"dataset": "ml-100k", "method": {"name": "bd", "warm_up": 20}, "train": {"epochs": 20}})]
    with pytest.raises(InputError, match=r"the method begins after 20 epochs, and train\.epochs=20 ends before"):
        resolve(layers)
