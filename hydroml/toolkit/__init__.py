"""Published models of the LSTM's research line as shared PyTorch components.

They know nothing of the rest of hydroml: ``nn.Module`` objects and functions, batch first, on any
device, without network access. ``hydroml toolkit`` lists them.

>>> from hydroml.toolkit import COMPONENTS, load_card
>>> load_card("hopfield").year
2020
"""

from importlib import import_module
from types import ModuleType
from typing import Any

from hydroml.toolkit.card import Card

COMPONENTS = {
    "flex_lstm": "recurrent",
    "selu": "recurrent",
    "hopfield": "attention",
    "deeprc": "attention",
    "mil": "attention",
    "slot_attention": "attention",
    "lrp": "attribution",
    "integrated_gradients": "attribution",
    "gama": "attribution",
    "neurons": "attribution",
    "cloob": "transfer",
    "chef": "transfer",
    "weight_predictor": "transfer",
    "rudder": "credit",
    "align_rudder": "credit",
    "mcts": "credit",
    "ttur": "adversarial",
    "coulomb": "adversarial",
    "first_order": "adversarial",
    "cyclegan": "adversarial",
    "frechet": "distances",
    "video": "distances",
    "chemnet": "distances",
    "hydrograph": "distances",
    "smiles_lstm": "domains",
    "molecule_graph": "domains",
    "quantum": "domains",
    "patch_refinement": "domains",
    "derain": "domains",
}
"""Name and group of every component: its code is ``hydroml.toolkit.GROUP.NAME``."""

_HOMES = {
    "FlexLSTM": "flex_lstm",
    "reduced_lstm": "flex_lstm",
    "SNN": "selu",
    "lecun_normal_": "selu",
    "selu_parameters": "selu",
    "Hopfield": "hopfield",
    "HopfieldPooling": "hopfield",
    "HopfieldLayer": "hopfield",
    "HopfieldEncoderLayer": "hopfield",
    "hopfield_energy": "hopfield",
    "hopfield_retrieve": "hopfield",
    "DeepRC": "deeprc",
    "AttentionMIL": "mil",
    "SlotAttention": "slot_attention",
    "SlotAutoEncoder": "slot_attention",
    "SlotSetPredictor": "slot_attention",
    "adjusted_rand_index": "slot_attention",
    "hungarian_loss": "slot_attention",
    "LSTMLRP": "lrp",
    "integrated_gradients": "integrated_gradients",
    "GenerativeLSTM": "gama",
    "gama": "gama",
    "ig_tensor": "gama",
    "median_shift": "gama",
    "best_neurons": "neurons",
    "neuron_auc": "neurons",
    "CLOOBLoss": "cloob",
    "ContrastivePair": "cloob",
    "hopfield_retrieval": "cloob",
    "info_loob": "cloob",
    "info_nce": "cloob",
    "CHEF": "chef",
    "HebbianLearner": "chef",
    "WeightAccuracyPredictor": "weight_predictor",
    "weight_statistics": "weight_predictor",
    "ReturnPredictor": "rudder",
    "redistribute": "rudder",
    "ProfileModel": "align_rudder",
    "MCTS": "mcts",
    "GANTrainer": "ttur",
    "ttur_optimizers": "ttur",
    "CoulombGAN": "coulomb",
    "coulomb_potentials": "coulomb",
    "pwgan_critic_loss": "first_order",
    "CycleGAN": "cyclegan",
    "FrechetDistance": "frechet",
    "frechet_distance": "frechet",
    "FrechetVideoDistance": "video",
    "FrechetChemNetDistance": "chemnet",
    "FrechetHydrographDistance": "hydrograph",
    "SmilesLSTM": "smiles_lstm",
    "SmilesTokenizer": "smiles_lstm",
    "MolGraphNet": "molecule_graph",
    "OpticsSimulator": "quantum",
    "QuantumLSTM": "quantum",
    "PatchRefinement": "patch_refinement",
    "DerainCNN": "derain",
    "DerainViT": "derain",
}

__all__ = ["COMPONENTS", "Card", "load_card", "load_demo", *_HOMES]


def load_card(name: str) -> Card:
    """Load the card of a component.

    Parameters
    ----------
    name : str
        One of `COMPONENTS`.

    Raises
    ------
    KeyError
        Unknown name.
    """
    card: Card = _module(name).CARD
    return card


def load_demo(name: str) -> Any:
    """Load the small reproduction of a component: ``run(seed=0, advance=silent) -> Demo``.

    Parameters
    ----------
    name : str
        One of `COMPONENTS`.
    """
    COMPONENTS[name]
    return import_module(f"hydroml.toolkit.demos.{name}").run


def _module(name: str) -> ModuleType:
    return import_module(f"hydroml.toolkit.{COMPONENTS[name]}.{name}")


def __getattr__(name: str) -> Any:
    """Import the main names on first use."""
    if name in _HOMES:
        return getattr(_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hydroml.toolkit' has no attribute {name!r}")
