"""How much memory is free here: of the machine, of the container, of the device."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch

CGROUPS = Path("/sys/fs/cgroup")
GIB = 2**30


def free_host_memory() -> int:
    """Bytes that this process may still take, the limits of its container considered.

    Processes that ``torchrun`` starts on the same machine share what there is.
    """
    room = [_free_of_machine(), *_free_of_containers(CGROUPS, Path("/proc/self/cgroup"))]
    return max(min(room), 0) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def free_device_memory(device: torch.device) -> int:
    """Bytes free on a device; a device that has no memory of its own has the host's."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_host_memory()


def _free_of_machine() -> int:
    try:  # what can be had without swapping, which is more than what is unused
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _free_of_containers(root: Path, membership: Path) -> Iterator[int]:
    """Room below each limit that a control group (version 2 or 1) sets for this process."""
    try:
        groups = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return
    for _, kinds, path in groups:
        if kinds not in ("", "memory"):
            continue
        base = root / kinds
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        limit, usage = names if kinds else ("memory.max", "memory.current")
        # a container often sees its own group as the root, whatever its path outside
        for folder in {base / path.lstrip("/"), base}:
            try:
                most = (folder / limit).read_text().strip()
                used = int((folder / usage).read_text())
                yield int(most) - used + _reclaimable(folder)
            except (OSError, ValueError):  # no such file, or "max"
                continue


def _reclaimable(folder: Path) -> int:
    """Bytes of files in the cache, which a group counts as used and gives up when asked."""
    for line in (folder / "memory.stat").read_text().splitlines():
        name, value = line.split()
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0
