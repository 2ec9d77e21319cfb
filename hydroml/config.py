"""The typed configuration of a training run: frozen, validated, with near-miss hints.

A configuration is a preset, a YAML file on top of it, ``key=value`` settings on top of that.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from hydroml.errors import ConfigError, nearest


def _split_period(value: Any) -> Any:
    return value.split("..") if isinstance(value, str) and ".." in value else value


def _split_names(value: Any) -> Any:
    if not isinstance(value, str) or value == "auto":
        return value
    return tuple(name.strip() for name in value.split(","))


Names = Annotated[Literal["auto"] | tuple[str, ...], BeforeValidator(_split_names)]
"""``auto``, a list of names, or names with commas."""

Dates = Annotated[tuple[date, date], BeforeValidator(_split_period)]
"""First and last day, both included; ``1999-10-01..2008-09-30`` or a list of two."""


def _memory(value: Any) -> Any:
    if value in ("auto", "all"):
        return value
    try:  # YAML takes 1e-3 for text
        size = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        size = math.nan
    if not 0 < size < math.inf:
        raise ValueError("give auto, all or a number of GiB above 0")
    return size


Memory = Annotated[Literal["auto", "all"] | float, PlainValidator(_memory)]
"""``auto``, ``all`` or GiB."""


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, int) else value


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if not seeds or len(set(seeds)) < len(seeds) or not all(0 <= s < 2**63 for s in seeds):
        raise ValueError("seeds are whole numbers from 0, each given once")
    return seeds


Seeds = Annotated[
    tuple[int, ...],
    BeforeValidator(_several),
    AfterValidator(_each_once),
    PlainSerializer(lambda seeds: seeds[0] if len(seeds) == 1 else list(seeds)),
]
"""One seed, or a list of them."""


class Section(BaseModel):
    """A frozen part of the configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Section):
    """What is read from the store. ``auto`` is resolved, and written to the run, at the start.

    ``memory`` is the GiB that the training series may take; larger ones are streamed from the
    store. ``all`` takes them into memory whatever their size.
    """

    dynamic: Names = "auto"
    static: Names = "auto"
    target: str = "qobs"
    train: Dates
    validation: Dates | None = None
    test: Dates
    memory: Memory = "auto"

    @model_validator(mode="after")
    def _in_order(self) -> "DataConfig":
        for name in ("train", "validation", "test"):
            period = getattr(self, name)
            if period and period[0] > period[1]:
                raise ValueError(f"{name}: {period[0]} comes after {period[1]}")
        return self


class ModelConfig(Section):
    """Which model, how large."""

    name: Literal["ealstm", "lstm", "lstm-nostatic"] = "ealstm"
    hidden: int = Field(default=256, ge=1)
    dropout: float = Field(default=0.4, ge=0, lt=1)
    forget_bias: float = 5.0
    initial_weights: Literal["kratzert2019", "uniform"] = "kratzert2019"


class WindowedSampling(Section):
    """One target a sample: `length` days in, the last day out (Kratzert et al. 2019)."""

    kind: Literal["windowed"] = "windowed"
    length: int = Field(default=270, ge=1)


class SequenceSampling(Section):
    """`warmup` days to fill the state, then a block of days that all count."""

    kind: Literal["sequence"] = "sequence"
    warmup: int = Field(default=180, ge=0)
    block: int = Field(default=270, ge=1)


class StepSchedule(Section):
    """Learning rate by epoch: the rate of the last epoch listed that has begun (from 1)."""

    kind: Literal["steps"] = "steps"
    rates: dict[int, float] = {1: 1e-3, 11: 5e-4, 21: 1e-4}

    @model_validator(mode="after")
    def _starts_at_one(self) -> "StepSchedule":
        if 1 not in self.rates or min(self.rates.values()) <= 0:
            raise ValueError("rates needs a positive rate for epoch 1")
        return self


class CosineSchedule(Section):
    """Linear rise over the first `rise` of the steps, then half a cosine down to a floor.

    ``floor`` is a share of the peak. Above zero the weights keep moving to the end, and their
    moving average takes the mean of many good ones.
    """

    kind: Literal["cosine"] = "cosine"
    peak: float = Field(default=3e-3, gt=0)
    rise: float = Field(default=0.05, ge=0, lt=1)
    floor: float = Field(default=0.0, ge=0, le=1)


