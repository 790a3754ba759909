"""The three tunas of the competition, and the skipjack that passes for OTHER."""

from __future__ import annotations

import numpy as np

from deckwatch_training.simulate.anatomy import Anatomy, Colour, Fin, Line, Plane

_STEEL: Colour = (150, 160, 172)


def _finlets(colour: Colour, back: Line, belly: Line, size: float = 0.034) -> tuple[Fin, ...]:
    """Eight small triangles above and below, between the soft fins and the tail."""
    found = []
    for i in range(8):
        x = 0.68 + i * 0.037
        for profile, sign in ((back, 1.0), (belly, -1.0)):
            y = float(np.interp(x, [p[0] for p in profile], [p[1] for p in profile])) - sign * 0.008
            found.append(
                Fin(((x, y), (x + 0.012, y + sign * size), (x + 0.032, y + sign * size * 0.5),
                     (x + 0.02, y)), colour)
            )  # fmt: skip
    return tuple(found)


def _lunate(colour: Colour, span: float = 0.19, sweep: float = 0.16) -> Fin:
    """The sickle-shaped tail of a fast swimmer."""
    return Fin(
        ((0.97, 0.014), (1.02, 0.05), (1.0 + sweep, span), (1.02 + sweep, span), (1.075, 0.04),
         (1.055, 0.0), (1.075, -0.04), (1.02 + sweep, -span), (1.0 + sweep, -span), (1.02, -0.05),
         (0.97, -0.014)),
        colour,
    )  # fmt: skip


def _bands(
    rgb: Plane, along: Plane, across: Plane, rng: np.random.Generator, strength: float = 12.0
) -> None:
    """Broken pale lines across the lower flank, as young tunas have."""
    wave = np.sin(along * rng.uniform(90, 130) + 4 * across)
    where = (across < -0.15) & (along > 0.35) & (along < 0.9)
    rgb += (strength * wave * where)[..., None]


def _golden(rgb: Plane, along: Plane, across: Plane, rng: np.random.Generator) -> None:
    """Yellowfin: a golden band along the upper flank, then the broken lines."""
    band = np.exp(-(((across - 0.28) / 0.15) ** 2)) * np.clip((along - 0.15) * 4, 0, 1)
    rgb += band[..., None] * (np.array((215, 170, 50), np.float32) - rgb) * rng.uniform(0.45, 0.7)
    _bands(rgb, along, across, rng)


def _bronze(rgb: Plane, along: Plane, across: Plane, rng: np.random.Generator) -> None:
    """Bigeye: a bronze sheen on the back."""
    band = np.exp(-(((across - 0.4) / 0.22) ** 2)) * np.clip(along * 3, 0, 1)
    rgb += band[..., None] * (np.array((126, 104, 86), np.float32) - rgb) * rng.uniform(0.35, 0.6)


def _belly_stripes(rgb: Plane, along: Plane, across: Plane, rng: np.random.Generator) -> None:
    """Skipjack: four to six dark stripes along the belly."""
    stripes = np.cos(across * 22 + 1.5 * along) > 0.35
    where = (across < 0.05) & (across > -0.85) & (along > 0.3)
    rgb[stripes & where] *= rng.uniform(0.4, 0.55)


_ALB_BACK: Line = ((0, 0), (0.06, 0.05), (0.2, 0.105), (0.42, 0.142), (0.6, 0.13), (0.8, 0.06),
                   (0.94, 0.018), (1, 0.014))  # fmt: skip
_ALB_BELLY: Line = ((0, 0), (0.06, -0.045), (0.2, -0.1), (0.42, -0.14), (0.6, -0.132),
                    (0.8, -0.06), (0.94, -0.018), (1, -0.014))  # fmt: skip

ALBACORE = Anatomy(
    _ALB_BACK,
    _ALB_BELLY,
    ((-1, (214, 216, 214)), (-0.35, (188, 193, 197)), (0.1, (116, 128, 146)), (0.4, (48, 62, 92)),
     (1, (18, 27, 50))),
    (
        _lunate((52, 56, 66)),
        # The white rim of the tail.
        Fin(((1.15, 0.17), (1.185, 0.19), (1.085, 0.03), (1.07, 0.0), (1.085, -0.03),
             (1.185, -0.19), (1.15, -0.17), (1.06, 0.0)), (222, 222, 216)),
        Fin(((0.3, 0.11), (0.32, 0.21), (0.36, 0.19), (0.46, 0.155), (0.52, 0.14), (0.5, 0.1)),
            (96, 98, 92)),
        Fin(((0.55, 0.11), (0.6, 0.2), (0.63, 0.19), (0.66, 0.1)), (70, 72, 78)),
        Fin(((0.57, -0.11), (0.62, -0.2), (0.65, -0.19), (0.68, -0.1)), (120, 124, 128)),
        *_finlets((84, 84, 80), _ALB_BACK, _ALB_BELLY),
        # The long wing that gives it away: past the second dorsal fin.
        Fin(((0.27, 0.0), (0.29, -0.045), (0.45, -0.075), (0.62, -0.06), (0.745, -0.012),
             (0.755, 0.0), (0.6, -0.008), (0.45, 0.0), (0.34, 0.016)), (20, 24, 36), front=True),
        Fin(((0.29, -0.115), (0.36, -0.165), (0.38, -0.15), (0.34, -0.11)), (130, 132, 134)),
    ),
    (0.085, 0.012, 0.02),
    (0.7, 1.05),
    shine=0.55,
)  # fmt: skip

