"""Export of a small extractor as a frozen TensorFlow graph with the tensor names of the 2015 Inception graph."""

from typing import Any

from torch import nn

from adm.metrics.small_extractor import CENTRE, POOLED, ExtractorNetwork
from adm.metrics.tensorflow_loader import load_tensorflow


def freeze(network: ExtractorNetwork) -> bytes:
    """Serialise a network, with weights as constants and `ExpandDims` as a placeholder for (N, H, W, 3) images.

    Args:
        network: a network on any device; it is not changed.

    Returns:
        A binary GraphDef. The same weights give the same bytes with the same version of TensorFlow.

    Source: Appendix J; `adm.metrics.graph` reads these names.
    """
    tf: Any = load_tensorflow().compat.v1
    graph = tf.Graph()
    with graph.as_default():
        images = tf.placeholder(tf.float32, [None, None, None, 3], name="ExpandDims")
        side = [network.side, network.side]
        resized = tf.raw_ops.ResizeBilinear(images=images, size=side, name="ResizeBilinear")
        x = tf.multiply(tf.subtract(resized, CENTRE, name="Sub"), 1.0 / CENTRE, name="Mul")
        for name, layer in network.convolutions.items():
            assert isinstance(layer, nn.Conv2d)
            x = _convolution(tf, name, layer, x)
            if name in POOLED:
                x = tf.nn.max_pool2d(x, ksize=2, strides=2, padding="VALID", name=f"pool_{POOLED.index(name)}")
        pool = tf.nn.avg_pool2d(x, ksize=network.side // 4, strides=1, padding="VALID", name="pool_3")
        flat = tf.reshape(pool, [-1, network.logits.in_features], name="pool_3/_reshape")
        weight = tf.constant(_array(network.logits.weight).T, name="softmax/weights")
        bias = tf.constant(_array(network.logits.bias), name="softmax/biases")
        logits = tf.matmul(flat, weight, name="softmax/logits/MatMul")
        tf.nn.softmax(tf.nn.bias_add(logits, bias, name="softmax/logits/BiasAdd"), name="softmax")
    frozen: bytes = graph.as_graph_def().SerializeToString(deterministic=True)
    return frozen


def _convolution(tf: Any, name: str, layer: nn.Conv2d, x: Any) -> Any:
    """Add a convolution, its bias and its ReLU; the ReLU's node gets the name."""
    kernel = tf.constant(_array(layer.weight).transpose(2, 3, 1, 0), name=f"{name}/conv2d_params")
    assert layer.bias is not None
    bias = tf.constant(_array(layer.bias), name=f"{name}/biases")
    product = tf.nn.conv2d(x, kernel, strides=1, padding="SAME", name=f"{name}/Conv2D")
    return tf.nn.relu(tf.nn.bias_add(product, bias, name=f"{name}/BiasAdd"), name=name)


def _array(parameter: Any) -> Any:
    return parameter.detach().cpu().numpy()
