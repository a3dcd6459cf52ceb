"""What is compiled: networks, flows and their training. The only modules that import JAX, loaded when first used."""

from lamppost.errors import ConfigError

try:
    import equinox as _equinox  # noqa: F401
    import jax as _jax  # noqa: F401
    import optax as _optax  # noqa: F401
except ImportError as error:
    msg = f'networks and flows need {error.name}: pip install "lamppost[networks]"'
    raise ConfigError(msg) from None
