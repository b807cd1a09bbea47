"""NVIDIA's Tacotron 2 in numpy, from its description: torch's layouts and order."""

import numpy as np


def drawn(sizes):
    """Arrays under the names of a ``state_dict``, all drawn.

    Args:
      sizes: text, hidden, prenet, attention, filters, kernel, post, bins, symbols,
        convolutions of the encoder and of the post-net.
    """
    d, h, p, a, f, k, post, m, n, enc, mend = sizes
    rng = np.random.default_rng(0)
    shapes = {"embedding.weight": (n, d)}

    def convolution(name, rows, columns):
        shapes[f"{name}.0.conv.weight"] = (rows, columns, 5)
        for part in ("0.conv.bias", "1.weight", "1.bias", "1.running_mean"):
            shapes[f"{name}.{part}"] = (rows,)
        shapes[f"{name}.1.running_var"] = (rows,)

    def lstm(name, units, width, end=""):
        shapes[f"{name}.weight_ih{end}"] = (4 * units, width)
        shapes[f"{name}.weight_hh{end}"] = (4 * units, units)
        shapes[f"{name}.bias_ih{end}"] = shapes[f"{name}.bias_hh{end}"] = (4 * units,)

    for number in range(enc):
        convolution(f"encoder.convolutions.{number}", d, d)
    lstm("encoder.lstm", d // 2, d, "_l0")
    lstm("encoder.lstm", d // 2, d, "_l0_reverse")
    for number, width in enumerate((m, p)):
        shapes[f"decoder.prenet.layers.{number}.linear_layer.weight"] = (p, width)
    lstm("decoder.attention_rnn", h, p + d)
    lstm("decoder.decoder_rnn", h, h + d)
    place = "decoder.attention_layer"
    shapes[f"{place}.query_layer.linear_layer.weight"] = (a, h)
    shapes[f"{place}.memory_layer.linear_layer.weight"] = (a, d)
    shapes[f"{place}.v.linear_layer.weight"] = (1, a)
    shapes[f"{place}.location_layer.location_conv.conv.weight"] = (f, 2, k)
    shapes[f"{place}.location_layer.location_dense.linear_layer.weight"] = (a, f)
    for name, rows in (("linear_projection", m), ("gate_layer", 1)):
        shapes[f"decoder.{name}.linear_layer.weight"] = (rows, h + d)
        shapes[f"decoder.{name}.linear_layer.bias"] = (rows,)
    for number in range(mend):
        rows = m if number == mend - 1 else post
        convolution(f"postnet.convolutions.{number}", rows, m if not number else post)
    arrays = {
        name: rng.normal(0, 0.4, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    for name in arrays:
        if name.endswith("running_var"):
            arrays[name] = np.abs(arrays[name]) + 0.5
            counter = name.replace("running_var", "num_batches_tracked")
    return {**arrays, counter: np.array(7)}


class Theirs:
    """What the public model computes of one text, without dropout."""

    def __init__(self, arrays):
        self.a = {name: np.float64(array) for name, array in arrays.items()}

    def convolution(self, name, x):
        """Of [T, D]: the convolution, then normalisation, epsilon 1e-5."""
        kernel = self.a[f"{name}.0.conv.weight"]
        size = kernel.shape[2]
        padded = np.pad(x, [[size // 2, size // 2], [0, 0]])
        made = np.stack(
            [
                np.einsum("kd,fdk->f", padded[t : t + size], kernel)
                for t in range(len(x))
            ]
        )
        made += self.a[f"{name}.0.conv.bias"]
        made = (made - self.a[f"{name}.1.running_mean"]) / np.sqrt(
            self.a[f"{name}.1.running_var"] + 1e-5
        )
        return made * self.a[f"{name}.1.weight"] + self.a[f"{name}.1.bias"]

    def lstm(self, name, x, state, end=""):
        """One step; gates in torch's order: i, f, g, o."""
        h, c = state
        sums = self.a[f"{name}.weight_ih{end}"] @ x + self.a[f"{name}.bias_ih{end}"]
        sums += self.a[f"{name}.weight_hh{end}"] @ h + self.a[f"{name}.bias_hh{end}"]
        i, f, g, o = np.split(sums, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    def encode(self, ids):
        x = self.a["embedding.weight"][ids]
        number = 0
        while f"encoder.convolutions.{number}.0.conv.weight" in self.a:
            x = np.maximum(self.convolution(f"encoder.convolutions.{number}", x), 0)
            number += 1
        ways = []
        for end, order in (("_l0", 1), ("_l0_reverse", -1)):
            state = (np.zeros(x.shape[1] // 2),) * 2
            made = []
            for each in x[::order]:
                state = self.lstm("encoder.lstm", each, state, end)
                made.append(state[0])
            ways.append(np.stack(made[::order]))
        return np.concatenate(ways, 1)

    def taught(self, ids, mel):
        """Frames before and after the post-net, stop logits, alignment of [T, M]."""
        memory = self.encode(ids)
        place = "decoder.attention_layer"
        keys = memory @ self.a[f"{place}.memory_layer.linear_layer.weight"].T
        hidden = self.a["decoder.gate_layer.linear_layer.weight"].shape[1]
        hidden -= memory.shape[1]
        first = second = (np.zeros(hidden),) * 2
        context, last = np.zeros(memory.shape[1]), np.zeros(len(memory))
        total, frames, stops, shares = last, [], [], []
        for before in [np.zeros(mel.shape[1]), *mel[:-1]]:
            for number in (0, 1):
                name = f"decoder.prenet.layers.{number}.linear_layer.weight"
                before = np.maximum(self.a[name] @ before, 0)
            first = self.lstm(
                "decoder.attention_rnn", np.concatenate([before, context]), first
            )
            kernel = self.a[f"{place}.location_layer.location_conv.conv.weight"]
            size = kernel.shape[2]
            seen = np.pad(np.stack([last, total]), [[0, 0], [size // 2, size // 2]])
            located = np.stack(
                [
                    np.einsum("ck,fck->f", seen[:, j : j + size], kernel)
                    for j in range(len(memory))
                ]
            )
            dense = f"{place}.location_layer.location_dense.linear_layer.weight"
            query = self.a[f"{place}.query_layer.linear_layer.weight"] @ first[0]
            energy = np.tanh(query + keys + located @ self.a[dense].T)
            energy = energy @ self.a[f"{place}.v.linear_layer.weight"][0]
            last = np.exp(energy - energy.max())
            last /= last.sum()
            total = total + last
            context = last @ memory
            second = self.lstm(
                "decoder.decoder_rnn", np.concatenate([first[0], context]), second
            )
            both = np.concatenate([second[0], context])
            for name, made in (("linear_projection", frames), ("gate_layer", stops)):
                layer = f"decoder.{name}.linear_layer"
                made.append(self.a[f"{layer}.weight"] @ both + self.a[f"{layer}.bias"])
            shares.append(last)
        frames = x = np.stack(frames)
        number = 0
        while f"postnet.convolutions.{number}.0.conv.weight" in self.a:
            x = self.convolution(f"postnet.convolutions.{number}", x)
            number += 1
            if f"postnet.convolutions.{number}.0.conv.weight" in self.a:
                x = np.tanh(x)
        return frames, frames + x, np.concatenate(stops), np.stack(shares)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
