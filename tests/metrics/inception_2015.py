"""A graph with the topology, operations, names and shapes of the Inception graph of 2015, and random weights.

What it holds, and under which names, is public: Szegedy et al. 2015 for the blocks, the listing of the released
file's nodes in the documentation of several readers of it for the names. `test_inception_2015.py` holds it against
torch-fidelity's network, which runs the released weights.
"""

import zlib

import numpy as np
from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_INT32, DT_STRING, DT_UINT8

from adm.metrics.graph import Nodes

CLASSES = 1008
STEM = (
    "conv 32 3x3/2v",
    "conv_1 32 3x3/1v",
    "conv_2 64 3x3",
    "pool max 3x3/2v",
    "conv_3 80 1x1/1v",
    "conv_4 192 3x3/1v",
)
"""Name, channels or kind of pooling, window, and where they are not one and SAME: stride, and v for VALID."""

SPREAD = 0.75
"""The variance of max(z + 1, 0) for a standard normal z."""


def _squares(pooled):
    """35x35."""
    return (
        ("conv 64 1x1",),
        ("tower/conv 48 1x1", "tower/conv_1 64 5x5"),
        ("tower_1/conv 64 1x1", "tower_1/conv_1 96 3x3", "tower_1/conv_2 96 3x3"),
        ("tower_2/pool avg 3x3", f"tower_2/conv {pooled} 1x1"),
    )


def _strips(inner):
    """17x17."""
    return (
        ("conv 192 1x1",),
        (f"tower/conv {inner} 1x1", f"tower/conv_1 {inner} 1x7", "tower/conv_2 192 7x1"),
        (
            f"tower_1/conv {inner} 1x1",
            *(f"tower_1/conv_{n} {inner} {window}" for n, window in ((1, "7x1"), (2, "1x7"), (3, "7x1"))),
            "tower_1/conv_4 192 1x7",
        ),
        ("tower_2/pool avg 3x3", "tower_2/conv 192 1x1"),
    )


def _forks(pooling):
    """8x8; what follows `|` stands side by side, and the block joins all of it."""
    return (
        ("conv 320 1x1",),
        ("tower/conv 384 1x1", "|", "tower/mixed/conv 384 1x3", "tower/mixed/conv_1 384 3x1"),
        (
            *("tower_1/conv 448 1x1", "tower_1/conv_1 384 3x3", "|"),
            *("tower_1/mixed/conv 384 1x3", "tower_1/mixed/conv_1 384 3x1"),
        ),
        (f"tower_2/pool {pooling} 3x3", "tower_2/conv 192 1x1"),
    )


BLOCKS = {
    "mixed": _squares(32),
    "mixed_1": _squares(64),
    "mixed_2": _squares(64),
    "mixed_3": (
        ("conv 384 3x3/2v",),
        ("tower/conv 64 1x1", "tower/conv_1 96 3x3", "tower/conv_2 96 3x3/2v"),
        ("pool max 3x3/2v",),
    ),
    "mixed_4": _strips(128),
    "mixed_5": _strips(160),
    "mixed_6": _strips(160),
    "mixed_7": _strips(192),
    "mixed_8": (
        ("tower/conv 192 1x1", "tower/conv_1 320 3x3/2v"),
        ("tower_1/conv 192 1x1", "tower_1/conv_1 192 1x7", "tower_1/conv_2 192 7x1", "tower_1/conv_3 192 3x3/2v"),
        ("pool max 3x3/2v",),
    ),
    "mixed_9": _forks("avg"),
    "mixed_10": _forks("max"),
}
"""Branches of each block, in the order they are joined in."""


