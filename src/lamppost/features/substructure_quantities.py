"""What may be asked of the constituents of a jet: names, formulae, ranges and papers.

In the formulae z_i = pT_i / sum pT, dR is a distance in rapidity and azimuth, dR_i the one from the jet's axis, R0 the
radius of the jets, beta an exponent of the configuration.
"""

from collections.abc import Mapping

from lamppost.features.quantity import Quantity

__all__ = ["CORRELATORS", "EPSILON", "GROOMED", "RATIOS", "SHAPES", "TAUS", "TAU_QUANTITIES"]

EPSILON = 1e-5
"""Added to the denominator of the ratios of N-subjettiness, as is custom for the LHC Olympics."""

BETAS: Mapping[str, float | None] = {"": None, "_b05": 0.5, "_b2": 2.0}

TAUS: Mapping[str, tuple[int, float | None]] = {
    f"tau{order}{suffix}": (order, beta) for suffix, beta in BETAS.items() for order in range(1, 10)
}
"""Order N and exponent of each N-subjettiness; None is the configured exponent."""

RATIOS: Mapping[str, tuple[str, str]] = {f"tau{k + 1}{k}": (f"tau{k + 1}", f"tau{k}") for k in range(1, 5)}


def _by_name(*quantities: Quantity) -> dict[str, Quantity]:
    return {quantity.name: quantity for quantity in quantities}


def _tau(name: str, order: int, beta: float | None) -> Quantity:
    power = "beta" if beta is None else f"{beta:g}"
    axes, prongs = ("1 axis", "1 prong") if order == 1 else (f"{order} axes", f"{order} prongs")
    formula = f"sum z_i min_k (dR_ik / R0)^{power}, {axes}"
    about = (
        f"distance from {prongs}; 0 for {'a single constituent' if order == 1 else f'{order} constituents or fewer'}"
    )
    return Quantity(name, formula, "", 0.0, None, "1011.2268", about)


def _ratio(name: str, above: str, below: str) -> Quantity:
    formula = f"{above} / ({below} + {EPSILON:g})"
    return Quantity(name, formula, "", 0.0, None, "1011.2268", f"small for {above[3:]} prongs, near 1 for fewer")


TAU_QUANTITIES = _by_name(
    *(_tau(name, *what) for name, what in TAUS.items()), *(_ratio(name, *pair) for name, pair in RATIOS.items())
)

# fmt: off
GROOMED = _by_name(
    Quantity("msd", "m after soft drop", "GeV", 0.0, None, "1402.2657",
             "mass without soft radiation at wide angles; of the last particle if no splitting passes"),
    Quantity("zg", "z of the first with z > z_cut (dR / R0)^beta", "", 0.0, 0.5, "1402.2657",
             "how evenly the two groomed prongs share pT; 0 if no splitting passes"),
    Quantity("rg", "dR of that splitting", "rad", 0.0, None, "1402.2657",
             "groomed radius; 0 if no splitting passes"),
    Quantity("nsd", "splittings with z > z_cut (dR / R0)^beta", "", 0.0, None, "1704.06266",
             "soft-drop multiplicity along the harder branch; collinear safe for beta < 0"),
    Quantity("lund_n", "emissions with kT > lund_cut", "", 0.0, None, "1807.04758",
             "density of the primary Lund plane: emissions off the harder branch"),
    Quantity("lund_kt", "max kT, kT = pT_soft dR", "GeV", 0.0, None, "1807.04758",
             "the hardest primary emission; 0 if there is none"),
    Quantity("lund_delta", "dR of the emission of largest kT", "rad", 0.0, None, "1807.04758",
             "angle of the hardest primary emission; 0 if there is none"),
    Quantity("lund_z", "z of the emission of largest kT", "", 0.0, 0.5, "1807.04758",
             "z = pT_soft / (pT_soft + pT_hard) of the hardest primary emission; 0 if there is none"),
)

CORRELATORS = _by_name(
    Quantity("c1", "e2", "", 0.0, None, "1305.0007", "two-point energy correlation"),
    Quantity("c2", "3e3 / e2^2", "", 0.0, None, "1305.0007", "small for two prongs; 0 if e2 = 0"),
    Quantity("d2", "3e3 / e2^3", "", 0.0, None, "1409.6298", "small for two prongs; 0 if e2 = 0"),
    Quantity("m2", "1e3 / e2", "", 0.0, 1 / 3, "1609.07483", "small for two prongs; 0 if e2 = 0"),
    Quantity("n2", "2e3 / e2^2", "", 0.0, None, "1609.07483", "small for two prongs, much as tau21; 0 if e2 = 0"),
)

SHAPES = _by_name(
    Quantity("n", "number of constituents", "", 0.0, None, "1408.3122", "multiplicity"),
    Quantity("ptd", "sqrt(sum z_i^2)", "", 0.0, 1.0, "1408.3122", "dispersion of pT: 1 for a single constituent"),
    Quantity("width", "sum z_i dR_i", "rad", 0.0, None, "1408.3122", "width or girth"),
    Quantity("lha", "sum z_i (dR_i / R0)^0.5", "", 0.0, None, "1408.3122", "Les Houches angularity"),
    Quantity("thrust", "sum z_i (dR_i / R0)^2", "", 0.0, None, "1408.3122", "thrust, near (m / pT R0)^2"),
    Quantity("lead", "max z_i", "", 0.0, 1.0, "1408.3122", "share of the hardest constituent"),
    Quantity("n90", "smallest count with sum z_i >= 0.9", "", 1.0, None, "Pumplin, PRD 44 (1991) 2025",
             "multiplicity without the soft tail"),
    Quantity("planar_flow", "4 det I / (tr I)^2, I = sum z_i x_i x_i^T", "", 0.0, 1.0, "0807.0234",
             "x = (dy, dphi) from the axis: 0 for a line or a point, 1 for a disc"),
    Quantity("jet_charge", "sum q_i z_i^0.5", "e", None, None, "1209.2421",
             "sign and size of the charge; only where the constituents' charge is known"),
)
# fmt: on
