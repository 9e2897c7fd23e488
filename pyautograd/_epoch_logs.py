"""What a training writes down of its epochs: a CSV file, and a table that prints, plots and makes a DataFrame."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd._arguments import did_you_mean
from pyautograd._callbacks import STEPS_A_CALL, Callback


class CSVLogger(Callback):
    """Writes the logs of each epoch to a CSV file as soon as it ends; a file that is there gives way.

    Its columns are those of the first epoch. Where a `Checkpoint` resumes, the columns of the file and the lines of its
    epochs stay; without a file the first line is that of the next epoch. **Raises** ValueError where what is there is
    no log of those epochs, OSError where the file cannot be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import pyautograd as pa
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = pa.callbacks.CSVLogger(Path(folder, "log.csv"))
    ...     losses = pa.compile(lambda x: x.mean()).run(pa.arange(8.0), batch_size=4, epochs=2, callback=log)
    ...     print(Path(log.path).read_text())
    epoch,loss
    0,3.5
    1,3.5
    """

    _rank = 2

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def on_train_begin(self, training: Any) -> None:
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        self._columns: list[str] = []
        self._rows: list[list[Any]] = []  # which are not in the file yet, or lost with what it gives way to
        self._way = "w"

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        row = {"epoch": epoch, **logs}
        if not self._columns:
            self._columns = list(row)
            self._rows = [self._columns]
        self._rows.append([row.get(name, "") for name in self._columns])
        with open(self.path, self._way, encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(self._rows)
        self._rows, self._way = [], "a"

    def _resumed(self, epochs: int) -> None:
        self._columns, self._rows = [], []
        if epochs == 0 or not os.path.exists(self.path):
            return
        with open(self.path, encoding="utf-8", newline="") as file:
            header, *rows = [*csv.reader(file)] or [[]]
        numbers = [int(row[0]) if len(row) == len(header) and row[0].isdecimal() else None for row in rows]
        kept = [row for row, number in zip(rows, numbers) if number is None or number < epochs]
        if header[:1] != ["epoch"] or numbers[: len(kept)] != [*range(epochs - len(kept), epochs)]:
            raise ValueError(f"CSVLogger: {self.path!r} is no log of the epochs before {epochs}: move it away")
        self._columns, self._rows = header, [header, *kept]


class History(Callback, Sequence[dict[str, float]]):
    """The logs of every epoch as a table: a sequence of rows, `history[-1]`, and of columns, `history["loss"]`.

    A second `run` with it goes on where the first one ended. It prints as a table, pickles, plots, makes a DataFrame.
    It raises KeyError for a column and IndexError for a row that it does not have.

    >>> import pyautograd as pa
    >>> history = pa.callbacks.History()
    >>> losses = pa.compile(lambda x: x.mean()).run(pa.arange(8.0), batch_size=4, epochs=3, callback=history)
    >>> history
    epoch  loss
        0   3.5
        1   3.5
        2   3.5
    >>> history["loss"], history[-1]
    ([3.5, 3.5, 3.5], {'epoch': 2, 'loss': 3.5})
    """

    _rank = 2

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self._rows.append({"epoch": len(self._rows), **logs})

    def epochs_ahead(self) -> int:
        return STEPS_A_CALL

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(dict.fromkeys(name for row in self._rows for name in row))

    def to_dict(self) -> dict[str, list[float]]:
        """The columns by their name; NaN where an epoch had no such number.

        >>> import pyautograd as pa
        >>> history = pa.callbacks.History()
        >>> history.on_epoch_end(0, {"loss": 0.5})
        >>> history.to_dict()
        {'epoch': [0], 'loss': [0.5]}
        """
        return {name: [row.get(name, float("nan")) for row in self._rows] for name in self.columns}

    def to_pandas(self) -> Any:
        """A DataFrame by epoch, empty before the first. **Raises** ImportError without pandas.

        >>> import pyautograd as pa
        >>> history = pa.callbacks.History()
        >>> history.on_epoch_end(0, {"loss": 0.5})
        >>> history.to_pandas().loss[0]  # doctest: +SKIP
        0.5
        """
        import pandas

        return pandas.DataFrame({"epoch": [], **self.to_dict()}).set_index("epoch")

    def plot(self, *columns: str, **options: Any) -> Any:
        """Draws columns over the epochs, all but "lr" unless some are named, losses and metrics side by side; in one
        `ax` where it is given, all losses unless some are named. Options are `plot.loss_curve`'s. Returns the Axes of
        the losses. **Raises** ImportError without matplotlib, KeyError for an unknown column.

        >>> import pyautograd as pa
        >>> history = pa.callbacks.History()
        >>> history.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.6, "val_accuracy": 0.9})
        >>> history.plot().get_xlabel()  # doctest: +SKIP
        'epoch'
        """
        from pyautograd.plot import loss_curve

        names = columns or [name for name in self.columns if name not in ("epoch", "lr")]
        losses = [name for name in names if "loss" in name]
        metrics = [name for name in names if name not in losses]
        if "ax" in options or not losses:
            losses, metrics = [*columns] or losses or metrics, []

        def draw(names: list[str], **options: Any) -> Any:
            label = names[0] if len(names) == 1 else "loss" if all("loss" in name for name in names) else ""
            return loss_curve({name: self[name] for name in names}, **{"xlabel": "epoch", "ylabel": label, **options})

        for name in metrics:
            self[name]  # raises before anything is drawn
        ax = draw(losses, **options)
        if metrics:
            grid = ax.figure.add_gridspec(1, 2)
            ax.set_subplotspec(grid[0])
            ax.figure.set_size_inches(9.0, 3.6)
            draw(metrics, ax=ax.figure.add_subplot(grid[1]), smooth=options.get("smooth", 1))
        return ax

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self._rows[key]
        if key not in self.columns:
            near = did_you_mean(key, self.columns)
            raise KeyError(f"History: no column {key!r}{near}; there are {', '.join(self.columns) or 'none yet'}")
        return self.to_dict()[key]

    def _ipython_key_completions_(self) -> list[str]:
        return self.columns

    def __len__(self) -> int:
        return len(self._rows)

    def _lines(self) -> list[list[str]]:
        names = self.columns or ["epoch"]
        rows = [[f"{value:.6g}" for value in values] for values in zip(*self.to_dict().values())]
        if len(rows) > 20:
            rows[10:-10] = [["..."] * len(names)]
        return [names, *rows]

    def __repr__(self) -> str:
        lines = self._lines()
        widths = [max(len(each) for each in column) for column in zip(*lines)]
        return "\n".join("  ".join(each.rjust(width) for each, width in zip(row, widths)) for row in lines)

    def _repr_html_(self) -> str:
        from html import escape

        head, *rows = ("".join(f"<td>{escape(each)}</td>" for each in line) for line in self._lines())
        lines = "".join(f"<tr>{row}</tr>" for row in [head.replace("td>", "th>"), *rows])
        return f"<table>{lines}</table>"

    def state_dict(self) -> dict[str, Any]:
        return {name: np.array(column) for name, column in self.to_dict().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        columns = [column.tolist() for column in state.values()]
        self._rows = [dict(zip(state, row)) for row in zip(*columns)]
