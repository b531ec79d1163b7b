# Python and the locks: what jobs run in, whether the whole workflow runs in a container or each of Snakemake's jobs does.
# A tag moves as Debian and Python 3.11 are mended; give a digest for a base that never does: `--build-arg BASE=...`.
ARG BASE=python:3.11-slim-trixie
# hadolint ignore=DL3006
FROM ${BASE}

LABEL org.opencontainers.image.title="adm" \
      org.opencontainers.image.description="Diffusion Models Beat GANs on Image Synthesis, as a reproducible workflow"

# DVC asks git where its repository is. Debian keeps no old versions, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/adm
COPY requirements.lock requirements-cluster.lock ./
RUN pip install --no-cache-dir --requirement requirements.lock --requirement requirements-cluster.lock

# `adm` beside a project. Within one, `python -m adm` is the project's own, whose code the engines keep watch over.
COPY pyproject.toml README.md ./
COPY adm adm
RUN pip install --no-cache-dir --no-deps .

# Whoever runs it need not be known here, under any uid: what programs keep for themselves goes where anybody may write,
# and Snakemake and DVC, which ask for the name of the user, find one. Git would not look at a mounted project that
# belongs to somebody else.
RUN useradd --uid 1000 --no-create-home adm \
    && git config --system --add safe.directory '*'
ENV USER=adm \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/.cache \
    XDG_CONFIG_HOME=/tmp/.config
USER 1000
WORKDIR /work
CMD ["snakemake", "--cores", "2"]
