"""Which inputs a name in a scenario stands for."""

from collections.abc import Sequence

from hydroml.data.roles import Role
from hydroml.errors import ConfigError, nearest

GROUPS = ("temperature", "precipitation")
"""Names a scenario may use for every input of that role."""


def members_of(name: str, inputs: Sequence[str], roles: dict[str, Role], where: str) -> list[str]:
    """Find the inputs that a name in a scenario stands for.

    Parameters
    ----------
    name : str
        ``temperature``, ``precipitation``, or one input.
    inputs : sequence of str
        What the run reads.
    roles : dict
        `role_of` each input.
    where : str
        The scenario, for errors.

    Raises
    ------
    ConfigError
        No such input; or one air temperature (of several) alone, which would tear the minimum
        and the maximum of a day apart.
    """
    if name in GROUPS:
        found = [n for n in inputs if roles[n] == name]
        if not found:
            raise ConfigError(
                f"Scenario {where!r} changes {name}, but no input of the run is a {name}.",
                f"The run reads {', '.join(inputs)}.",
            )
        return found
    if name not in inputs:
        raise ConfigError(
            f"Scenario {where!r} changes {name!r}, which is no input of the run.",
            nearest(name, [*GROUPS, *inputs]),
        )
    group = [n for n in inputs if roles[n] == roles[name]]
    if roles[name] == "temperature" and len(group) > 1:
        raise ConfigError(
            f"Scenario {where!r} changes {name!r} alone; {', '.join(group)} belong together.",
            "Write 'variable: temperature': it moves them together.",
        )
    return [name]