class OptimizerConfig(Section):
    """How weights move. ``weight_average`` is the decay of the exponential moving average of
    weights a step, 0 for none; ``static_noise`` the standard deviation of Gaussian noise added
    to the standardised attributes of each training sample.
    """  # noqa: D205

    schedule: StepSchedule | CosineSchedule = Field(discriminator="kind", default=StepSchedule())
    batch_size: int = Field(default=256, ge=1)
    clip_norm: float = Field(default=1.0, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    weight_average: float = Field(default=0.0, ge=0, lt=1)
    static_noise: float = Field(default=0.0, ge=0)


class TrainConfig(Section):
    """Everything a training run is, besides the store, the basins and the machine.

    Each of several seeds trains a member of its own: an ensemble in one run.
    """

    preset: str = "default"
    data: DataConfig
    model: ModelConfig = ModelConfig()
    sampling: WindowedSampling | SequenceSampling = Field(
        discriminator="kind", default=SequenceSampling()
    )
    loss: Literal["mse", "nse_star", "nse_star_consistent"] = "nse_star"
    optimizer: OptimizerConfig = OptimizerConfig()
    epochs: int = Field(default=30, ge=1)
    seed: Seeds = (0,)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    tf32: bool = False


def presets() -> dict[str, str]:
    """Names of the presets in the package with the first line of their comment."""
    folder = resources.files("hydroml") / "presets"
    found = sorted(f.name for f in folder.iterdir() if f.name.endswith(".yaml"))
    return {
        name.removesuffix(".yaml"): (folder / name).read_text().splitlines()[0].lstrip("# ")
        for name in found
    }


def load_config(
    preset: str = "default",
    file: Path | str | None = None,
    settings: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """Build a configuration: preset, then file, then ``key=value`` settings, then overrides.

    Parameters
    ----------
    preset : str
        One of `presets`.
    file : path-like, optional
        YAML with the keys to change; a run's own ``config.yaml`` may be given.
    settings : sequence of str
        For example ``["model.hidden=64", "data.train=1990-10-01..2000-09-30"]``.
    overrides : mapping, optional
        Dotted key to value, for what the command line has options for.

    Returns
    -------
    TrainConfig

    Raises
    ------
    ConfigError
        Unknown preset, key or choice (with the nearest one), or a value out of range.

    Examples
    --------
    >>> load_config("kratzert2019", settings=["model.hidden=64"]).model.hidden
    64
    >>> load_config(settings=["model.hiden=64"])
    Traceback (most recent call last):
    hydroml.errors.ConfigError: Unknown setting 'model.hiden'.
    What to do: Did you mean 'hidden'?
    """
    known = presets()
    if preset not in known:
        raise ConfigError(f"Unknown preset {preset!r}.", nearest(preset, known))
    text = (resources.files("hydroml") / "presets" / f"{preset}.yaml").read_text()
    tree: dict[str, Any] = yaml.safe_load(text)
    tree["preset"] = preset
    if file is not None:
        _merge(tree, _read_yaml(Path(file)))
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting!r} has no '='.", "Write --set key=value.")
        _merge(tree, _nested(key, _read_value(setting, value)))
    for key, value in (overrides or {}).items():
        _merge(tree, _nested(key, value))
    return parse_config(tree)


def parse_config(tree: Mapping[str, Any]) -> TrainConfig:
    """Validate a plain mapping (as read from ``config.yaml``).

    Raises
    ------
    ConfigError
        Naming the first faulty key, the value and what is allowed.
    """
    try:
        return TrainConfig.model_validate(tree)
    except ValidationError as error:
        raise _explain(error) from None


def dump_config(config: TrainConfig) -> str:
    """YAML of a configuration, complete, in the order of its fields."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _read_yaml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ConfigError(f"There is no configuration file {file}.", "Check --config.")
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not YAML: {error}", "Mend the line it names.") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} holds no settings.", "Write 'key: value' lines.")
    tree.pop("run", None)  # in a run's config.yaml: what it was trained on, no setting
    return tree


def _read_value(setting: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(
            f"The value of --set {setting!r} cannot be read.",
            "Close its brackets and quotes; a list is written [a, b].",
        ) from None


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _merge(tree: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        old = tree.get(key)
        if not (isinstance(old, dict) and isinstance(value, Mapping)):
            tree[key] = value
        elif "kind" in value and value["kind"] != old.get("kind"):
            tree[key] = dict(value)  # another kind has other keys: start from its defaults
        elif key == "rates":
            tree[key] = dict(value)
        else:
            _merge(old, value)


def _explain(error: ValidationError) -> ConfigError:
    # pydantic puts the union member it tried into the location; it is no key of ours
    errors = error.errors(include_url=False)
    first = next((e for e in errors if "literal['auto']" not in e["loc"]), errors[0])
    path = [str(p) for p in first["loc"] if p not in _KINDS and not str(p).startswith("tuple[")]
    key, value = ".".join(path), first.get("input")
    if first["type"] == "extra_forbidden":
        known = _keys_beside([str(p) for p in first["loc"]])
        return ConfigError(f"Unknown setting {key!r}.", nearest(path[-1], known))
    if first["type"] in ("literal_error", "union_tag_invalid"):
        context = first.get("ctx", {})
        allowed = context.get("expected") or context.get("expected_tags", "")
        if first["type"] == "union_tag_invalid":
            key, value = f"{key}.kind", context.get("tag")
        options = [o.strip(" '") for o in str(allowed).replace(" or ", ",").split(",")]
        hint = nearest(str(value), options)
        if hint.startswith("Did"):  # the nearest by spelling need not be the one that is meant
            hint = f"{hint} Known: {', '.join(options)}."
        return ConfigError(f"{key} = {value!r} is not a choice.", hint)
    why = first["msg"].removeprefix("Value error, ")
    return ConfigError(f"{key} = {value!r}: {why}.", f"Change {key}.")


def _keys_beside(location: Sequence[str]) -> list[str]:
    if len(location) == 1:
        return list(TrainConfig.model_fields)
    sections: dict[str, type[Section]] = {
        "data": DataConfig,
        "model": ModelConfig,
        "optimizer": OptimizerConfig,
        **_KINDS,
    }
    return list(sections[location[-2]].model_fields)


_KINDS: dict[str, type[Section]] = {
    "windowed": WindowedSampling,
    "sequence": SequenceSampling,
    "steps": StepSchedule,
    "cosine": CosineSchedule,
}
