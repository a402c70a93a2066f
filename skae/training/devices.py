"""Where torch computes: what a user may name, and whether it is there."""

import torch


def check_device(device):
    """Return the torch device that `device` names, "auto" being CUDA where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device must be 'auto', 'cpu', 'cuda' or 'cuda:<number>'. Got {device!r} instead."
        ) from error
    if not is_available(found):
        raise ValueError(
            f"device={str(device)!r} was asked for, but torch finds no such device on this "
            "machine. Use device='auto' or device='cpu'."
        )
    return found


def is_available(device):
    """Return whether torch can compute there."""
    device = torch.device(device)
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu"
