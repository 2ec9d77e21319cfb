"""A device that is not there is refused with the remedy; precisions do what they say."""

import pytest
import torch

from hydroml.errors import ConfigError, DeviceError
from hydroml.training.device import autocast, choose_device, flushed_denormals


def test_auto_takes_the_best_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=f"There is no {name} device here") as caught:
        choose_device(name)
    assert "--device auto" in caught.value.remedy
    assert name == "cuda" or "CUDA" not in caught.value.message


def test_an_unknown_device_is_a_named_error():
    with pytest.raises(ConfigError, match="Unknown device 'gpu'"):
        choose_device("gpu")


def test_fp16_needs_a_gpu():
    with pytest.raises(DeviceError, match="fp16 needs a CUDA device"):
        autocast(torch.device("cpu"), "fp16")


def test_precision_of_products_within_the_block():
    a = torch.ones(2, 2)
    with autocast(torch.device("cpu"), "bf16"):
        assert (a @ a).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "fp32"):
        assert (a @ a).dtype == torch.float32


def test_flushing_denormals_nests():
    tiny = torch.tensor([1e-20])
    with flushed_denormals():
        with flushed_denormals():
            assert float(tiny * tiny) == 0
        assert float(tiny * tiny) == 0  # the inner block has not ended the outer one
    assert float(tiny * tiny) > 0
