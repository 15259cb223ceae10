# Two stages: what is needed to build stays in the first. Give both images a digest when you mirror them:
#   docker build --build-arg PYTHON=registry.example/python:3.13-slim@sha256:... .
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# What runs, first: the layer stays while only our own code changes.
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /opt/isolation-baseline \
 && /opt/isolation-baseline/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
# The build back end comes from a lock as well, so nothing is installed without a hash.
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-dev.lock
COPY pyproject.toml README.md ./
COPY webhook webhook
COPY certs certs
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
 && /opt/isolation-baseline/bin/pip install --no-deps --no-index /opt/wheel/*.whl \
 && /opt/isolation-baseline/bin/pip check \
 && /opt/isolation-baseline/bin/pip uninstall --yes pip

FROM ${PYTHON}
LABEL org.opencontainers.image.title="isolation-baseline" \
      org.opencontainers.image.description="Every Kubernetes namespace isolated from its first second, on Calico"
# Nothing is written but to /tmp, which the manifests mount: the root may be read-only.
ENV PATH=/opt/isolation-baseline/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/isolation-baseline /opt/isolation-baseline
# By number, so that runAsNonRoot can be checked without an /etc/passwd entry.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8443 8080
ENTRYPOINT ["isolation-baseline"]
CMD ["--help"]
