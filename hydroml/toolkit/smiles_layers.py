"""Two layers that read SMILES: a convolution over symbols, and an LSTM that reads from the end."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SymbolConv(nn.Module):
    """Convolution along the symbols with SELU; one output for every `stride` symbols.

    ``y_t = selu(sum_k W_k x_{stride t + k - left})`` without a bias, with zeros before and behind;
    of an odd number of zeros one more stands behind.

    Parameters
    ----------
    inputs, filters : int
        F and O.
    kernel, stride : int
        Width and step.

    Examples
    --------
    >>> SymbolConv(35, 32, kernel=4, stride=2)(torch.zeros(1, 7, 35)).shape
    torch.Size([1, 4, 32])
    """

    def __init__(self, inputs: int, filters: int, kernel: int = 4, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.weight = nn.Parameter(torch.empty(filters, inputs, kernel))
        bound = (3 / (inputs * kernel)) ** 0.5  # uniform of variance 1 / fan-in (LeCun)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, T, F) to (B, ceil(T / stride), O)."""
        steps = x.shape[1]
        outputs = -(-steps // self.stride)
        missing = max((outputs - 1) * self.stride + self.kernel - steps, 0)
        padded = F.pad(x.transpose(1, 2), (missing // 2, missing - missing // 2))
        return F.selu(F.conv1d(padded, self.weight, stride=self.stride)).transpose(1, 2)


class BackwardLSTM(nn.Module):
    """An LSTM that reads from the last step to the first, and hands on in the order it has read.

    Output 0 belongs to the last step of the input. The forget gate starts with a bias of 1.

    Parameters
    ----------
    inputs, hidden : int
        F and H.

    Examples
    --------
    >>> BackwardLSTM(3, 8)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        with torch.no_grad():
            self.lstm.get_parameter("bias_ih_l0")[hidden : 2 * hidden] += 1

    def forward(self, x: Tensor) -> Tensor:
        """Read (B, T, F); give (B, T, H), the last step's output first."""
        read: Tensor = self.lstm(x.flip(1))[0]
        return read


def require_rows(x: Tensor, vocab: int) -> None:
    """Refuse what is not (B, T, vocab) with B and T at least 1.

    Raises
    ------
    ValueError
        With the shape that was given.
    """
    if x.ndim != 3 or x.shape[2] != vocab or not x.shape[0] or not x.shape[1]:
        raise ValueError(
            f"Rows of shape {tuple(x.shape)}; expected (B, T, {vocab}), B and T at least 1, as "
            "SmilesTokenizer.one_hot makes them."
        )
