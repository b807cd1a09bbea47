"""Inception-v4 and Inception-ResNet-v2 in numpy, as PyTorch's definitions of them say.

Arrays have the names and axes of a ``state_dict`` of timm's; widths are theirs.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_EPSILON = 1e-3
_SCALES = (0.17, 0.10, 0.20)


class Theirs:
    """What a network makes of an image, float64 [channels, height, width]."""

    def __init__(self, arrays):
        self.arrays = {name: np.asarray(x, np.float64) for name, x in arrays.items()}

    def convolve(self, name, x, stride=1, padding=(0, 0)):
        kernel = self.arrays[f"{name}.weight"]
        x = np.pad(x, [(0, 0), *((side, side) for side in padding)])
        seen = sliding_window_view(x, kernel.shape[2:], axis=(1, 2))
        return np.einsum(
            "ihwyx,oiyx->ohw", seen[:, ::stride, ::stride], kernel, optimize=True
        )

    def unit(self, name, x, stride=1, same=True):
        """Convolution, normalisation, ReLU; padded on all sides if `same`."""
        sides = self.arrays[f"{name}.conv.weight"].shape[2:]
        padding = tuple(side // 2 if same else 0 for side in sides)
        x = self.convolve(f"{name}.conv", x, stride, padding)
        mean, variance, weight, bias = (
            self.arrays[f"{name}.bn.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return np.maximum((x - mean) / np.sqrt(variance + _EPSILON) * weight + bias, 0)

    def units(self, name, x, numbers, shrinks=False, stride=2):
        """Several, one after the other; the last one without padding if `shrinks`."""
        for number in numbers:
            if shrinks and number == numbers[-1]:
                x = self.unit(f"{name}.{number}", x, stride, same=False)
            else:
                x = self.unit(f"{name}.{number}", x)
        return x

    def scores(self, name, x):
        weight, bias = (self.arrays[f"{name}.{part}"] for part in ("weight", "bias"))
        return weight @ x.mean(axis=(1, 2)) + bias


def max_pool(x):
    return sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(3, 4))


def average_pool(x):
    """3x3, padded by 1, of what is inside."""
    seen = sliding_window_view(np.pad(x, [(0, 0), (1, 1), (1, 1)]), (3, 3), (1, 2))
    inside = np.pad(np.ones(x.shape[1:]), 1)
    return seen.sum((3, 4)) / sliding_window_view(inside, (3, 3)).sum((2, 3))


def inception_v4(arrays, x, counts):
    net = Theirs(arrays)
    x = net.unit("features.0", x, 2, same=False)
    x = net.unit("features.2", net.unit("features.1", x, same=False))
    short = net.unit("features.3.conv", x, 2, same=False)
    x = np.concatenate([max_pool(x), short])
    branches = [
        net.units(f"features.4.branch{branch}", x, range(steps), True, stride=1)
        for branch, steps in enumerate((2, 4))
    ]
    x = np.concatenate(branches)
    x = np.concatenate([net.unit("features.5.conv", x, 2, same=False), max_pool(x)])
    number = 6
    for _ in range(counts[0]):
        x = _module(net, f"features.{number}", x, (2, 3), pooled=True)
        number += 1
    x = np.concatenate(
        [
            net.unit(f"features.{number}.branch0", x, 2, same=False),
            net.units(f"features.{number}.branch1", x, range(3), True),
            max_pool(x),
        ]
    )
    number += 1
    for _ in range(counts[1]):
        x = _module(net, f"features.{number}", x, (3, 5), pooled=True)
        number += 1
    x = np.concatenate(
        [
            net.units(f"features.{number}.branch0", x, range(2), True),
            net.units(f"features.{number}.branch1", x, range(4), True),
            max_pool(x),
        ]
    )
    number += 1
    for _ in range(counts[2]):
        x = _forked(net, f"features.{number}", x)
        number += 1
    return net.scores("last_linear", x)


def _module(net, name, x, steps, pooled=False):
    """A unit, branches of so many steps and, if `pooled`, what follows a mean."""
    paths = [net.unit(f"{name}.branch0", x)]
    for branch, count in enumerate(steps, start=1):
        paths.append(net.units(f"{name}.branch{branch}", x, range(count)))
    if pooled:
        last = f"{name}.branch{len(steps) + 1}.1"
        paths.append(net.unit(last, average_pool(x)))
    return np.concatenate(paths)


def _forked(net, name, x):
    short = net.unit(f"{name}.branch1_0", x)
    long = x
    for step in range(3):
        long = net.unit(f"{name}.branch2_{step}", long)
    return np.concatenate(
        [
            net.unit(f"{name}.branch0", x),
            *(net.unit(f"{name}.branch1_1{end}", short) for end in "ab"),
            *(net.unit(f"{name}.branch2_3{end}", long) for end in "ab"),
            net.unit(f"{name}.branch3.1", average_pool(x)),
        ]
    )


def inception_resnet_v2(arrays, x, counts):
    net = Theirs(arrays)
    x = net.unit("conv2d_1a", x, 2, same=False)
    x = net.unit("conv2d_2b", net.unit("conv2d_2a", x, same=False))
    x = net.unit("conv2d_3b", max_pool(x))
    x = max_pool(net.unit("conv2d_4a", x, same=False))
    x = _module(net, "mixed_5b", x, (2, 3), pooled=True)
    for number in range(counts[0]):
        x = _residual(net, f"repeat.{number}", x, (2, 3), _SCALES[0])
    x = np.concatenate(
        [
            net.unit("mixed_6a.branch0", x, 2, same=False),
            net.units("mixed_6a.branch1", x, range(3), True),
            max_pool(x),
        ]
    )
    for number in range(counts[1]):
        x = _residual(net, f"repeat_1.{number}", x, (3,), _SCALES[1])
    steps = enumerate((2, 2, 3))
    x = np.concatenate(
        [
            *(net.units(f"mixed_7a.branch{b}", x, range(n), True) for b, n in steps),
            max_pool(x),
        ]
    )
    for number in range(counts[2] - 1):
        x = _residual(net, f"repeat_2.{number}", x, (3,), _SCALES[2])
    x = _residual(net, "block8", x, (3,), 1.0, linear=True)
    return net.scores("classif", net.unit("conv2d_7b", x))


def _residual(net, name, x, steps, scale, linear=False):
    branch = net.convolve(f"{name}.conv2d", _module(net, name, x, steps))
    x = x + scale * (branch + net.arrays[f"{name}.conv2d.bias"][:, None, None])
    return x if linear else np.maximum(x, 0)
