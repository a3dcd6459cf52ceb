"""What is compiled: networks, flows and their training. The only modules that import JAX, loaded when first used."""

from importlib import import_module

from lamppost.errors import ConfigError

for _framework in ("jax", "equinox", "optax"):
    try:
        import_module(_framework)
    except ImportError as error:
        msg = f'networks and flows need {error.name}: pip install "lamppost[networks]"'
        raise ConfigError(msg) from None
