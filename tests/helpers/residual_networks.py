"""Networks of the forms that people have: a residual network as torchvision writes them, and a transformer's block."""

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two convolutions, and the signal added, in place, before the last ReLU."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or channels_in != channels:
            shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, signal: Tensor) -> Tensor:
        identity = signal if self.downsample is None else self.downsample(signal)
        signal = self.relu(self.bn1(self.conv1(signal)))
        signal = self.bn2(self.conv2(signal))
        signal += identity
        return self.relu(signal)


def resnet(*, downsample: bool = True) -> nn.Sequential:
    """As torchvision's, small: a stem, three blocks (the last with a convolution in its skip connection), a head."""
    torch.manual_seed(0)
    last = BasicBlock(4, 8, stride=2) if downsample else BasicBlock(4, 4)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Sequential(BasicBlock(4, 4), BasicBlock(4, 4)),
        last,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8 if downsample else 4, 5),
    ).double()


def transformer(**options: float) -> nn.Sequential:
    """One block on sequences (batch, 4, 8), and a head."""
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True, **options)
    return nn.Sequential(block, nn.Flatten(), nn.Linear(32, 3)).double()
