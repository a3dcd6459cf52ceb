"""`autoencoder` and `vae`: how badly an event fits through the bottleneck that usual events were learnt with.

Features are first brought to unit scale, z (d,). An encoder gives the latent u of few dimensions, a decoder D gives z
back. The terms of an event, means over members of

    reconstruction = |z - D(mu(z))|^2 / 2
    KL             = sum_j (mu_j^2 + sigma_j^2 - 1 - log sigma_j^2) / 2,   of q(u|z) = N(mu(z), sigma(z)^2) from N(0, 1)

are deterministic: only training draws u = mu + sigma * noise. With fewer latent dimensions than features nothing but
the manifold of usual events is reconstructed; a single feature leaves nothing to compress, and only KL ranks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lamppost.core import Array, Events, Outlier, Rng
from lamppost.errors import ConfigError, DataError
from lamppost.learn.preprocess import Preprocess
from lamppost.storage import fitted, pack, unpack

__all__ = ["Autoencoder", "AutoencoderScore", "Vae"]

Terms = Literal["reconstruction", "kl", "both"]


class _Encoding(Outlier):
    """What the plain and the variational autoencoder share."""

    members: int = Field(5, ge=1, le=1000, description="trained models whose scores are averaged")
    latent: int | None = Field(
        None, ge=1, description="dimensions of the latent space; by default 2, or 1 for one or two features"
    )
    hidden: tuple[int, ...] = Field((64, 32), description="units of the encoder's layers; the decoder's in reverse")
    epochs: float = Field(20.0, gt=0, description="passes over the events, 600 steps of Adam at least")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="peak rate of Adam")

    def _learn(self, events: Events, rng: Rng, score: Terms, beta: float | None) -> "AutoencoderScore":
        from lamppost.learn.engine import encoding, training

        kind = type(self).model_fields["kind"].default
        if not (events.w >= 0).all():
            msg = f"{kind}: found a weight of {np.min(events.w):g}, expected none below 0"
            raise DataError(msg)
        events = events[events.w > 0]
        if len(events) < 10:
            msg = f"{kind}: found {len(events)} events of weight above 0, expected >= 10"
            raise DataError(msg)
        preprocess = Preprocess.fit(events.x, events.w, events.names)
        tensors = encoding.learn(
            preprocess.forward(events.x, events.id)[0],
            (events.w / events.w.mean()).astype(np.float32),
            rng.integers(2**31 - 1, size=self.members).tolist(),
            latent=self.latent or max(1, min(2, events.x.shape[1] - 1)),
            hidden=self.hidden,
            beta=beta,
            plan=training.Plan(training.batch_size(len(events), 1024), self.epochs, self.learning_rate, least=600),
        )
        return AutoencoderScore(preprocess, tensors, score, beta)


class Autoencoder(_Encoding):
    """Reconstruction error of a plain autoencoder (arXiv:1808.08992, arXiv:1808.08979).

    The loss is the weighted mean of the reconstruction error. Weights below 0 are refused: they reward what is badly
    reconstructed, without bound.
    """

    kind: Literal["autoencoder"] = "autoencoder"

    def fit(self, events: Events, rng: Rng) -> "AutoencoderScore":
        """Train all members at once. DataError: a weight below 0, fewer than 10 events, features not usable."""
        return self._learn(events, rng, "reconstruction", None)


class Vae(_Encoding):
    """Terms of a variational autoencoder (arXiv:1312.6114) with weight beta of the KL term (beta-VAE).

    The loss is the weighted mean of |z - D(u)|^2 / 2 + beta KL, u drawn from q(u|z) by u = mu + sigma * noise. Divided
    by beta it is, but for a constant, the negative ELBO of a decoder z ~ N(D(u), beta): beta is the variance, in units
    of a feature's own, below which structure counts as noise. A latent direction that explains less is given up, with
    KL = 0 (posterior collapse, arXiv:1911.02469); beta -> 0 is a plain autoencoder. A search with this score:
    arXiv:2412.03747.
    """

    kind: Literal["vae"] = "vae"
    beta: float = Field(0.1, gt=0, description="weight of the KL term: variance of the decoder's noise")
    score: Terms = Field("both", description="reconstruction error, KL term, or both: reconstruction + beta KL")

    def fit(self, events: Events, rng: Rng) -> "AutoencoderScore":
        """Train all members at once. DataError: a weight below 0, fewer than 10 events, features not usable."""
        return self._learn(events, rng, self.score, self.beta)


@fitted("autoencoder")
@dataclass(frozen=True, eq=False)
class AutoencoderScore:
    """Fitted: the members' weights as named arrays with a leading axis of members; `beta` None: not variational."""

    preprocess: Preprocess
    tensors: Mapping[str, NDArray[Any]]
    score: Terms
    beta: float | None

    def __call__(self, events: Events) -> Array:
        """The chosen term (n,); `both` is reconstruction + beta KL."""
        if self.score == "reconstruction":
            return self.reconstruction(events)
        if self.score == "kl":
            return self.kl(events)
        errors, kl, _ = self._measure(events)
        return _mean(errors) + (self.beta or 0.0) * _mean(kl)

    def reconstruction(self, events: Events) -> Array:
        """Reconstruction error (n,), in units of the features' variance: mean over members."""
        return _mean(self._measure(events)[0])

    def kl(self, events: Events) -> Array:
        """KL term (n,) in nats: mean over members. ConfigError: a plain autoencoder has none."""
        if self.beta is None:
            msg = "autoencoder: has no KL term, expected kind 'vae'"
            raise ConfigError(msg)
        return _mean(self._measure(events)[1])

    def encode(self, events: Events) -> NDArray[np.float32]:
        """Mean latent (n, members, dimensions); each member has coordinates of its own."""
        return np.ascontiguousarray(self._measure(events)[2].transpose(2, 0, 1))

    def _measure(self, events: Events) -> tuple[NDArray[np.float32], ...]:
        from lamppost.learn.engine import encoding

        x = events.select(self.preprocess.names).x
        return encoding.measure(self.tensors, self.preprocess.forward(x, events.id)[0])

    def to_bytes(self) -> bytes:
        """The weights as safetensors, the rest in their header."""
        about = {"preprocess": self.preprocess.to_table(), "score": self.score, "beta": self.beta}
        return pack("autoencoder", about, self.tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> "AutoencoderScore":
        """Read back what `to_bytes` wrote; damaged or newer data give a clear error."""
        about, tensors = unpack(data, "autoencoder")
        return cls(Preprocess.from_table(about["preprocess"]), tensors, about["score"], about["beta"])


def _mean(terms: NDArray[np.float32]) -> Array:
    mean: Array = terms.mean(axis=0, dtype=np.float64)
    return mean
