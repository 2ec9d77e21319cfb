"""An autoregressive LSTM over tokens: trained to tell the next one, sampled from token by token.

Token 0 starts every sequence and the last token of the vocabulary ends it; what follows the first
end is padding. Inputs are one-hot rows, so that the weights on them act as the embedding and an
input may also be a mixture of tokens: that is what integrated gradients ask for.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hydroml.toolkit.demo import Advance, silent


class GenerativeLSTM(nn.Module):
    r"""One LSTM layer and a linear read-out to the logits of the next token.

    .. math::
        i, f, g, o = W x_t + U h_{t-1} + b \quad
        c_t = \sigma(f) c_{t-1} + \sigma(i) \tanh(g) \quad
        h_t = \sigma(o) \tanh(c_t) \quad y_t = V h_t + d

    Parameters
    ----------
    vocab : int
        Tokens, start (0) and end (``vocab - 1``) included; at least 3.
    hidden : int
        Size of the state.
    generator : torch.Generator, optional
        Draws the initial weights, uniform within ``hidden ** -0.5``.

    Examples
    --------
    >>> model = GenerativeLSTM(vocab=5, hidden=8)
    >>> model(torch.tensor([[0, 1, 2]])).shape
    torch.Size([1, 3, 5])
    >>> model.sample(2, length=6).shape
    torch.Size([2, 7])
    """

    def __init__(
        self, vocab: int, hidden: int, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if vocab < 3 or hidden < 1:
            raise ValueError(
                f"vocab must be at least 3 (start, a symbol, end) and hidden at least 1, "
                f"not {vocab} and {hidden}"
            )
        self.vocab, self.hidden = vocab, hidden
        self.w_ih = nn.Parameter(torch.empty(4 * hidden, vocab))
        self.w_hh = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.empty(4 * hidden))
        self.readout = nn.Linear(hidden, vocab)
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator)

    @property
    def end(self) -> int:
        """The token that ends a sequence."""
        return self.vocab - 1

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of the token that follows each position.

        Parameters
        ----------
        x : Tensor
            Tokens (B, T), integers; or their one-hot rows (B, T, V), of any floating values.

        Returns
        -------
        Tensor
            Logits, (B, T, V).

        Raises
        ------
        ValueError
            Another shape or no position.
        """
        rows = self.one_hot(x) if not x.is_floating_point() else x
        if rows.ndim != 3 or rows.shape[2] != self.vocab or rows.shape[1] == 0:
            raise ValueError(
                f"x must be integer tokens (B, T) or one-hot rows (B, T, {self.vocab}), "
                f"not {x.dtype} {tuple(x.shape)}"
            )
        h = c = rows.new_zeros(len(rows), self.hidden)
        states = []
        for added in F.linear(rows, self.w_ih, self.bias).unbind(1):
            h, c = self._step(added, h, c)
            states.append(h)
        return self.readout(torch.stack(states, 1))

    def one_hot(self, tokens: Tensor) -> Tensor:
        """Write tokens (B, T) as one-hot rows (B, T, V) of the weights' type.

        Raises
        ------
        ValueError
            A token outside the vocabulary.
        """
        require_tokens(tokens, self.vocab)
        return F.one_hot(tokens.long(), self.vocab).to(self.w_ih)

    @torch.no_grad()
    def sample(
        self, n: int, *, length: int = 100, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw sequences token by token.

        Parameters
        ----------
        n : int
            How many.
        length : int
            Tokens after the start token.
        generator : torch.Generator, optional
            On the model's device.

        Returns
        -------
        Tensor
            (n, length + 1) integers; 0 first, and the end token from its first occurrence on.
        """
        tokens = torch.zeros(n, length + 1, dtype=torch.long, device=self.w_ih.device)
        h = c = self.w_ih.new_zeros(n, self.hidden)
        ended = torch.zeros(n, dtype=torch.bool, device=tokens.device)
        for t in range(length):
            h, c = self._step(self.w_ih.T[tokens[:, t]] + self.bias, h, c)
            chance = self.readout(h).softmax(1)
            drawn = torch.multinomial(chance, 1, generator=generator)[:, 0]
            tokens[:, t + 1] = torch.where(ended, self.end, drawn)
            ended = tokens[:, t + 1] == self.end
        return tokens

    def _step(self, added: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = (added + h @ self.w_hh.T).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


def next_token_loss(model: GenerativeLSTM, tokens: Tensor) -> Tensor:
    """Mean negative log likelihood of each next token, teacher forced.

    Parameters
    ----------
    model : GenerativeLSTM
        Any model from tokens (B, T) to logits (B, T, V) with an attribute ``end``.
    tokens : Tensor
        (B, T + 1) integers; what follows the first end token does not count.

    Returns
    -------
    Tensor
        A scalar [nat].
    """
    require_tokens(tokens, model.vocab)
    inputs, targets = tokens[:, :-1].long(), tokens[:, 1:].long()
    padding = inputs == model.end
    return F.cross_entropy(
        model(inputs).flatten(0, 1), targets.masked_fill(padding, -100).flatten()
    )


def fit_generative(
    model: GenerativeLSTM,
    tokens: Tensor,
    *,
    epochs: int,
    rate: float = 1e-2,
    batch_size: int = 64,
    generator: torch.Generator | None = None,
    advance: Advance = silent,
) -> list[float]:
    """Train a model on sequences with Adam, in place.

    Parameters
    ----------
    model : GenerativeLSTM
        To be trained.
    tokens : Tensor
        (N, T + 1) integers on the model's device.
    epochs, rate, batch_size
        Passes over the sequences, learning rate, sequences in a step.
    generator : torch.Generator, optional
        Shuffles the sequences; on the CPU.
    advance : callable
        Told of the share that is done.

    Returns
    -------
    list of float
        Mean loss of each epoch [nat a token].
    """
    require_tokens(tokens, model.vocab)
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=rate), []
    for epoch in range(epochs):
        order = torch.randperm(len(tokens), generator=generator).to(tokens.device)
        total = tokens.new_zeros((), dtype=torch.float64)
        for chosen in order.split(batch_size):
            loss = next_token_loss(model, tokens[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(chosen)
        losses.append(float(total) / len(tokens))
        advance((epoch + 1) / epochs)
    return losses


def require_tokens(tokens: Tensor, vocab: int) -> None:
    """Refuse what is no batch of token sequences.

    Raises
    ------
    ValueError
        Not integers (B, T) with B and T at least 1, or a token outside the vocabulary.
    """
    if tokens.ndim != 2 or tokens.numel() == 0 or tokens.is_floating_point():
        raise ValueError(
            f"tokens must be integers (B, T), B and T at least 1, not {tokens.dtype} "
            f"{tuple(tokens.shape)}"
        )
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= vocab:
        raise ValueError(f"tokens go from {low} to {high}, the vocabulary from 0 to {vocab - 1}")
