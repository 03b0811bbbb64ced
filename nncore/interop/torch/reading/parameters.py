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


def affine(weight, bias):
    """(weight, bias, whether they need gradients) of a normalization.

    One that needs no gradient and changes nothing, a weight of ones or a bias of zeros beside a parameter that is
    trained, counts as none.
    """
    pair = [weight, bias]
    if len({p.requires_grad for p in pair if p is not None}) > 1:
        pair = [None if not parameter.requires_grad and bool((parameter == idle).all()) else parameter
                for parameter, idle in zip(pair, (1, 0), strict=True)]  # fmt: skip
    return array(pair[0]), array(pair[1]), pair == [None, None] or not frozen(*pair)
