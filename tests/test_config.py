import pytest
import yaml

from hydroml.config import dump_config, load_config, parse_config, presets
from hydroml.errors import ConfigError
from hydroml.units import DYNAMIC_REFERENCE, STATIC_REFERENCE


def test_the_reference_preset_holds_every_constant_of_the_paper():
    c = load_config("kratzert2019")
    assert c.data.dynamic == DYNAMIC_REFERENCE
    assert c.data.static == STATIC_REFERENCE
    assert [str(d) for d in c.data.train] == ["1999-10-01", "2008-09-30"]
    assert [str(d) for d in c.data.test] == ["1989-10-01", "1999-09-30"]
    assert c.data.validation is None
    assert (c.model.name, c.model.hidden, c.model.dropout, c.model.forget_bias) == (
        "ealstm",
        256,
        0.4,
        5.0,
    )
    assert (c.sampling.kind, c.sampling.length) == ("windowed", 270)
    assert c.optimizer.schedule.rates == {1: 1e-3, 11: 5e-4, 21: 1e-4}
    assert (c.optimizer.batch_size, c.optimizer.clip_norm, c.epochs) == (256, 1.0, 30)
    assert c.optimizer.weight_decay == c.optimizer.weight_average == c.optimizer.static_noise == 0
    assert c.loss == "nse_star"


@pytest.mark.parametrize("name", list(presets()))
def test_every_preset_is_valid_and_survives_yaml(name):
    config = load_config(name)
    assert parse_config(yaml.safe_load(dump_config(config))) == config


def test_file_then_settings_then_overrides(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 3\nmodel: {hidden: 32}\nseed: 5\n")
    c = load_config("quick", file, ["model.hidden=16", "seed=6"], {"seed": 7})
    assert (c.epochs, c.model.hidden, c.seed) == (3, 16, (7,))
    assert c.model.forget_bias == 3.0  # the preset's: merged, not replaced


def test_another_kind_starts_from_its_own_defaults():
    c = load_config("quick", settings=["sampling.kind=windowed"])
    assert c.sampling.length == 270
    c = load_config("quick", settings=["sampling={kind: windowed, length: 365}"])
    assert c.sampling.length == 365


def test_period_as_text():
    c = load_config(settings=["data.train=1990-10-01..2000-09-30"])
    assert [str(d) for d in c.data.train] == ["1990-10-01", "2000-09-30"]


@pytest.mark.parametrize(
    ("setting", "message", "remedy"),
    [
        ("epoch=3", "Unknown setting 'epoch'", "'epochs'"),
        ("model.hiden=3", "Unknown setting 'model.hiden'", "'hidden'"),
        ("optimizer.schedule.peek=3", "Unknown setting 'optimizer.schedule.peek'", "'peak'"),
        ("sampling.warmpu=3", "Unknown setting 'sampling.warmpu'", "'warmup'"),
        ("model.name=ealstmm", "model.name = 'ealstmm' is not a choice", "'ealstm'"),
        ("loss=nse_sta", "loss = 'nse_sta' is not a choice", "'nse_star'"),
        ("sampling.kind=window", "sampling.kind = 'window' is not a choice", "'windowed'"),
        ("model.dropout=1.5", "model.dropout = 1.5", "model.dropout"),
        ("epochs=0", "epochs = 0", "epochs"),
        ("epochs=many", "epochs = 'many'", "epochs"),
        ("data.train=2001-01-01..2000-01-01", "comes after", "data"),
        ("data.train=yesterday", "data.train", "data.train"),
        ("seed", "has no '='", "key=value"),
    ],
)
def test_bad_settings_are_named_with_the_remedy(setting, message, remedy):
    with pytest.raises(ConfigError) as caught:
        load_config("quick", settings=[setting])
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_unknown_preset_and_bad_files(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'quick'"):
        load_config("quik")
    with pytest.raises(ConfigError, match="no configuration file"):
        load_config(file=tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [1")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(file=bad)
    bad.write_text("3")
    with pytest.raises(ConfigError, match="holds no settings"):
        load_config(file=bad)
