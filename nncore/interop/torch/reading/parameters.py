"""What readers of modules need of parameters."""


def array(parameter):
    """A parameter as a NumPy array; None for none."""
    return None if parameter is None else parameter.detach().cpu().numpy()


def frozen(*parameters):
    """Whether parameters need no gradient; ValueError where some do and others do not."""
    needs = {parameter.requires_grad for parameter in parameters if parameter is not None}
    if len(needs) > 1:
        raise ValueError("some parameters need a gradient and others do not; a layer is trained as a whole")
    return needs == {False}
