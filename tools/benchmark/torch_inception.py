"""GoogLeNet and Inception-v4 in PyTorch, as their papers draw them.

Needs PyTorch alone; `torch_images` trains them and asks them.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

Kernel = int | tuple[int, int]


class Unit(nn.Module):
    """A convolution, its normalisation if it has one, and ReLU."""

    def __init__(
        self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, width: int
    ) -> None:
        super().__init__()
        self.conv, self.norm, self.width = conv, norm, width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From float32 [b, C, h, w] to [b, width, h', w']."""
        x = self.conv(x)
        return functional.relu(x if self.norm is None else self.norm(x), inplace=True)


class Joined(nn.Module):
    """Branches over one input, joined along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From float32 [b, C, h, w] to [b, C', h', w']."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class Drawing:
    """Adds one part after another and keeps count of the channels.

    Args:
      multiplier: of the published widths.
      norm: the momentum of batch normalisation; None: convolutions with biases.
      channels: of the input.
    """

    def __init__(
        self, multiplier: float, norm: float | None, channels: int = 3
    ) -> None:
        self.multiplier, self.norm, self.channels = multiplier, norm, channels
        self.parts: list[nn.Module] = []

    def wide(self, filters: int) -> int:
        """The width that is built for a published one."""
        if self.multiplier == 1:
            return filters
        return max(4, round(filters * self.multiplier / 4) * 4)

    def branch(self) -> "Drawing":
        """An empty one on the same input."""
        return Drawing(self.multiplier, self.norm, self.channels)

    def add(self, part: nn.Module, channels: int | None = None) -> "Drawing":
        """Adds a part; `channels` is what it gives if that differs."""
        self.parts.append(part)
        self.channels = channels or self.channels
        return self

    def conv(
        self, filters: int, kernel: Kernel = 1, stride: int = 1, valid: bool = False
    ) -> "Drawing":
        """Adds a unit; without `valid` its map is as large as its input's."""
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (0, 0) if valid else (sides[0] // 2, sides[1] // 2)
        width = self.wide(filters)
        conv = nn.Conv2d(
            self.channels, width, sides, stride, padding, bias=self.norm is None
        )
        # PyTorch's own first weights let signals fade to numbers that are slow.
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        norm = (
            None
            if self.norm is None
            else nn.BatchNorm2d(width, eps=1e-3, momentum=1 - self.norm)
        )
        return self.add(Unit(conv, norm, width), width)

    def join(self, *branches: "Drawing") -> "Drawing":
        """Adds branches on the same input."""
        parts = [branch.whole() for branch in branches]
        return self.add(Joined(*parts), sum(branch.channels for branch in branches))

    def whole(self) -> nn.Sequential:
        """All parts."""
        return nn.Sequential(*self.parts)


class Classifier(nn.Module):
    """A trunk in pieces, side classifiers between them, and class scores."""

    def __init__(
        self, trunk: list[nn.Module], heads: list[nn.Module], scores: nn.Module
    ) -> None:
        super().__init__()
        self.trunk, self.heads = nn.ModuleList(trunk), nn.ModuleList(heads)
        self.scores = scores

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """From float32 [b, C, h, w] to logits [b, K], those of the end first."""
        sides = []
        for number, piece in enumerate(self.trunk):
            x = piece(x)
            if number < len(self.heads):
                sides.append(self.heads[number](x))
        return [self.scores(x), *sides]


def googlenet(case: dict[str, Any]) -> Classifier:
    """Szegedy et al., arXiv 1409.4842, table 1 and section 5."""
    batch_norm = case["network"] == "googlenet_bn"
    net = Drawing(case["width"], 0.9997 if batch_norm else None)

    def pool() -> None:
        net.add(nn.MaxPool2d(3, 2, ceil_mode=True))

    def normalize() -> None:
        if not batch_norm:
            net.add(nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0))

    def module(single: int, *paths: int) -> None:
        reduce3, conv3, reduce5, conv5, projection = paths
        net.join(
            net.branch().conv(single),
            net.branch().conv(reduce3).conv(conv3, 3),
            net.branch().conv(reduce5).conv(conv5, 5),
            net.branch().add(nn.MaxPool2d(3, 1, 1)).conv(projection),
        )

    trunk: list[nn.Module] = []
    heads: list[nn.Module] = []

    def head() -> None:
        trunk.append(net.whole())
        net.parts.clear()
        side = (case["side"] + 15) // 16
        window = min(5, side)
        places = ((side - window) // 3 + 1) ** 2
        end = net.branch().add(nn.AvgPool2d(window, 3)).conv(128)
        hidden = net.wide(1024)
        end.add(nn.Flatten()).add(nn.Linear(end.channels * places, hidden))
        end.add(nn.ReLU(inplace=True)).add(nn.Dropout(0.7))
        end.add(nn.Linear(hidden, case["num_classes"]))
        heads.append(end.whole())

    net.conv(64, 7, 2)
    pool()
    normalize()
    net.conv(64).conv(192, 3)
    normalize()
    pool()
    module(64, 96, 128, 16, 32, 32)
    module(128, 128, 192, 32, 96, 64)
    pool()
    module(192, 96, 208, 16, 48, 64)
    head()
    module(160, 112, 224, 24, 64, 64)
    module(128, 128, 256, 24, 64, 64)
    module(112, 144, 288, 32, 64, 64)
    head()
    module(256, 160, 320, 32, 128, 128)
    pool()
    module(256, 160, 320, 32, 128, 128)
    module(384, 192, 384, 48, 128, 128)
    return Classifier([*trunk, net.whole()], heads, _scores(net, 0.4, case))


def inception_v4(case: dict[str, Any]) -> Classifier:
    """Szegedy et al., arXiv 1602.07261, figures 3 to 9, wired as it was released."""
    net = Drawing(case["width"], 0.9997)

    def new() -> Drawing:
        return net.branch()

    def halved() -> Drawing:
        return new().add(nn.MaxPool2d(3, 2))

    def averaged(filters: int) -> Drawing:
        pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        return new().add(pool).conv(filters)

    def fork(branch: Drawing) -> Drawing:
        pair = [branch.branch().conv(256, kernel) for kernel in ((1, 3), (3, 1))]
        return branch.join(*pair)

    net.conv(32, 3, 2, valid=True).conv(32, 3, valid=True).conv(64, 3)
    net.join(halved(), new().conv(96, 3, 2, valid=True))
    long = new().conv(64).conv(64, (1, 7)).conv(64, (7, 1))
    net.join(new().conv(64).conv(96, 3, valid=True), long.conv(96, 3, valid=True))
    net.join(new().conv(192, 3, 2, valid=True), halved())
    for _ in range(case["blocks"][0]):
        net.join(
            new().conv(96),
            new().conv(64).conv(96, 3),
            new().conv(64).conv(96, 3).conv(96, 3),
            averaged(96),
        )
    long = new().conv(192).conv(224, 3).conv(256, 3, 2, valid=True)
    net.join(new().conv(384, 3, 2, valid=True), long, halved())
    for _ in range(case["blocks"][1]):
        long = new().conv(192).conv(192, (7, 1)).conv(224, (1, 7))
        net.join(
            new().conv(384),
            new().conv(192).conv(224, (1, 7)).conv(256, (7, 1)),
            long.conv(224, (7, 1)).conv(256, (1, 7)),
            averaged(128),
        )
    first, head = net.whole(), _whole_map_head(net, case)
    net.parts.clear()
    long = new().conv(256).conv(256, (1, 7)).conv(320, (7, 1))
    short = new().conv(192).conv(192, 3, 2, valid=True)
    net.join(short, long.conv(320, 3, 2, valid=True), halved())
    for _ in range(case["blocks"][2]):
        long = new().conv(384).conv(448, (3, 1)).conv(512, (1, 3))
        net.join(
            *(new().conv(256), fork(new().conv(384)), fork(long)),
            averaged(256),
        )
    return Classifier([first, net.whole()], [head], _scores(net, 0.2, case))


def _whole_map_head(net: Drawing, case: dict[str, Any]) -> nn.Module:
    """The side classifier at 17x17, whose last convolution covers the whole map."""
    map_side = case["side"]
    for kernel, stride in ((3, 2), (3, 1), (3, 2), (3, 1), (3, 2), (3, 2)):
        map_side = (map_side - kernel) // stride + 1
    window = min(5, map_side)
    kernel = (map_side - window) // 3 + 1
    end = net.branch().add(nn.AvgPool2d(window, 3)).conv(128)
    end.conv(768, kernel, valid=True).add(nn.Flatten())
    return end.add(nn.Linear(end.channels, case["num_classes"])).whole()


def _scores(net: Drawing, dropped: float, case: dict[str, Any]) -> nn.Module:
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropped))
    return nn.Sequential(*pooled, nn.Linear(net.channels, case["num_classes"]))
