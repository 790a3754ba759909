"""Tensors between Triton's python backend and numpy, by DLPack both ways.

The backend's own conversions (`as_numpy`, `Tensor(name, array)`) were built against numpy 1: under
numpy 2 they give the right shape with wrong values, without an error. DLPack works on both.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

_forget_destructor = ctypes.pythonapi.PyCapsule_SetDestructor
_forget_destructor.argtypes = [ctypes.py_object, ctypes.c_void_p]
_forget_destructor.restype = ctypes.c_int


class _Exported:
    """An array that gives itself away once, in a capsule that numpy no longer looks after.

    The backend renames a capsule it has taken to "used_dlpack", where the standard says
    "used_dltensor"; numpy's destructor then complains on standard error at every tensor. The
    backend frees the memory itself through the tensor's deleter.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def __dlpack__(self, stream: object = None) -> Any:
        capsule = self._array.__dlpack__()
        _forget_destructor(capsule, None)
        return capsule

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


def read(request: Any, name: str) -> NDArray[Any]:
    """The input tensor `name`, a read-only view into shared memory, valid during the request."""
    return np.from_dlpack(pb_utils.get_input_tensor_by_name(request, name))


def write(name: str, array: NDArray[Any]) -> Any:
    """An output tensor `name` with the values of `array`."""
    if array.size == 0:  # no values to get wrong, and DLPack refuses it
        return pb_utils.Tensor(name, array)
    array = np.ascontiguousarray(array)
    if not array.flags.writeable:  # DLPack cannot say "read-only", numpy refuses to export it
        array = array.copy()
    return pb_utils.Tensor.from_dlpack(name, _Exported(array))
