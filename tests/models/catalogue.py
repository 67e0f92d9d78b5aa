"""The list of hand-made models. A function that builds one registers itself with @model."""

import dataclasses
import typing

from tflite_builder import Model


@dataclasses.dataclass
class Entry:
    folder: str
    name: str
    shows: str
    refused: str  # why the runtime does not run it; empty if it does
    fill: typing.Callable

    def content(self):
        """The file's bytes. `fill` may return them; most only fill the model."""
        blank = Model(self.name)
        return self.fill(blank) or blank.bytes()


ENTRIES: list[Entry] = []


def model(folder, shows, refused=""):
    def register(fill):
        name = fill.__name__.strip("_")
        assert all(entry.name != name for entry in ENTRIES), f"two models are called {name}"
        ENTRIES.append(Entry(folder, name, shows, refused, fill))
        return fill
    return register
