"""Optimizers: by name, what one flat vector is the same to, and a step without ceremony."""

import torch

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}

# Optimizers that treat every number by itself, so that one flat vector is the same to them as
# many matrices. Any other receives the parameters one by one.
ELEMENTWISE = (
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.SGD,
    torch.optim.ASGD,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
    torch.optim.LBFGS,
)
FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)


def bare_step(optimizer):
    """Return what does the work of ``optimizer.step`` from now on.

    For Adam and AdamW on one vector it is their kernel alone: on small networks the checks around
    it take as long as the gradient. For any other, or if somebody listens, `step` itself.
    """
    kernels = {torch.optim.Adam: "_fused_adam_", torch.optim.AdamW: "_fused_adamw_"}
    kernel = getattr(torch, kernels.get(type(optimizer), ""), None)
    (group, *others) = optimizer.param_groups
    (p, *more) = group["params"]
    state = optimizer.state.get(p)
    if kernel is None or others or more or not state or not group["fused"]:
        return optimizer.step
    listeners = optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks
    own_scale = [getattr(optimizer, name, None) for name in ("grad_scale", "found_inf")]
    is_patched = "step" in vars(optimizer)  # by a learning rate scheduler, which counts
    if any(listeners) or any(own_scale) or is_patched or group["amsgrad"]:
        return optimizer.step

    n_steps = state["step"]
    tensors = [p.detach()], [p.grad], [state["exp_avg"]], [state["exp_avg_sq"]], [], [n_steps]

    def step():
        n_steps.add_(1)
        beta1, beta2 = group["betas"]
        kernel(
            *tensors,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=group["maximize"],
        )

    return step
