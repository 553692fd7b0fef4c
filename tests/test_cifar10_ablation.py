"""The script behind the tables of notebook 09: that it runs, and that the numbers it left are of its settings."""

import importlib.util
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("cifar10_ablation", BENCHMARKS / "cifar10_ablation.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)  # as when the script is run
        spec.loader.exec_module(module)
    return module


def planned(script, settings):
    *small_sizes, all_images = settings["sizes"]
    configurations = [(variant, all_images) for variant in script.VARIANTS]
    configurations += [("all three", size) for size in small_sizes]
    return sorted((*configuration, seed) for configuration in configurations for seed in settings["seeds"])


def check(script, result, settings):
    assert result["settings"] == settings and result["machine"]["mxnet"]
    assert sorted((run["variant"], run["images"], run["seed"]) for run in result["runs"]) == planned(script, settings)
    for run in result["runs"]:
        assert 0 <= run["train_accuracy"] <= 1 and 0 <= run["test_accuracy"] <= 1
        # An accuracy is a count over the images, whatever was trained.
        assert run["train_accuracy"] * run["images"] == pytest.approx(round(run["train_accuracy"] * run["images"]))
        batches = -(-run["images"] // settings["batch_size"])
        assert run["epochs"] == max(1, round(settings["steps"] / batches))


@pytest.mark.data("cifar-10-sample")
def test_it_runs_in_small_and_writes_where_it_is_told(script, tmp_path, capsys):
    output = tmp_path / "new" / "tiny.json"
    script.main(["--tiny", "--output", str(output)])
    result = json.loads(output.read_text(encoding="utf-8"))
    check(script, result, script.TINY)
    assert len(capsys.readouterr().out.splitlines()) == len(result["runs"])


@pytest.mark.data("cifar-10-sample")
def test_a_small_run_leaves_the_recorded_numbers_alone(script, monkeypatch, tmp_path):
    monkeypatch.setattr(script, "RESULTS", tmp_path / "recorded.json")
    script.main(["--tiny"])
    assert not script.RESULTS.exists()


@pytest.mark.data("cifar-10-sample")
def test_each_variant_switches_on_what_it_is_called(script, monkeypatch):
    seen = {}

    def spy(net, train_iter, test_iter, num_epochs, trainer):
        names = {getattr(step, "func", step).__name__ for step in train_iter._transforms}
        normalised = any("batchnorm" in name for name in net.collect_params())
        seen[variant] = names | ({"batch_norm"} if normalised else set())

    monkeypatch.setattr(script, "fit", spy)
    for variant in script.VARIANTS:
        script.run(variant, 20, 0, script.TINY)
    assert seen == {
        "plain": set(),
        "batch normalisation": {"batch_norm"},
        "flip": {"random_flip"},
        "crop": {"random_crop"},
        "flip and crop": {"random_flip", "random_crop"},
        "all three": {"batch_norm", "random_flip", "random_crop"},
    }


def test_the_recorded_numbers_are_of_these_settings(script):
    check(script, json.loads(script.RESULTS.read_text(encoding="utf-8")), script.SETTINGS)
