"""The models of a new state: a first one before `model` starts, a better one while everything runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from lobflow.job import Job
from lobflow.model_folder import ModelFolder
from lobflow.promotion import Monitor
from services.venue.synthetic.parameters import MODELS
from shared import bus, codec
from shared.bus import Link
from shared.errors import BadSetting, LobflowError
from shared.messages import Promote
from shared.streams import Stream, format_id, key, parse_id

MODULE = "lobflow.first_model"
CONTROL_ENTRIES = 100_000  # more than anybody ever orders
MONITOR_SECONDS = 60.0
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

    async def replace_lost(self, link: Link, run_id: str, monitor_url: str) -> None:
        """Where a version was promoted and is not here any more, have the one that is here promoted, from the
        first id without a prediction on. Raises LobflowError."""
        if (self._folder / "manifest.json").exists():
            return
        folder = ModelFolder(self._folder)
        promoted: dict[str, str] = {}
        for _, data in await bus.span(link, key(run_id, Stream.CONTROL), "-", count=CONTROL_ENTRIES):
            message = codec.decode(data)
            if isinstance(message, Promote):
                promoted[message.symbol] = message.version
        for symbol in self._symbols:
            serving = folder.serving(symbol)
            lost = promoted.get(symbol)
            if serving is None or lost is None or folder.has(lost):
                continue
            # The last vector with a prediction is gone over again at a start, so it counts among them.
            last = parse_id(await bus.last_id(link, key(run_id, Stream.PREDICTIONS, symbol)))
            why = f"model {lost} is not there any more"
            await asyncio.to_thread(
                Monitor(monitor_url).order,
                *(symbol, serving.version, "up", why, MONITOR_SECONDS, format_id(*max(last, (0, 1)))),
            )
            self._on_line("model", f"{symbol}: {why}; {serving.version} serves in its place".encode())

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
