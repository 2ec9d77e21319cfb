"""Cards of the two systems of the research line that are hydroml itself: commands."""

from hydroml.toolkit.card import Card

EALSTM = Card(
    name="ealstm",
    title="Entity-aware LSTM",
    paper="Kratzert, Klotz, Shalev, Klambauer, Hochreiter, Nearing (2019): Towards learning "
    "universal, regional, and local hydrological behaviors via machine learning applied to "
    "large-sample datasets. HESS 23, 5089-5110, doi:10.5194/hess-23-5089-2019, arXiv:1907.08456",
    year=2019,
    answers="How can one model serve hundreds of basins, and tell them apart by their attributes?",
    inputs="daily weather (B, T, F) and attributes of the basins (B, S), standardised",
    outputs="discharge (B, T), standardised",
    hydrology="the core: hydroml train --model ealstm",
    claim="measured in benchmarks/RESULTS.md beside published per-basin scores; the full "
    "experiment of 531 basins and 30 epochs has not been run for want of a GPU",
)

CLIMATE_SENSITIVITY = Card(
    name="climate_sensitivity",
    title="Sensitivity of extreme flows to climate",
    paper="Kratzert, Klotz, Brandstetter, Hoedt, Nearing, Hochreiter (2019): Using LSTMs for "
    "climate change assessment studies on droughts and floods. arXiv:1911.03941",
    year=2019,
    answers="What do floods and low flows do when the climate changes?",
    inputs="a trained run and scenarios of weather",
    outputs="changes of flood and low-flow indices per basin, gradients, elasticities, maps",
    hydrology="the core: hydroml sensitivity",
    claim="on synthetic basins the known truth is recovered (hydroml sensitivity --truth); which "
    "quantiles and attributes the paper used is not established, so none of its figures is claimed",
)

IN_CORE = {
    "ealstm": (EALSTM, "hydroml train --model ealstm"),
    "climate_sensitivity": (CLIMATE_SENSITIVITY, "hydroml sensitivity"),
}
"""Cards by name, and the commands."""
