"""The run directory: everything a run is, under names that DESIGN.md fixes."""

import csv
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from filelock import FileLock, Timeout

from hydroml.atomic import atomic_path, naming_full_disk
from hydroml.config import TrainConfig, dump_config, parse_config
from hydroml.data.scaling import Scaler, load_scaler, save_scaler
from hydroml.errors import RunError
from hydroml.models import build_model
from hydroml.training.checkpoint import load_weights
from hydroml.version import __version__

# as safe as SafeLoader, and ten times as fast where PyYAML was built with it
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PACKAGES = ("numpy", "pandas", "torch", "xarray", "zarr", "safetensors")


@dataclass(frozen=True)
class RunFacts:
    """What a run was trained on, besides its configuration.

    Parameters
    ----------
    store : str
        Path of the store.
    fingerprint : str
        Hash of the store's content.
    synthetic : bool
        Whether the store is synthetic.
    basins : str
        What ``--basins`` said.
    forcing : str
        The store's forcing product.
    """

    store: str
    fingerprint: str
    synthetic: bool
    basins: str
    forcing: str


@dataclass(frozen=True)
class RunDirectory:
    """Paths and files of one run.

    Parameters
    ----------
    path : pathlib.Path
        ``runs/<name>``.
    """

    path: Path

    @classmethod
    def create(
        cls, path: Path, config: TrainConfig, facts: RunFacts, scaler: Scaler
    ) -> "RunDirectory":
        """Make a run directory, whole, with configuration, environment and scaler.

        Raises
        ------
        RunError
            There is something at `path` already.
        """
        cls.require_free(path)
        whole = path.with_name(f".{path.name}.{os.getpid()}")
        with atomic_path(whole) as scratch:
            (scratch / "checkpoints" / "last").mkdir(parents=True)
            text = dump_config(config) + yaml.safe_dump({"run": facts.__dict__}, sort_keys=False)
            (scratch / "config.yaml").write_text(text, encoding="utf-8")
            (scratch / "environment.json").write_text(json.dumps(_environment(), indent=1))
            save_scaler(scaler, scratch / "scaler.nc")
        try:
            whole.rename(path)  # fails where another process has made it in the meantime
        except OSError:
            shutil.rmtree(whole)
            cls.require_free(path)
            raise
        return cls(path)

    @staticmethod
    def require_free(path: Path) -> Path:
        """Refuse a path at which something stands.

        Raises
        ------
        RunError
            Names it, and the line that goes on with it.
        """
        if path.exists():
            raise RunError(
                f"{path} exists already.",
                f"Choose another --name, or go on with it: hydroml train --resume {path}",
            )
        return path

    @classmethod
    def open(cls, path: Path | str) -> "RunDirectory":
        """Open a run directory.

        Raises
        ------
        RunError
            There is none at `path`.
        """
        found = Path(path)
        if found.name in ("", ".."):  # evaluations are named after the folder
            found = found.resolve()
        if not (found / "config.yaml").is_file():
            there = "is no run directory (no config.yaml in it)" if found.exists() else "is missing"
            raise RunError(f"{found} {there}.", "Give a folder that 'hydroml train' made.")
        return cls(found)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from training this run at the same time.

        The system frees the run when the process ends, however it ends.

        Raises
        ------
        RunError
            Another process is training it.
        """
        lock = FileLock(self.path / ".training", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(
                f"Another process is training {self.path}.",
                "Wait for it, or stop it; then give the same command again.",
            ) from None
        try:
            yield
        finally:
            with suppress(OSError):  # an open file stays where the system keeps it
                Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    @property
    def state_file(self) -> Path:
        """The state training goes on from."""
        return self.path / "checkpoints" / "last" / "state.safetensors"

    def weights_file(self, epoch: int) -> Path:
        """Weights after an epoch, counted from 1."""
        return self.path / "checkpoints" / f"epoch{epoch:03d}.safetensors"

    def config(self) -> TrainConfig:
        """Read the configuration the run was started with."""
        return parse_config({k: v for k, v in self._yaml().items() if k != "run"})

    def facts(self) -> RunFacts:
        """Read what the run was trained on."""
        try:
            return RunFacts(**self._yaml()["run"])
        except (KeyError, TypeError) as error:
            raise RunError(
                f"{self.path / 'config.yaml'} does not say what the run was trained on ({error}).",
                "Give a folder that 'hydroml train' made.",
            ) from error

    def scaler(self) -> Scaler:
        """Read the run's standardisation."""
        return load_scaler(self.path / "scaler.nc")

    def last_weights(self) -> Path:
        """Weights of the last finished epoch.

        Raises
        ------
        RunError
            The run has no weights yet.
        """
        found = list((self.path / "checkpoints").glob("epoch*.safetensors"))
        if not found:
            raise RunError(
                f"The run {self.path} has no weights yet.",
                f"Finish its first epoch: hydroml train --resume {self.path}",
            )
        return max(found, key=lambda file: (len(file.name), file.name))  # epoch1000 > epoch999

    def finished_epochs(self) -> int:
        """Count the epochs whose weights are there."""
        return int(self.last_weights().name.removeprefix("epoch").removesuffix(".safetensors"))

    def member_names(self) -> list[str]:
        """Names of the run's members: its own where it has one seed, else with each seed."""
        seeds = self.config().seed
        return [self.path.name] if len(seeds) == 1 else [f"{self.path.name}_seed{s}" for s in seeds]

    def load_models(self, device: torch.device) -> list[torch.nn.Module]:
        """Build the models of the run's members with the weights of the last epoch.

        Returns
        -------
        list of torch.nn.Module
            One for each seed, on `device`, in evaluation mode.

        Raises
        ------
        RunError
            No weights, or weights of other models.
        """
        config, scaler = self.config(), self.scaler()
        options = config.model.model_dump(exclude={"name"})
        models = [
            build_model(config.model.name, len(scaler.dynamic), len(scaler.static), **options)
            for _ in config.seed
        ]
        load_weights(models, self.last_weights())
        return [model.to(device).eval() for model in models]

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read the rows of ``metrics.csv``, one an epoch and member; none before the first."""
        file = self.path / "metrics.csv"
        if not file.is_file():
            return []
        with file.open(newline="") as opened:
            return list(csv.DictReader(opened))

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write ``metrics.csv`` anew, atomically."""
        with (
            atomic_path(self.path / "metrics.csv") as scratch,
            scratch.open("w", newline="") as out,
        ):
            writer = csv.DictWriter(out, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def log(self, text: str) -> None:
        """Append a line with the time to ``log.txt``."""
        file = self.path / "log.txt"
        with naming_full_disk(file), file.open("a", encoding="utf-8") as out:
            out.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n")

    def _yaml(self) -> dict[str, Any]:
        try:
            text = (self.path / "config.yaml").read_text(encoding="utf-8")
            return dict(yaml.load(text, Loader=_LOADER))
        except (yaml.YAMLError, TypeError, ValueError) as error:
            raise RunError(
                f"{self.path / 'config.yaml'} cannot be read ({error}).", "Copy the run again."
            ) from error


def _environment() -> dict[str, Any]:
    return {
        "hydroml": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": {name: version(name) for name in PACKAGES},
        "command": sys.argv,
    }
