"""What the compiled module was built with."""

TORCH_SERIES: str
