"""A pinhole camera above a flat deck. Metres: x to the right, y ahead, z up; the deck is z = 0."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Stands at (0, 0, height). Angles in radians: pitch down, yaw to the right, roll clockwise.

    width, height_px: of the picture; view: horizontal field of view.
    """

    width: int
    height_px: int
    height: float
    pitch: float
    yaw: float
    roll: float
    view: float

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.width / 2 / float(np.tan(self.view / 2))

    @cached_property
    def axes(self) -> Array:
        """Right, up and forward as rows [3, 3]."""
        forward = np.array(
            (
                np.sin(self.yaw) * np.cos(self.pitch),
                np.cos(self.yaw) * np.cos(self.pitch),
                -np.sin(self.pitch),
            )
        )
        right = np.array((np.cos(self.yaw), -np.sin(self.yaw), 0.0))
        up = np.cross(right, forward)
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.stack((c * right + s * up, c * up - s * right, forward))

    def depth(self, points: Array) -> Array:
        """Distance along the line of sight of points [..., 3]; what is not positive is behind."""
        seen: Array = (points - (0.0, 0.0, self.height)) @ self.axes[2]
        return seen

    def project(self, points: Array) -> Array:
        """Pixels [..., 2] of points [..., 3]; what is behind the camera is held just before it."""
        seen = (points - (0.0, 0.0, self.height)) @ self.axes.T
        depth = np.maximum(seen[..., 2:], 0.05)
        middle = (self.width / 2, self.height_px / 2)
        found: Array = middle + seen[..., :2] * (self.focal, -self.focal) / depth
        return found

    @cached_property
    def deck(self) -> Array:
        """Homography [3, 3] from deck (x, y, 1) to pixels."""
        right, up, forward = self.axes
        x, y, f = self.width / 2, self.height_px / 2, self.focal
        rows = np.stack((f * right + x * forward, -f * up + y * forward, forward))
        found: Array = np.column_stack((rows[:, 0], rows[:, 1], -self.height * rows[:, 2]))
        return found

    def on_deck(self, pixels: Array) -> Array:
        """Where on the deck pixels [..., 2] lie, (x, y); NaN above the horizon."""
        right, up, forward = self.axes
        seen = (pixels - (self.width / 2, self.height_px / 2)) / self.focal
        ray = forward + seen[..., :1] * right - seen[..., 1:] * up
        down = np.where(ray[..., 2:] < -1e-3, -ray[..., 2:], np.nan)
        found: Array = ray[..., :2] * (self.height / down)
        return found