_BET_BACK: Line = ((0, 0), (0.05, 0.06), (0.16, 0.135), (0.36, 0.188), (0.55, 0.165), (0.78, 0.07),
                   (0.94, 0.02), (1, 0.016))  # fmt: skip
_BET_BELLY: Line = ((0, 0), (0.05, -0.06), (0.16, -0.135), (0.36, -0.192), (0.55, -0.17),
                    (0.78, -0.07), (0.94, -0.02), (1, -0.016))  # fmt: skip

BIGEYE = Anatomy(
    _BET_BACK,
    _BET_BELLY,
    ((-1, (222, 214, 206)), (-0.3, (204, 196, 190)), (0.12, (150, 140, 140)), (0.45, (70, 66, 82)),
     (1, (26, 28, 44))),
    (
        _lunate((74, 68, 70), 0.2),
        Fin(((0.28, 0.15), (0.3, 0.26), (0.34, 0.235), (0.46, 0.19), (0.5, 0.13)), (112, 100, 74)),
        Fin(((0.54, 0.14), (0.6, 0.255), (0.64, 0.245), (0.65, 0.11)), (122, 104, 62)),
        Fin(((0.56, -0.14), (0.62, -0.26), (0.66, -0.25), (0.67, -0.11)), (150, 130, 84)),
        *_finlets((196, 164, 48), _BET_BACK, _BET_BELLY),
        Fin(((0.27, 0.0), (0.29, -0.04), (0.4, -0.052), (0.5, -0.03), (0.56, 0.012), (0.46, 0.006),
             (0.34, 0.02)), (44, 42, 50), front=True),
        Fin(((0.27, -0.165), (0.34, -0.215), (0.37, -0.2), (0.33, -0.15)), (150, 142, 136)),
    ),
    (0.1, 0.02, 0.04),
    (0.8, 1.5),
    iris=(206, 176, 110),
    gill=0.26,
    shine=0.6,
    marks=_bronze,
)  # fmt: skip

_YFT_BACK: Line = ((0, 0), (0.06, 0.055), (0.2, 0.112), (0.38, 0.14), (0.58, 0.118), (0.8, 0.055),
                   (0.94, 0.017), (1, 0.014))  # fmt: skip
_YFT_BELLY: Line = ((0, 0), (0.06, -0.05), (0.2, -0.108), (0.38, -0.14), (0.58, -0.12),
                    (0.8, -0.055), (0.94, -0.017), (1, -0.014))  # fmt: skip

YELLOWFIN = Anatomy(
    _YFT_BACK,
    _YFT_BELLY,
    ((-1, (226, 222, 210)), (-0.3, (206, 204, 196)), (0.1, (160, 158, 150)), (0.42, (58, 74, 104)),
     (1, (16, 32, 66))),
    (
        _lunate((150, 132, 58), 0.2),
        Fin(((0.29, 0.115), (0.31, 0.22), (0.35, 0.19), (0.46, 0.15), (0.5, 0.1)), (168, 146, 62)),
        # The two long yellow sickles.
        Fin(((0.52, 0.115), (0.58, 0.22), (0.69, 0.345), (0.8, 0.4), (0.72, 0.29), (0.655, 0.17),
             (0.64, 0.09)), (240, 198, 36)),
        Fin(((0.54, -0.115), (0.6, -0.22), (0.7, -0.35), (0.81, -0.41), (0.73, -0.29),
             (0.67, -0.17), (0.66, -0.09)), (240, 198, 36)),
        *_finlets((250, 210, 30), _YFT_BACK, _YFT_BELLY, 0.042),
        Fin(((0.27, -0.004), (0.29, -0.042), (0.42, -0.055), (0.52, -0.03), (0.585, 0.008),
             (0.46, 0.002), (0.34, 0.016)), (70, 74, 72), front=True),
        Fin(((0.29, -0.115), (0.36, -0.17), (0.38, -0.155), (0.34, -0.11)), (196, 176, 96)),
    ),
    (0.085, 0.014, 0.021),
    (0.8, 1.55),
    shine=0.55,
    marks=_golden,
)  # fmt: skip

SKIPJACK = Anatomy(
    _BET_BACK,
    _BET_BELLY,
    ((-1, (214, 216, 214)), (-0.1, (190, 196, 200)), (0.2, (90, 96, 130)), (1, (28, 26, 70))),
    (
        _lunate((70, 74, 84), 0.16, 0.12),
        Fin(((0.28, 0.15), (0.3, 0.24), (0.36, 0.19), (0.5, 0.15)), (60, 60, 80)),
        Fin(((0.56, 0.13), (0.6, 0.2), (0.66, 0.11)), (60, 60, 80)),
        Fin(((0.58, -0.13), (0.62, -0.2), (0.68, -0.11)), _STEEL),
        Fin(((0.27, 0.0), (0.3, -0.03), (0.4, 0.0), (0.3, 0.02)), (50, 52, 66), front=True),
    ),
    (0.09, 0.016, 0.022),
    (0.45, 0.8),
    marks=_belly_stripes,
)
