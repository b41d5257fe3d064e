# One image for all services; docker-compose.yml says which runs where.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/opt/kernels \
    NUMBA_CACHE_LOCATOR_CLASSES=shared.kernels.InstalledKernels \
    NUMBA_CPU_NAME=generic
# Kernels are compiled below, once. For a CPU of no kind in particular: one built here must load anywhere.

WORKDIR /opt/lobflow
COPY requirements.lock ./
RUN --mount=type=cache,target=/var/cache/pip \
    python -m pip install --disable-pip-version-check --root-user-action=ignore --cache-dir /var/cache/pip \
      --ignore-installed --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY services services
COPY research research
COPY lobflow lobflow
COPY bench bench
RUN python -m pip install --disable-pip-version-check --root-user-action=ignore --no-cache-dir --no-deps \
      --no-build-isolation . \
    && rm -rf build *.egg-info shared services research lobflow bench

# Each directory that a volume is mounted on: a new volume takes its owner from here.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin lobflow \
    && install -d -o lobflow -g lobflow /models /recordings /venue /bus/acl \
         /bus/collector /bus/features /bus/model /bus/trader /bus/monitor /bus/recorder \
    && python -m services.features.compile \
    && python -m services.venue.synthetic.compile \
    && python -m services.collector.compile \
    && chmod -R a+rX /opt/kernels
COPY --chmod=0755 deploy/ready /usr/local/bin/ready

USER lobflow
