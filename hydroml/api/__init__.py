"""The same jobs as the command line's, for Python: plain objects in and out."""

from hydroml.api.scoring import evaluate, evaluate_into, evaluation_folder, named_period
from hydroml.api.training import (
    PreparedRun,
    create_run,
    default_store,
    messages,
    plan,
    prepare_run,
    reopen_run,
    require_free,
    resume,
    synthesise,
    train,
)

__all__ = [
    "PreparedRun",
    "create_run",
    "default_store",
    "evaluate",
    "evaluate_into",
    "evaluation_folder",
    "messages",
    "named_period",
    "plan",
    "prepare_run",
    "reopen_run",
    "require_free",
    "resume",
    "synthesise",
    "train",
]
