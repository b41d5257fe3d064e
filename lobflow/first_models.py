"""The models of a new state: a first one before `model` starts, a better one while everything runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from lobflow.job import Job
from lobflow.model_folder import ModelFolder
from services.venue.synthetic.parameters import MODELS
from shared.errors import BadSetting, LobflowError

MODULE = "lobflow.first_model"
IMPROVED = "improved"  # a file: the symbols whose better model was fitted, whatever came of it


class FirstModels:
    """The models in `folder` that `symbols` need."""

    def __init__(
        self,
        folder: Path,
        symbols: tuple[str, ...],
        on_line: Callable[[str, bytes], None],
        held: Sequence[int],
    ) -> None:
        self.is_improving = False
        self._folder = folder
        self._symbols = symbols
        self._on_line = on_line
        self._held = held
        self._job: Job | None = None

    async def prepare(self) -> None:
        """Fit a model for each symbol that has none. Raises LobflowError where that cannot be done."""
        missing = await asyncio.to_thread(self._missing)
        if not missing:
            return
        unknown = [symbol for symbol in missing if symbol not in MODELS]
        if unknown:
            raise BadSetting(
                f"{self._folder} holds no model of {', '.join(unknown)}, and a first one can be made of "
                f"{', '.join(MODELS)} only: `lobflow train --data FILE -o {self._folder / unknown[0]}` "
                "fits one"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        code = await self._run("model", "prepare", "--symbols", ",".join(missing))
        if code:
            raise LobflowError(f"no first model could be fitted (exit code {code})")
        marker = self._folder / IMPROVED
        if marker.exists():  # what was promoted once may be gone with the models that were here
            marker.write_text("\n".join(one for one in marker.read_text().split() if one not in missing))

    async def improve(self, monitor_url: str) -> None:
        """Fit a better model beside the running system, once in the life of a folder."""
        marker = self._folder / IMPROVED
        done = marker.read_text().split() if marker.exists() else []
        symbols = [symbol for symbol in self._symbols if symbol in MODELS and symbol not in done]
        if not symbols or (self._folder / "manifest.json").exists():
            return
        self._say("fitting a model on more history, in the background")
        code = await self._run("improve", "improve", "--symbols", ",".join(symbols), "--monitor", monitor_url)
        if code:
            self._say(f"ended with {code}: the model that serves goes on, the next start tries again")
            return
        marker.write_text("\n".join([*done, *symbols]) + "\n")
        self._say("done")

    def kill(self) -> None:
        """Kill -9 what runs."""
        if self._job is not None:
            self._job.kill()

    async def _run(self, name: str, verb: str, *options: str) -> int:
        arguments = [verb, "--models", str(self._folder), *options]
        self._job = Job(MODULE, arguments, lambda line: self._on_line(name, line), self._held)
        return await self._job.run()

    def _say(self, text: str) -> None:
        self._on_line("improve", text.encode())

    def _missing(self) -> list[str]:
        if (self._folder / "manifest.json").exists():  # one model for all
            return []
        folder = ModelFolder(self._folder)
        return [symbol for symbol in self._symbols if folder.serving(symbol) is None]
