"""Where series lie follows from their size and the free memory, limits of containers included."""

import numpy as np
import pytest
import yaml

from hydroml.config import (
    SequenceSampling,
    WindowedSampling,
    dump_config,
    load_config,
    parse_config,
)
from hydroml.data.series import open_series
from hydroml.errors import ConfigError
from hydroml.training import tiers
from hydroml.training.memory import GIB, _free_of_containers, free_host_memory
from hydroml.training.tiers import basin_size, resolve_memory
from tests.conftest import tiny_dataset

PERIOD = (np.datetime64("1999-10-01"), np.datetime64("2000-09-30"))
SEQUENCE = SequenceSampling(warmup=10, block=25)


@pytest.fixture(scope="module")
def reader():
    data = tiny_dataset(basins=4, years=2)
    basins = data.basin.values.tolist()
    return open_series(data, basins, ("prcp", "tmax"), (), PERIOD, lead=34, tail=25)


def test_size_of_a_basin_by_hand(reader):
    # 366 + 34 + 25 days of two inputs and discharge in four bytes each, and a byte of validity
    assert basin_size(reader, SEQUENCE) == 425 * (3 * 4 + 1)
    # the starts of windows are kept, and shuffled, in eight bytes
    assert basin_size(reader, WindowedSampling(length=35)) == 425 * (3 * 4 + 1 + 16)


def test_auto_follows_what_is_free(reader, monkeypatch):
    need = 4 * 425 * 13
    for free, expected in (
        (2 * need, "all"),
        (2 * need - 1, 0.05),  # of so little, not less than 0.05 GiB
    ):
        monkeypatch.setattr(tiers, "free_host_memory", lambda f=free: f)
        assert resolve_memory("auto", reader, SEQUENCE) == expected
    monkeypatch.setattr(tiers, "basin_size", lambda *_: 100 * GIB)
    for free, expected in ((8 * GIB, 1.0), (64 * GIB, 1.5)):
        monkeypatch.setattr(tiers, "free_host_memory", lambda f=free: f)
        assert resolve_memory("auto", reader, SEQUENCE) == expected
    assert resolve_memory(3.0, reader, SEQUENCE) == 3.0


def test_all_is_refused_where_it_cannot_be(reader, monkeypatch):
    monkeypatch.setattr(tiers, "free_host_memory", lambda: 1000)
    with pytest.raises(ConfigError, match="GiB are free") as caught:
        resolve_memory("all", reader, SEQUENCE)
    assert "data.memory=auto" in caught.value.remedy
    monkeypatch.setattr(tiers, "free_host_memory", lambda: GIB)
    assert resolve_memory("all", reader, SEQUENCE) == "all"


def test_free_memory_is_some_of_this_machine_and_shared_by_its_processes(monkeypatch):
    alone = free_host_memory()
    assert 2**20 < alone < 2**50
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert free_host_memory() < 0.5 * alone


@pytest.mark.parametrize("seen", ["job/7", ""])  # a container may see its group as the root
def test_limits_of_a_control_group(tmp_path, seen):
    folder = tmp_path / seen
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {
        "memory.max": "1000\n", "memory.current": "700\n",
        "memory.stat": "anon 5\ninactive_file 250\n",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    membership = tmp_path / "cgroup"
    membership.write_text("0::/job/7\n")
    assert list(_free_of_containers(tmp_path, membership)) == [550]
    (folder / "memory.max").write_text("max\n")
    assert list(_free_of_containers(tmp_path, membership)) == []


def test_limits_of_a_control_group_of_version_1(tmp_path):
    folder = tmp_path / "memory" / "job"
    folder.mkdir(parents=True)
    for name, text in {
        "memory.limit_in_bytes": "1000", "memory.usage_in_bytes": "400",
        "memory.stat": "total_inactive_file 0",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    membership = tmp_path / "cgroup"
    membership.write_text("5:cpu,cpuacct:/job\n4:memory:/job\n")
    assert list(_free_of_containers(tmp_path, membership)) == [600]
    assert list(_free_of_containers(tmp_path, tmp_path / "none")) == []


@pytest.mark.parametrize(("word", "value"), [("auto", "auto"), ("all", "all"), ("1e-3", 0.001)])
def test_the_setting_survives_the_run_directory(word, value):
    config = load_config(settings=[f"data.memory={word}"])
    assert config.data.memory == value
    assert parse_config(yaml.safe_load(dump_config(config))) == config


@pytest.mark.parametrize("word", ["0", "-1", "much", "true", ".inf", "[1]"])
def test_no_memory_is_refused(word):
    with pytest.raises(ConfigError, match=r"data\.memory = .*auto, all or a number of GiB"):
        load_config(settings=[f"data.memory={word}"])
