"""Where training runs, as options of several commands and as settings."""

from __future__ import annotations

from typing import Annotated

import typer

from research.days.backend import BACKENDS

BackendOption = Annotated[
    str,
    typer.Option(
        "--backend", envvar="LOBFLOW_TRAIN_BACKEND", help=f"Where tasks run: {', '.join(BACKENDS)}."
    ),
]
JobsOption = Annotated[
    int, typer.Option("--jobs", envvar="LOBFLOW_TRAIN_JOBS", help="How many tasks at once.", min=1)
]
SchedulerOption = Annotated[
    str,
    typer.Option(
        "--scheduler",
        envvar="LOBFLOW_TRAIN_SCHEDULER",
        help="Of a Dask cluster that runs, such as tcp://host:8786; with --backend dask.",
    ),
]
