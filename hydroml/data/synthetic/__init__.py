"""A synthetic CAMELS with a known truth: weather, attributes and discharge by seed.

Draw it with `generate`, or straight into a store of any size with `write_synthetic`; rerun its
true hydrology under another climate with `simulate_truth`; write it in the text layout of
CAMELS-US with `write_native`.
"""

from hydroml.data.synthetic.generate import STEPS, generate
from hydroml.data.synthetic.native import write_native
from hydroml.data.synthetic.truth import require_truth, simulate_truth
from hydroml.data.synthetic.write import write_synthetic

__all__ = [
    "STEPS",
    "generate",
    "require_truth",
    "simulate_truth",
    "write_native",
    "write_synthetic",
]
