"""PyTorch's numbers for docs/mxnet_to_pytorch.md, saved; tests/test_mxnet_to_pytorch.py recomputes MXNet's beside them.

Needs PyTorch (the extra ``bench``), and nothing else of this project. Run it anew when a row is added.
"""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

RESULTS = Path(__file__).parent / "results" / "torch_numbers.json"
ROW = torch.arange(1.0, 6).reshape(1, 1, 5)


def pooled():
    """Max pooling of 1 … 5 with window 2 and every default."""
    return nn.MaxPool1d(2)(ROW).flatten().tolist()


def average_pooled_with_padding():
    """Average pooling of 1 … 5, window 3, stride 1, padding 1: are the padded zeros counted?"""
    return nn.AvgPool1d(3, stride=1, padding=1)(ROW).flatten().tolist()


def linear_start():
    """Largest initial weight and bias of a dense layer of 100 inputs, and whether the bias is zero."""
    torch.manual_seed(0)
    layer = nn.Linear(100, 1000)
    return [float(layer.weight.detach().abs().max()), bool((layer.bias == 0).all())]


def loss_of_two():
    """Cross-entropy of two samples, as it comes."""
    scores = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    return functional.cross_entropy(scores, torch.tensor([1, 1])).reshape(-1).tolist()


def stepped(momentum=0.0, nesterov=False, weight_decay=0.0, rates=(0.1, 0.1, 0.01)):
    """Three steps of SGD from 1 with gradient 2, the rate lowered before the third."""
    x = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([x], lr=rates[0], momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
    path = []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        (2 * x).sum().backward()
        optimizer.step()
        path.append(float(x.detach()))
    return path


def adam_first_step():
    """Adam's first step from 0 with a gradient as small as epsilon."""
    x = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([x], lr=1.0, eps=1e-3)
    (1e-3 * x).sum().backward()
    optimizer.step()
    return float(x.detach())


def batch_norm_running():
    """Running mean and variance after one batch of mean 10 and variance 4 (biased), from 0 and 1; epsilon."""
    layer = nn.BatchNorm1d(1)
    layer(torch.tensor([[8.0], [12.0]]))
    return [float(layer.running_mean), float(layer.running_var), layer.eps]


def dense_layout():
    """The shape of a dense layer's weight from 3 inputs to 2 outputs, and what it does to a picture."""
    layer = nn.Linear(3, 2)
    return [list(layer.weight.shape), list(layer(torch.zeros(4, 5, 3)).shape)]


def dropout_keeps():
    """The value of a kept activation of 1 in training with p = 0.2."""
    torch.manual_seed(0)
    return float(nn.Dropout(0.2)(torch.ones(1000)).max())


def argmax_type():
    """The dtype of an argmax."""
    return str(torch.ones(2, 3).argmax(dim=1).dtype)


def main():
    """Compute and save every row."""
    numbers = {
        "pytorch": torch.__version__.partition("+")[0],
        "pooled": pooled(),
        "average_pooled_with_padding": average_pooled_with_padding(),
        "linear_start": linear_start(),
        "loss_of_two": loss_of_two(),
        "sgd": stepped(),
        "momentum": stepped(momentum=0.9),
        "nesterov": stepped(momentum=0.9, nesterov=True),
        "weight_decay": stepped(weight_decay=0.5),
        "adam_first_step": adam_first_step(),
        "batch_norm_running": batch_norm_running(),
        "dense_layout": dense_layout(),
        "dropout_keeps": dropout_keeps(),
        "argmax_type": argmax_type(),
    }
    RESULTS.write_text(json.dumps(numbers, indent=1) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