def inception_2015(width=1.0):
    """Build the graph.

    Args:
        width: what the numbers of channels and classes are multiplied by, each rounded and at least one; 1 is the
            released file's, and `mixed_6/conv` needs 1/26 for its seven channels.

    Returns:
        A GraphDef message. Its weights depend on their names and shapes alone; activations stay of order one.
    """
    made = _Graph(width)
    x = made.preprocessing()
    for layer in STEM:
        x = made.layer("", x, layer)
    x = made.layer("", x, "pool_1 max 3x3/2v")
    for block, branches in BLOCKS.items():
        x = made.block(block, x, branches)
    made.head(made.layer("", x, "pool_3 avg 8x8/1v"))
    return made.definition


def weights(definition):
    """Every weight in the order of the convolutions; shapes then show whether the order is right."""
    nodes = Nodes(definition)
    for node in definition.node:
        if node.op == "Conv2D":
            yield nodes.constant(node.input[1]).permute(3, 2, 0, 1)
            for key in ("gamma", "beta", "moving_mean", "moving_variance"):
                yield nodes.constant(node.name.replace("Conv2D", f"batchnorm/{key}"))
    yield nodes.constant("softmax/weights").T
    yield nodes.constant("softmax/biases")


class _Graph:
    """A graph while it is built; `channels` holds those of each feature map."""

    def __init__(self, width):
        self.width = width
        self.definition = GraphDef()  # of version 0: from 9 on TensorFlow refuses the old batch norm
        self.channels = {"Mul": 3}

    def scaled(self, channels):
        return max(1, round(channels * self.width))

    def node(self, name, op, *inputs, T=DT_FLOAT, **attributes):
        node = self.definition.node.add(name=name, op=op, input=inputs)
        if T is not None:
            node.attr["T"].type = T
        for key, value in attributes.items():
            node.attr[key].CopyFrom(value)
        return name

    def constant(self, name, value, dtype=DT_FLOAT):
        """Add a constant: arrays as bytes, scalars and text as values, as TensorFlow did."""
        attribute = AttrValue()
        attribute.tensor.dtype = dtype
        if dtype == DT_STRING:
            attribute.tensor.string_val.append(value)
        else:
            for length in np.shape(value):
                attribute.tensor.tensor_shape.dim.add(size=length)
            if np.ndim(value):
                attribute.tensor.tensor_content = np.asarray(value, np.int32 if dtype == DT_INT32 else "<f4").tobytes()
            else:
                getattr(attribute.tensor, "int_val" if dtype == DT_INT32 else "float_val").append(value)
        return self.node(name, "Const", T=None, dtype=AttrValue(type=dtype), value=attribute)

    def preprocessing(self):
        contents = self.constant("DecodeJpeg/contents", b"", DT_STRING)
        self.node("DecodeJpeg", "DecodeJpeg", contents, T=None, channels=AttrValue(i=3))
        self.node("Cast", "Cast", "DecodeJpeg", T=None, SrcT=AttrValue(type=DT_UINT8), DstT=AttrValue(type=DT_FLOAT))
        self.node("ExpandDims", "ExpandDims", "Cast", self.constant("ExpandDims/dim", 0, DT_INT32))
        size = self.constant("ResizeBilinear/size", [299, 299], DT_INT32)
        self.node("ResizeBilinear", "ResizeBilinear", "ExpandDims", size)
        self.node("Sub", "Sub", "ResizeBilinear", self.constant("Sub/y", 128.0))
        return self.node("Mul", "Mul", "Sub", self.constant("Mul/y", 1 / 128))

    def block(self, name, x, branches):
        ends = []
        for branch in branches:
            end, forked = x, []
            for layer in branch:
                if layer == "|":
                    forked = [end]
                elif forked:
                    forked.append(self.layer(name, forked[0], layer))
                else:
                    end = self.layer(name, end, layer)
            ends += forked[1:] or [end]
        axis = self.constant(f"{name}/join/concat_dim", 3, DT_INT32)
        joined = self.node(f"{name}/join", "Concat", axis, *ends, N=AttrValue(i=len(ends)))
        self.channels[joined] = sum(self.channels[end] for end in ends)
        return joined

    def layer(self, scope, x, text):
        """Add a convolution or a pooling, written as in `STEM`."""
        name, what, shape = text.split()
        window, _, step = shape.partition("/")
        name = f"{scope}/{name}".lstrip("/")
        window = [int(side) for side in window.split("x")]
        options = {
            "strides": AttrValue(list={"i": [1, *[int(step[:1] or 1)] * 2, 1]}),
            "padding": AttrValue(s=b"VALID" if step.endswith("v") else b"SAME"),
        }
        if what.isdigit():
            return self.convolution(name, x, window, self.scaled(int(what)), options)
        self.channels[name] = self.channels[x]
        ksize = AttrValue(list={"i": [1, *window, 1]})
        checked = self.checked(name, x)
        # In 2015 a MaxPool took floats alone, and had no T.
        dtype, op = (None, "MaxPool") if what == "max" else (DT_FLOAT, "AvgPool")
        return self.node(name, op, checked, T=dtype, ksize=ksize, **options)

    def convolution(self, name, x, window, channels, options):
        """Add a convolution, its batch norm, the check that its values are finite, and the ReLU that bears the name."""
        self.channels[name] = channels
        kernel = self.constant(
            f"{name}/conv2d_params", _kernel(f"{name}/conv2d_params", window, self.channels[x], channels)
        )
        product = self.node(f"{name}/Conv2D", "Conv2D", x, kernel, **options)
        statistics = {
            key: self.constant(
                f"{name}/batchnorm/{key}", _normal(f"{name}/batchnorm/{key}", channels) * spread + centre
            )
            for key, centre, spread in (("beta", 1, 0.2), ("gamma", 1, 0.1), ("moving_mean", 0, 0.2))
        }
        variance = np.exp(_normal(f"{name}/batchnorm/moving_variance", channels) * 0.2)
        statistics["moving_variance"] = self.constant(f"{name}/batchnorm/moving_variance", variance)
        order = ("moving_mean", "moving_variance", "beta", "gamma")
        self.node(
            f"{name}/batchnorm",
            "BatchNormWithGlobalNormalization",
            product,
            *(statistics[key] for key in order),
            variance_epsilon=AttrValue(f=1e-3),
            scale_after_normalization=AttrValue(b=True),
        )
        return self.node(name, "Relu", self.checked(name, f"{name}/batchnorm"))

    def checked(self, name, x):
        """Add what passes `x` on once a check, which it reads as a control input, has found it finite."""
        self.node(f"{name}/CheckNumerics", "CheckNumerics", x, message=AttrValue(s=b"bad"))
        return self.node(f"{name}/control_dependency", "Identity", x, f"^{name}/CheckNumerics")

    def head(self, pool):
        features, classes = self.channels[pool], self.scaled(CLASSES)
        shape = self.constant("pool_3/_reshape/shape", [1, features], DT_INT32)
        flat = self.node("pool_3/_reshape", "Reshape", pool, shape)
        weights = _normal("softmax/weights", features, classes) / np.sqrt(features)
        weights = self.constant("softmax/weights", weights)
        biases = self.constant("softmax/biases", _normal("softmax/biases", classes) * 0.1)
        product = self.node("softmax/logits/MatMul", "MatMul", flat, weights)
        self.node("softmax", "Softmax", self.node("softmax/logits", "BiasAdd", product, biases))


def _normal(name, *shape):
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32)


def _kernel(name, window, inputs, outputs):
    """Draw a kernel that is blind to the mean of what a ReLU lets through, and keeps its spread.

    With the mean, all images would come to look alike through fifty layers. Blind to it and centred at zero, rounding
    would grow with every layer as the differences between images do; most of the betas are above zero for that.
    """
    kernel = _normal(name, *window, inputs, outputs)
    kernel -= kernel.mean(axis=(0, 1, 2))
    return kernel / np.sqrt(SPREAD * kernel[..., 0].size)
