"""YAML files of other programs, as a mapping and nothing else."""

from pathlib import Path
from typing import Any

import yaml

from hydroml.errors import RunError


def read_mapping(file: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises
    ------
    RunError
        There is no such file, or it holds something else.
    """
    if not file.is_file():
        raise RunError(f"There is no {file}.", "Give the whole folder of the run.")
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RunError(f"{file} is not YAML: {error}", "Copy the run again.") from error
    if not isinstance(tree, dict):
        raise RunError(f"{file} holds no settings.", "Copy the run again.")
    return tree
