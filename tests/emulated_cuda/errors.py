"""CUDA's errors."""

_NAMES = {1: "cudaErrorInvalidValue", 2: "cudaErrorMemoryAllocation", 101: "cudaErrorInvalidDevice",
          400: "cudaErrorInvalidResourceHandle", 401: "cudaErrorIllegalState", 500: "cudaErrorSymbolNotFound",
          900: "cudaErrorStreamCaptureUnsupported", 901: "cudaErrorStreamCaptureInvalidated",
          905: "cudaErrorStreamCaptureIsolation"}


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""

    def __init__(self, status):
        self.status = status
        super().__init__(f"{_NAMES.get(status, 'cudaErrorUnknown')}: said by the stand-in")


class CUDADriverError(RuntimeError):
    """As CuPy's."""

    def __init__(self, status):
        self.status = status
        super().__init__(f"{_NAMES.get(status, 'CUDA_ERROR_UNKNOWN')}: said by the stand-in")


class KernelError(Exception):
    """A kernel, its launch or its memory is used wrongly, in a way of which a GPU may say nothing."""
