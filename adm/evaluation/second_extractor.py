"""A second opinion: distances between features of a network that the user brings, such as DINOv2."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adm.artifacts.manifest import library_versions, sha256
from adm.data.images import Images
from adm.metrics.density_coverage import density_coverage
from adm.metrics.frechet import frechet_distance
from adm.metrics.kernel import kernel_distance
from adm.metrics.manifold import precision_recall
from adm.metrics.module_features import ModuleExtractor, Resize, Scaling
from adm.metrics.statistics import feature_statistics


@dataclass(frozen=True)
class SecondExtractor:
    """A network in a file, and how images are brought to it; see `ModuleExtractor`."""

    path: Path
    resize: Resize
    scaling: Scaling
    device: str
    batch: int

    def scores(self, samples: Images, reference: Images) -> dict[str, Any]:
        """Compute all metrics that need no class probabilities, and tell what they rest on.

        Raises:
            UserError: The file is no network, or it fails on the images.
            ValueError: Its features are unusable.
        """
        network = ModuleExtractor(self.path, self.resize, self.scaling, self.device)
        fake, real = (network.features(images.chunks(self.batch), self.batch) for images in (samples, reference))
        manifold, balls = precision_recall(real, fake), density_coverage(real, fake)
        kernel = kernel_distance(real, fake)
        return {
            "frechet_distance": frechet_distance(feature_statistics(real), feature_statistics(fake)),
            "kernel_distance": kernel.value,
            "kernel_distance_standard_error": kernel.standard_error,
            "precision": manifold.precision,
            "recall": manifold.recall,
            "density": balls.density,
            "coverage": balls.coverage,
            "dimensions": fake.shape[1],
            "name": self.path.name,
            "sha256": sha256(self.path),
            "resize": str(self.resize),
            "scaling": self.scaling,
            "versions": library_versions(["torch"]),
        }
