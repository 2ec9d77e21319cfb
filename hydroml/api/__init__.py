"""The same jobs as the command line's, for Python: plain objects in and out."""

from hydroml.api.adapting import adapt, adapt_into
from hydroml.api.climate import analyse_sensitivity, analyse_sensitivity_into
from hydroml.api.donors import find_donors
from hydroml.api.event_volumes import explain_volume, explain_volume_into
from hydroml.api.explaining import explain, explain_into
from hydroml.api.importing import import_run
from hydroml.api.opening import named_period, subject_folder
from hydroml.api.reporting import write_report
from hydroml.api.scoring import evaluate, evaluate_into
from hydroml.api.states import classify_states, classify_states_into
from hydroml.api.training import (
    PreparedRun,
    create_run,
    default_store,
    device_of,
    messages,
    plan,
    prepare_run,
    reopen_run,
    require_free,
    resume,
    started_processes,
    synthesise,
    train,
)
from hydroml.api.weather import generate_weather, generate_weather_into
from hydroml.api.weeks import find_flood_weeks

__all__ = [
    "PreparedRun",
    "adapt",
    "adapt_into",
    "analyse_sensitivity",
    "analyse_sensitivity_into",
    "classify_states",
    "classify_states_into",
    "create_run",
    "default_store",
    "device_of",
    "evaluate",
    "evaluate_into",
    "explain",
    "explain_into",
    "explain_volume",
    "explain_volume_into",
    "find_donors",
    "find_flood_weeks",
    "generate_weather",
    "generate_weather_into",
    "import_run",
    "messages",
    "named_period",
    "plan",
    "prepare_run",
    "reopen_run",
    "require_free",
    "resume",
    "started_processes",
    "subject_folder",
    "synthesise",
    "train",
    "write_report",
]
