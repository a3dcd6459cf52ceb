"""zuko's flows at their default architecture, trained for a fixed number of CPU seconds."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from lamppost.core import Array, Events
from learn_parts import density
from learn_parts.isolate import forget_peak, peak_mb, timed

BATCHES = (512, 1024)
SCALES = ("standardise", "logit", "lamppost")
TIMED = ("standardise", 1024)
"""Sampling and evaluation cost the same however a flow was trained: they are timed for one."""
CHUNK = 10_000
EDGE = 1e-6


class Own:
    """The preprocessing of lamppost's densities."""

    def __init__(self, events: Events) -> None:
        from lamppost.learn.preprocess import Preprocess

        self.fitted = Preprocess.fit(events.x, events.w, events.names)

    def forward(self, events: Events) -> tuple[NDArray[np.float32], Array]:
        return self.fitted.forward(events.x, events.id)

    def inverse(self, z: NDArray[np.float32]) -> Any:
        return self.fitted.inverse(z)


class Usual:
    """Features to the real line, standardised: `logit` all of them first, or only those bounded by 0 and 1.

    Bounds of a feature in GeV are 0 and 1.05 times the largest value; values on a bound or beyond move just inside.
    """

    def __init__(self, events: Events, how: str) -> None:
        x = events.x.astype(float)
        unit = x.max(axis=0) <= 1
        self.bounded = unit | (how == "logit")
        self.width = np.where(unit, 1.0, 1.05 * x.max(axis=0))
        z = self._open(x)[0]
        self.mean, self.std = z.mean(axis=0), z.std(axis=0)

    def _open(self, x: Array) -> tuple[Array, Array]:
        u = np.clip(x / self.width, EDGE, 1 - EDGE)
        slope = np.where(self.bounded, -np.log(u * (1 - u)) - np.log(self.width), 0.0)
        return np.where(self.bounded, logit(u), x), slope

    def forward(self, events: Events) -> tuple[NDArray[np.float32], Array]:
        """z (n, d) and log |dz/dx| (n,)."""
        z, slope = self._open(events.x.astype(float))
        return ((z - self.mean) / self.std).astype(np.float32), (slope - np.log(self.std)).sum(axis=1)

    def inverse(self, z: NDArray[np.float32]) -> Any:
        x = z * self.std + self.mean
        return np.where(self.bounded, expit(x) * self.width, x)


def train(flow: Any, z: Any, c: Any, batch: int, budget: float) -> tuple[float, int]:
    """Adam from 1e-3 down a cosine in the CPU seconds spent; the mean loss of the last epoch and the steps done."""
    import torch

    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-3)
    begin, steps, losses = time.process_time(), 0, []
    while True:
        losses = []
        for rows in torch.randperm(len(z)).split(batch):
            spent = (time.process_time() - begin) / budget
            if spent >= 1:
                return float(np.mean(losses or [np.nan])), steps
            optimiser.param_groups[0]["lr"] = 1e-3 * 0.5 * (1 + np.cos(np.pi * spent))
            loss = -flow(c[rows]).log_prob(z[rows]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach().item())
            steps += 1


def one(flow: str, scale: str, batch: int, folder: str, seed: int, events: int, budget: float) -> dict[str, Any]:
    """Held-out log likelihood in the units of the features, and what sampling and evaluating cost."""
    import torch
    import zuko

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    training, held_out = density.split(folder, seed, events)
    made = Own(training) if scale == "lamppost" else Usual(training, scale)
    mean, std = training.m.mean(), training.m.std()

    def context(m: Array) -> Any:
        return torch.as_tensor(((m - mean) / std)[:, None], dtype=torch.float32)

    def log_prob(events: Events) -> Array:
        z, slope = made.forward(events)
        with torch.no_grad():
            parts = zip(torch.as_tensor(z).split(CHUNK), context(events.m).split(CHUNK), strict=True)
            return np.concatenate([model(c).log_prob(part).numpy() for part, c in parts]).astype(float) + slope

    def sample(m: Array) -> Any:
        with torch.no_grad():
            return made.inverse(np.concatenate([model(c).sample().numpy() for c in context(m).split(CHUNK)]))

    before = forget_peak()
    model = {"NSF": zuko.flows.NSF, "MAF": zuko.flows.MAF}[flow](features=training.x.shape[1], context=1)
    z = torch.as_tensor(made.forward(training)[0])
    (loss, steps), cost = timed("fit", lambda: train(model, z, context(training.m), batch, budget))
    value, peak = log_prob(held_out), peak_mb()
    result = {"fit": cost, "training_loss": loss, "epochs": steps * batch / len(training)}
    return {
        **result,
        **density.likelihood(value),
        **(density.speed(sample, log_prob, training, timed) if (scale, batch) == TIMED else {}),
        "n": [len(training), len(held_out)],
        "parameters": sum(p.numel() for p in model.parameters()),
        "peak_mb": peak,
        "before_mb": before,
    }
