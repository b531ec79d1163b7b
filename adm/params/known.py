"""Published files that users can fetch by name, without a params file."""

from adm.params.published import PublishedParams

INCEPTION = PublishedParams(
    url="https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches/classify_image_graph_def.pb",
    size=95_673_916,
    md5="e6bb154e85f5d4331c22abcddb5dcf31",
)
"""The Inception graph of 2015. Source: the released evaluator, which fetches this file."""

KNOWN = {"inception": INCEPTION}
"""Names that `adm fetch NAME` accepts."""
