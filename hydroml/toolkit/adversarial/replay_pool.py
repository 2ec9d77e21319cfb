"""A pool of earlier fakes, so that a critic does not forget what the generator used to make."""

import torch
from torch import Tensor

__all__ = ["ReplayPool"]


class ReplayPool:
    """Hand back new images, or old ones in their place.

    While there is room, an image is kept and handed back. Once the pool is full, half the time an
    image takes the place of an old one, drawn evenly, which is handed back; else it is handed
    back itself and not kept.

    Parameters
    ----------
    size : int
        Images in the pool; 0 hands back what comes.
    generator : torch.Generator, optional
        On the CPU.

    References
    ----------
    Shrivastava et al. (2017), arXiv:1612.07828, section 2.3; Zhu et al. (2017), arXiv:1703.10593,
    section 4.

    Examples
    --------
    >>> pool = ReplayPool(2)
    >>> pool.exchange(torch.zeros(2, 1, 4, 4)).shape, len(pool)
    (torch.Size([2, 1, 4, 4]), 2)
    """

    def __init__(self, size: int = 50, generator: torch.Generator | None = None) -> None:
        if size < 0:
            raise ValueError(f"size is {size}; give 0 for no pool, or more.")
        self.size, self.generator = size, generator
        self._kept: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._kept)

    def exchange(self, images: Tensor) -> Tensor:
        """Give new images, take as many back, one after the other.

        Parameters
        ----------
        images : Tensor
            (B, ...); detached.

        Returns
        -------
        Tensor
            (B, ...), without gradient.
        """
        images = images.detach()
        if self.size == 0:
            return images
        coins = torch.rand(len(images), generator=self.generator).tolist()
        places = torch.randint(self.size, (len(images),), generator=self.generator).tolist()
        given = [
            self._exchange_one(image, coin < 0.5, place)
            for image, coin, place in zip(images, coins, places, strict=True)
        ]
        return torch.stack(given)

    def _exchange_one(self, image: Tensor, swap: bool, place: int) -> Tensor:
        image = image.clone()
        if len(self._kept) < self.size:
            self._kept.append(image)
            return image
        if not swap:
            return image
        old, self._kept[place] = self._kept[place], image
        return old
