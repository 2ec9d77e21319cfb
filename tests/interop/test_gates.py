"""Gates from one order to another."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from hydroml.interop.gates import reorder_gates


@given(st.permutations("ifgo"), st.permutations("ifgo"), st.integers(1, 3))
def test_each_gate_keeps_its_rows(have, want, hidden):
    rows = torch.arange(4.0 * hidden * 2).view(4 * hidden, 2)
    found = reorder_gates(rows, "".join(have), "".join(want))
    for gate in "ifgo":
        before, after = have.index(gate) * hidden, want.index(gate) * hidden
        assert torch.equal(found[after : after + hidden], rows[before : before + hidden])
